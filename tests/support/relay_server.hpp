#pragma once

#include <cstdint>
#include <string>

namespace holdfast::test {

/// What the relays of the tests have in common, whoever made them. Each listens on 127.0.0.1, on the same port after
/// every start(), and is up when its constructor or start() returns.
class RelayServer {
 public:
  virtual ~RelayServer() = default;

  std::string host() const { return "127.0.0.1"; }
  virtual std::uint16_t port() const = 0;
  virtual const std::string& user() const = 0;
  virtual std::string home() const = 0;         ///< the account's
  virtual std::string known_hosts() const = 0;  ///< "[127.0.0.1]:PORT TYPE KEY", a line for each host key

  virtual void start() = 0;
  virtual void stop() = 0;  ///< listener and sessions, with SIGKILL: their sockets close, so a peer sees FIN or RST
  virtual std::string log() const = 0;
};

}  // namespace holdfast::test
