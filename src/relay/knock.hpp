#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>

#include "ssh/channel.hpp"

namespace holdfast::relay {

/// Listens at a channel to the relay's own listener: does anybody answer there? Destroying it hangs up.
class Knock {
 public:
  /// `answered` is called from the loop, once, at the first byte or at the end of the stream.
  Knock(boost::asio::any_io_executor executor, ssh::Channel channel, std::function<void()> answered);
  ~Knock();
  Knock(const Knock&) = delete;
  Knock& operator=(const Knock&) = delete;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace holdfast::relay
