#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "support/net.hpp"
#include "support/targets.hpp"

namespace holdfast::bench {

/// What goes through the tunnels: an endless stream of incompressible bytes, the same for all. It is made once and its
/// length is odd, so that sending and comparing cost next to nothing and a lost, doubled or moved byte is seen.
class Content {
 public:
  /// What comes next, at most `limit` bytes.
  std::string_view next(std::size_t limit);
  /// Is `data` what comes next?
  bool matches(std::string_view data);

 private:
  std::size_t at_ = 0;
};

void send_content(test::Socket& socket, std::uint64_t bytes);
/// Throws std::runtime_error unless exactly these bytes come, and with `to_end` then the end of the stream.
void receive_content(test::Socket& socket, std::uint64_t bytes, bool to_end);

/// The target of every tunnel: greets, reads one line, and does what it says:
///   "send N"  sends N bytes of Content, then the end
///   "take N"  wants N bytes of Content, answers "ok"
///   "echo"    sends back what comes, without delay
test::Conversation target();
inline constexpr std::string_view greeting = "ready\n";

// What a visitor does on a connection that was greeted. They throw unless the content is right.
void fetch(test::Socket& visitor, std::uint64_t bytes);    ///< from the device
void deliver(test::Socket& visitor, std::uint64_t bytes);  ///< to the device

}  // namespace holdfast::bench
