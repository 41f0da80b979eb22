#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/init/plan.hpp"
#include "cli/init/wish.hpp"
#include "holdfast/report.hpp"

namespace holdfast::cli::steps {

/// The daemon that holds the tunnel, or is to: all tunnels of the device, or this one alone.
class Holder {
 public:
  Holder(const Wish& wish, const Plan& plan) : wish_(wish), plan_(plan) {}

  /// False: it was left to whoever runs this.
  bool start(bool key_is_new, bool configuration_is_new);
  /// Until the tunnel is up, or nobody mends it by waiting.
  void wait() const;

 private:
  Options of_daemon() const;
  std::string only() const { return own_process_ ? wish_.tunnel.name : ""; }
  std::string unit() const { return own_process_ ? "holdfast@" + wish_.tunnel.name : "holdfast"; }
  bool is_one_process_a_tunnel() const;
  void systemctl(const std::vector<std::string>& verb) const;
  void warn_of_logout() const;
  void reload() const;
  void reconnect() const;
  std::optional<TunnelReport> look() const;
  bool is_good(const TunnelReport& tunnel) const;
  [[noreturn]] void fail(const std::string& why, const Failure& failure) const;

  const Wish& wish_;
  const Plan& plan_;
  bool own_process_ = false;  ///< the tunnel's process holds no other
};

}  // namespace holdfast::cli::steps
