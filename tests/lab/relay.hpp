#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lab/lab.hpp"

namespace holdfast::lab {

struct RelayOptions {
  /// ClientAliveInterval in seconds, with ClientAliveCountMax 3; none: sshd's defaults, which never probe.
  std::optional<unsigned> client_alive{};
  std::string shell = "/bin/sh";      ///< of the account `tunnel`
  std::vector<std::string> config{};  ///< lines of sshd_config; they win over ours
  std::string key_options{};          ///< before the client's key in authorized_keys: "from=\"192.0.2.1\""
};

/// A stock OpenSSH server on the relay, run by root as everywhere, so with privilege separation: a session's listener
/// belongs to a process under the uid of the account `tunnel`.
class Relay {
 public:
  Relay(Lab& lab, const RelayOptions& options);

  void start();      ///< returns when it listens
  void terminate();  ///< SIGTERM to listener and sessions: their sockets close, so peers see FIN or RST
  void kill();       ///< SIGKILL, otherwise the same
  void freeze();     ///< SIGSTOP to all: the kernel still acknowledges, nobody answers
  void thaw();

  std::string user() const { return "tunnel"; }
  std::string identity() const { return dir_ / "client"; }  ///< the client's private key
  std::string known_hosts() const { return dir_ / "known_hosts"; }
  std::size_t connections() const;  ///< TCP connections it has taken since the first start
  std::string log() const;

 private:
  Lab& lab_;
  test::TempDir dir_;
  std::optional<test::ProcessTree> sshd_;
  std::string past_log_;
};

}  // namespace holdfast::lab
