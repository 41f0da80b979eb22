#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "ssh/channel.hpp"

namespace holdfast::relay {

enum class Heard { bytes, end };

/// Listens at a channel to the relay's own listener: does anybody answer there? Destroying it hangs up.
class Knock {
 public:
  /// `heard` is called from the loop, once, at the first byte or at the end of the stream. Nothing of what comes is
  /// taken: whoever floods fills one window.
  Knock(boost::asio::any_io_executor executor, ssh::Channel channel, std::function<void(Heard)> heard);
  ~Knock();
  Knock(const Knock&) = delete;
  Knock& operator=(const Knock&) = delete;

  /// Sends so much through, as soon as there is room. At most once.
  void say(std::span<const std::byte> words);
  /// Ends our side (SSH_MSG_CHANNEL_EOF): a service that waits to be spoken to ends its own then, most likely, and
  /// receives no byte of ours. Only where the relay hands one end on alone, as OpenSSH does: others end both then,
  /// whoever is behind.
  void say_nothing();
  /// Nothing is heard any more; the channel stays open.
  void ignore();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace holdfast::relay
