#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "holdfast/findings.hpp"
#include "holdfast/knock_hosts.hpp"
#include "holdfast/lifetime.hpp"
#include "net/delay.hpp"
#include "relay/knock.hpp"
#include "ssh/session.hpp"

namespace holdfast::doctor {

/// Has somebody our listeners? Connects to each by way of a session that is logged in, one after the other, and hangs
/// up; no listener is asked for.
class Knocks {
 public:
  /// `done` is called once, from the loop. All of it outlives this.
  Knocks(boost::asio::any_io_executor executor, ssh::Session& session, const TunnelSpec& spec,
         std::function<void(Finding)> done);

 private:
  void next();
  void ask();
  void opened(tl::expected<ssh::Channel, ssh::OpenRefusal> channel);
  void refused(const ssh::OpenRefusal& refusal);
  void is(std::optional<Cause> cause, const std::string& words);

  boost::asio::any_io_executor executor_;
  ssh::Session& session_;
  const TunnelSpec& spec_;
  std::function<void(Finding)> done_;
  std::size_t at_ = 0;
  std::optional<KnockHosts> hosts_;
  std::unique_ptr<relay::Knock> knock_;
  net::Delay silence_;
  StepFindings found_;
  bool looked_ = false;  ///< at one of them, at least
  Lifetime lifetime_;
};

}  // namespace holdfast::doctor
