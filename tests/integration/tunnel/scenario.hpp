#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "support/holdfast.hpp"
#include "support/net.hpp"
#include "support/sshd.hpp"
#include "support/targets.hpp"
#include "support/wait.hpp"

namespace holdfast::test {

/// "4649:127.0.0.1:22"
inline std::string to_local(std::uint16_t relay_port, std::uint16_t target_port) {
  return std::to_string(relay_port) + ":127.0.0.1:" + std::to_string(target_port);
}

/// Someone connects to the relay's port and talks to an echo target through it.
inline bool echoes(std::uint16_t relay_port, const std::string& text = "hello\n",
                   const std::string& host = "127.0.0.1") {
  Socket caller = Socket::connect_tcp(host, relay_port);
  caller.send(text);
  caller.finish_sending();
  return caller.receive_all() == text;
}

class Stopwatch {
 public:
  std::chrono::milliseconds elapsed() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start_);
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

/// What a machine that is busy with other tests may need on top of a time that is being checked.
inline constexpr std::chrono::milliseconds slack = sanitized ? 8s : 3s;

}  // namespace holdfast::test
