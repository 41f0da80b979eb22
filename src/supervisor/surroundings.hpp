#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/backoff.hpp"
#include "holdfast/listens_on.hpp"
#include "holdfast/tunnel.hpp"
#include "net/dial/dialling.hpp"
#include "net/resolver.hpp"
#include "record/recorder.hpp"
#include "relay/lease_protocol.hpp"
#include "ssh/session.hpp"
#include "ssh/storage.hpp"
#include "supervisor/teller.hpp"

/// What stands around an attempt. All of it outlives the attempt.
namespace holdfast::supervisor {

/// Shared by all who hold it: copies would be a good part of what a tunnel costs.
using SharedSpec = std::shared_ptr<const TunnelSpec>;

/// What an attempt works with. The tunnels share it, but for `device`, which is the tunnel's own.
struct Surroundings {
  boost::asio::any_io_executor executor;
  net::Resolver& resolver;
  std::shared_ptr<ssh::Storage> storage;
  relay::Device device;
  UnitRandom jitter;
  Teller& teller;
  std::shared_ptr<record::Recorder> recorder;  ///< null: nothing is recorded
};

/// What is remembered of one relay over all attempts at it.
struct RelayMemory {
  SharedSpec tunnel;  ///< as it is at this relay
  std::shared_ptr<ssh::Learnt> learnt = std::make_shared<ssh::Learnt>();
  std::optional<TimePoint> host_keys_asked{};
};

/// What a tunnel remembers over all its attempts.
struct TunnelMemory {
  std::vector<RelayMemory> relays;
  std::optional<net::Ends> last_ends{};      ///< of the last connection, this attempt's or an earlier one's
  std::vector<ListensOn> told_listens_on{};  ///< by forward: what the log last said of it
  std::vector<std::string> relay_says{};     ///< to who logs in, a line each, the last time
  bool told_congestion_control = false;      ///< that the kernel does not grant it
  std::uint64_t refused_opens = 0;
};

/// Whom an attempt tells. Its events come from the loop, and from no call into it but address_gone().
class AttemptOwner {
 public:
  /// The attempt may be destroyed in it.
  virtual void on_event(SessionEvent event) = 0;
  /// The attempt's facts have changed, and no event tells.
  virtual void on_facts_changed() = 0;
  /// A line for the log; also from inside, and while the attempt ends.
  virtual void say(LogLevel level, const std::string& text) = 0;

 protected:
  ~AttemptOwner() = default;
};

}  // namespace holdfast::supervisor
