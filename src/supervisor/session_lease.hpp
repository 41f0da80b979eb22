#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/public_key.hpp"
#include "relay/lease.hpp"
#include "ssh/session.hpp"
#include "supervisor/surroundings.hpp"

namespace holdfast::supervisor {

/// One session's lease (holdfast/lease.hpp): opens its channel, speaks over it, and keeps what it told. Without a
/// channel, what is asked of it is not asked.
class SessionLease final : private relay::LeaseObserver {
 public:
  /// What is referred to outlives this. `owner` is told LeaseOpened, LeaseLost and Evicted, and may destroy this in
  /// them.
  SessionLease(ssh::Session& session, const Surroundings& around, RelayMemory& relay, TunnelMemory& memory,
               AttemptOwner& owner);

  /// After a silence of `guard` the relay's script ends the session; zero: never.
  void open(Duration guard);
  void end();
  void record(std::size_t forward, std::uint16_t port);
  void drop(std::size_t forward, std::uint16_t port);
  void identify(std::size_t forward);
  void evict(std::size_t forward);
  /// And asks for the relay's host keys now and then, when the tunnel `is_up`: that is behind all that holds it.
  void beat(bool is_up);

  /// Why the lease can't be recorded; empty if it can.
  const std::string& unrecorded() const { return unrecorded_; }
  /// The relay's script is of an earlier version than this program.
  bool outdated() const { return outdated_; }
  /// What the relay's clock shows now, in seconds since 1970, by what it told; none if it did not.
  std::optional<std::int64_t> relay_clock() const;
  /// By forward, as far as the relay has told.
  const std::vector<ListensOn>& listens_on() const { return listens_on_; }

 private:
  void on_event(SessionEvent event) override;
  void on_unrecorded(std::string reason) override;
  void on_recorded(std::size_t forward, const std::vector<std::string>& listening) override;
  void on_clock_told(std::int64_t time) override;
  void on_outdated() override { outdated_ = true; }
  void on_keys_told(const std::vector<PublicKey>& keys) override;

  void opened(tl::expected<ssh::Channel, ssh::OpenRefusal> channel, std::chrono::seconds silence, bool with_keys);
  bool wants_host_keys() const;
  void ask_for_host_keys();
  const RemoteForward& spec_of(std::size_t forward) const { return relay_.tunnel->remote_forward.at(forward); }

  ssh::Session& session_;
  const Surroundings& around_;
  RelayMemory& relay_;
  TunnelMemory& memory_;
  AttemptOwner& owner_;
  ssh::Awaited awaited_;
  std::optional<relay::Lease> lease_;
  std::optional<unsigned> beats_until_keys_;
  std::string unrecorded_;
  bool outdated_ = false;
  std::optional<std::int64_t> relay_booted_;  ///< the relay's time when this device booted
  std::vector<ListensOn> listens_on_;
};

}  // namespace holdfast::supervisor
