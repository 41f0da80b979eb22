#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "forward/connections.hpp"
#include "holdfast/tunnel_report.hpp"
#include "net/dial/dialling.hpp"
#include "ssh/session.hpp"
#include "supervisor/knocker.hpp"
#include "supervisor/prover.hpp"
#include "supervisor/session_lease.hpp"
#include "supervisor/surroundings.hpp"

namespace holdfast::supervisor {

/// One attempt at a session, and the session that came of it: owns all that stands of either, and performs the actions
/// that concern it. Destroying it is DropSession: all ends at once, without a word to the relay, and nobody is told.
/// It stays one class: each part of it has a class of its own, and what is left, in which order they begin and end,
/// takes all of them.
class LiveAttempt final : private ssh::SessionObserver {
 public:
  /// At `memory.relays[relay]`. `max_segment`: TCP_MAXSEG. What is referred to outlives this.
  LiveAttempt(AttemptOwner& owner, const Surroundings& around, TunnelMemory& memory, forward::Connections& connections,
              std::size_t relay, std::optional<std::uint32_t> max_segment);
  ~LiveAttempt();
  LiveAttempt(const LiveAttempt&) = delete;
  LiveAttempt& operator=(const LiveAttempt&) = delete;

  void perform(const Dial&);
  void perform(const Connect& connect);
  void perform(const OpenSession&);
  void perform(const Authenticate& authenticate);
  void perform(const RequestForward& request);
  void perform(const CancelForward& cancel);
  void perform(const Knock& knock);
  void perform(const EndKnock&);
  void perform(const Identify& question);
  void perform(const Evict& eviction);
  void perform(const Prove& proof);
  void perform(const EndProof& end);
  void perform(const OpenLease& open);
  void perform(const EndLease&);
  void perform(const RecordLease& record);
  void perform(const SendKeepalive&);
  void perform(const EndLook&);
  void perform(const AwaitIdle&);
  void perform(const DrainConnections&);
  void perform(const CloseSession&);
  /// SendHeartbeat. `is_up`: of the tunnel.
  void beat(bool is_up);
  /// LookAtRelay.
  using Order = std::function<AddressOrder(const FoundAddresses&)>;
  void look_at(std::size_t relay, Order order);
  /// Ends the session and hands its socket out, if it is still open.
  std::optional<boost::asio::ip::tcp::socket> release_socket() { return session_->release_socket(); }

  /// The device has this address no more: what was connected from it fails. True if that was the session.
  bool address_gone(const boost::asio::ip::address& address);

  AttemptFacts facts() const;
  ssh::Traffic traffic() const { return session_ ? session_->traffic() : ssh::Traffic{}; }
  /// At the IP level, both ways.
  std::uint64_t wire_bytes() const { return session_ ? session_->wire_bytes() : 0; }
  /// What TCP knows of the session; none without one.
  std::optional<TransportReport> transport() { return session_ ? session_->transport() : std::nullopt; }
  /// With economy, when TCP last heard from the relay; none without a session.
  std::optional<TimePoint> last_acknowledged() const;
  /// Asks for a sign of life, for who wants to know: whatever is decided without it is decided as before.
  void ask_relay() {
    if (session_) session_->send_keepalive();
  }
  /// When a keepalive was answered last.
  std::optional<TimePoint> answered_at() const { return answered_at_; }
  Duration repetition_wait() const { return session_ ? session_->repetition_wait() : Duration::zero(); }

 private:
  void on_event(SessionEvent event) override;
  void on_host_key_met(const std::string& key) override;
  void on_keepalive_answered(Duration round_trip) override;
  void on_open_request(ssh::OpenRequest request) override;
  void on_unwanted_open(const std::string& what) override;

  void note(const PhaseCompleted& completed);
  void note_banner_at_login();
  void check_congestion_control();
  void probe(const TunnelSpec& there, const AddressOrder& order);
  void cut_connections();
  const TunnelSpec& spec() const { return *relay_.tunnel; }

  AttemptOwner& owner_;
  const Surroundings& around_;
  TunnelMemory& memory_;
  RelayMemory& relay_;
  forward::Connections& connections_;
  const net::ConnectOptions options_;
  net::Dialling dialling_;
  std::optional<ssh::Session> session_;  ///< the address was right until this is gone
  std::optional<SessionLease> lease_;    ///< there is one with each session
  Knocker knocker_;
  Prover prover_;
  std::unique_ptr<net::Operation> look_;  ///< at a better relay
  std::vector<std::uint16_t> ports_;      ///< by forward: where the relay listens; 0: nowhere
  std::optional<Duration> keepalive_rtt_;
  std::optional<TimePoint> answered_at_;
  std::string server_;  ///< what the relay says it is
};

}  // namespace holdfast::supervisor
