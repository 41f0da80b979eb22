#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/account.hpp"
#include "support/keys.hpp"
#include "support/process.hpp"
#include "support/relay_server.hpp"

namespace holdfast::test {

/// Dropbear as the relay, run as an Account like Sshd.
class Dropbear : public RelayServer {
 public:
  /// `flags`: more of dropbear's options. The authorized keys are all_client_public_keys().
  explicit Dropbear(std::vector<std::string> flags = {}, Place place = {}, bool knows_localhost = true);

  std::uint16_t port() const override { return port_; }
  const std::string& user() const override { return account_.name(); }
  std::string home() const override { return account_.home(); }
  void start() final;
  void stop() override;
  void freeze();
  void thaw();
  std::string log() const override;  ///< since the last start()
  std::string known_hosts() const override;

 private:
  std::vector<std::string> flags_;
  Account account_;
  std::uint16_t port_;
  std::string host_key_line_;
  std::optional<ProcessTree> tree_;
};

}  // namespace holdfast::test
