#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "ssh/handles.hpp"
#include "ssh/link.hpp"

namespace holdfast::ssh {

/// libssh's session over one socket, from its beginning until it is freed, and how much of what comes it takes in at a
/// time. libssh has a duplicate of the socket (docs/decisions/0002-*).
class Pump {
 public:
  /// Packets that one turn takes in before others get theirs; a small one costs as much as a large one.
  static constexpr std::uint64_t packets_a_turn = 32;

  explicit Pump(std::shared_ptr<Link> link) : link_(std::move(link)) {}

  /// Begins to connect libssh; a failure is the device's or the spec's. broke(), if the peer's.
  std::optional<Failure> start(int socket, const TunnelSpec& spec, const std::string& known_hosts);
  /// Frees libssh's session. It says nothing to the relay, as ssh_silent_disconnect() would.
  void stop();
  ssh_session session() const { return session_.get(); }
  /// "SSH-2.0-OpenSSH_10.0"; empty before it came.
  std::string banner() const;

  void begin_turn();
  /// Until libssh has nothing left to read or write, or the turn's share is used up.
  void run(bool connecting);
  bool had_its_share() const;
  bool received() const { return link_->socket.in_bytes != turn_began_at_; }  ///< in this turn
  bool broke() const { return broke_ || is_dead(session_.get()); }

  bool is_writing() const { return (ssh_get_status(session_.get()) & SSH_WRITE_PENDING) != 0; }
  /// How much libssh holds unsent, at most: what it packed since it last had nothing left, less what went out.
  std::uint64_t unsent();

 private:
  struct Flushed {
    std::uint64_t sent = 0;
    std::uint64_t packed = 0;
  };

  std::shared_ptr<Link> link_;
  int socket_ = -1;
  int descriptor_ = -1;  ///< libssh's duplicate of the socket
  SessionHandle session_;
  EventHandle event_;
  Flushed flushed_;
  std::uint64_t turn_began_at_ = 0;
  std::uint64_t turn_began_at_packet_ = 0;
  bool broke_ = false;
};

}  // namespace holdfast::ssh
