#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "support/ssh/session.hpp"
#include "support/targets.hpp"

namespace holdfast::test {

/// A relay that a script plays, on the loopback, with a transport of its own (SshTransport): it can say anything at any
/// time. Each connection is handed to the script in a thread of its own, and is closed when that returns.
class ScriptedRelay {
 public:
  using Script = std::function<void(RelaySession&)>;

  explicit ScriptedRelay(Script script = honest(), RelayOptions options = {});

  static Script honest() {
    return [](RelaySession& session) { session.serve(); };
  }

  std::string host() const { return "127.0.0.1"; }
  std::uint16_t port() const { return server_.port(); }
  std::string user() const { return "tunnel"; }
  std::string known_hosts() const;
  std::size_t accepted() const { return server_.accepted(); }
  std::size_t open() const { return server_.open(); }
  /// What scripts threw, a line each, other than that the client went away; on standard error too.
  std::string problems() const;

 private:
  void talk(Socket& socket);

  Script script_;
  RelayOptions options_;
  KeyPair host_key_ = KeyPair::ed25519();
  mutable std::mutex mutex_;
  std::string problems_;  ///< under mutex_
  TargetServer server_{[this](Socket& socket) { talk(socket); }};
};

}  // namespace holdfast::test
