#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "holdfast/time.hpp"
#include "net/network_snapshot.hpp"

namespace holdfast::net {

/// How long the network must have been still before a change is told, and how long a change may be held back.
struct SettleTime {
  Duration still = std::chrono::milliseconds{200};
  Duration at_most = std::chrono::seconds{1};
};

/// Listens to the kernel (rtnetlink(7)) and tells what changed once it has settled: an address that goes and comes back
/// meanwhile has not changed. Needs no privilege.
class NetworkWatcher {
 public:
  /// `changed` is called from the loop, with a gain, an address that is gone, or both. `unavailable` is called from the
  /// loop, once, when the kernel does not let us listen (any more): then nothing is ever told, and all else goes on.
  NetworkWatcher(const boost::asio::any_io_executor& executor, std::function<void(const NetworkChange&)> changed,
                 std::function<void(const std::string& why)> unavailable, SettleTime settle_time = {});
  ~NetworkWatcher();
  NetworkWatcher(const NetworkWatcher&) = delete;
  NetworkWatcher& operator=(const NetworkWatcher&) = delete;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// The network as it is now, asked for with a socket of its own; none if the kernel does not say.
std::optional<NetworkSnapshot> dump_network();

}  // namespace holdfast::net
