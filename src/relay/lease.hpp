#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "holdfast/public_key.hpp"
#include "holdfast/tunnel.hpp"
#include "relay/lease_protocol.hpp"
#include "ssh/channel.hpp"

namespace holdfast::relay {

/// What a lease tells its owner, from the event loop. The owner may destroy the lease in any of them.
class LeaseObserver {
 public:
  /// LeaseOpened, Evicted, or LeaseLost, after which nothing comes; its reason is for people: "the account runs no
  /// commands (This account is ...)".
  virtual void on_event(SessionEvent event) = 0;
  /// The record could not be written, so that no later session can evict this one. The guard works all the same.
  virtual void on_unrecorded(std::string reason) = 0;
  /// Where the relay listens for the forward that was recorded: answer::Held.
  virtual void on_recorded(std::size_t forward, const std::vector<std::string>& listening) = 0;
  /// The relay's time now, in seconds since 1970: its word, which may be any from 0 to latest_clock.
  virtual void on_clock_told(std::int64_t time) = 0;
  /// The script does not know what is asked of it: an installed one, of an earlier version. It serves as far as it
  /// goes.
  virtual void on_outdated() = 0;
  /// The answer to ask_keys(), if the script can tell.
  virtual void on_keys_told(const std::vector<PublicKey>& keys) = 0;

 protected:
  ~LeaseObserver() = default;
};

/// Our side of lease.sh, on a channel that runs it. Questions go out as they come; answers come back in their order.
class Lease {
 public:
  Lease(boost::asio::any_io_executor executor, ssh::Channel channel, std::chrono::seconds silence, Device device,
        LeaseObserver& observer);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  /// Records that this session holds the listener of `forward`.
  void record(std::size_t forward, const std::string& address, std::uint16_t port);
  /// The relay has given it back.
  void drop(const std::string& address, std::uint16_t port);
  /// Ends a dead predecessor of this device that holds it: Evicted with this `forward`.
  void evict(std::size_t forward, const std::string& address, std::uint16_t port);
  /// Whose living session holds it: Evicted with `other_device` if that can be known, and nobody is ended.
  void identify(std::size_t forward, const std::string& address, std::uint16_t port);
  /// The public keys of the relay's sshd. Only of a channel that runs exec_command(true), or a forced command.
  void ask_keys();
  /// Its echo is a sign of life; the script ends its session when none came for `silence`.
  void beat();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace holdfast::relay
