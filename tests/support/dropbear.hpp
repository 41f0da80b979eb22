#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/account.hpp"
#include "support/keys.hpp"
#include "support/process.hpp"

namespace holdfast::test {

/// Dropbear as the relay, run as an Account like Sshd.
class Dropbear {
 public:
  /// `flags`: more of dropbear's options. The authorized keys are all_client_public_keys().
  explicit Dropbear(std::vector<std::string> flags = {}, bool knows_localhost = true);

  std::string host() const { return "127.0.0.1"; }
  std::uint16_t port() const { return port_; }
  const std::string& user() const { return account_.name(); }
  void start();
  void stop();
  void freeze();
  void thaw();
  std::string log() const;  ///< since the last start()
  std::string known_hosts() const;

 private:
  std::vector<std::string> flags_;
  Account account_;
  std::uint16_t port_;
  std::string host_key_line_;
  std::optional<ProcessTree> tree_;
};

}  // namespace holdfast::test
