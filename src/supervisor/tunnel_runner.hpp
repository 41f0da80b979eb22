#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "forward/connections.hpp"
#include "holdfast/history.hpp"
#include "holdfast/report.hpp"
#include "holdfast/tunnel.hpp"
#include "holdfast/tunnel_log.hpp"
#include "net/dial/banner_probe.hpp"
#include "net/dial/connector.hpp"
#include "net/parked_socket.hpp"
#include "net/resolver.hpp"
#include "relay/knock.hpp"
#include "relay/lease.hpp"
#include "ssh/session.hpp"
#include "supervisor/prover.hpp"

namespace holdfast::supervisor {

/// One tunnel, running: turns what happens into events for step(), and performs the actions that come back. Owns the
/// tunnel's timer, dial, session and connections; holds no decision of its own.
class TunnelRunner final : private ssh::SessionObserver, private relay::LeaseObserver {
 public:
  /// `changed` is called after each change of phase and of the listeners that are held, and with each line of the log;
  /// the runner must not be destroyed inside it.
  TunnelRunner(const boost::asio::any_io_executor& executor, net::Resolver& resolver,
               std::shared_ptr<ssh::Storage> storage, TunnelSpec spec, relay::Device device, UnitRandom jitter,
               std::function<void()> changed);

  /// Start, Proceed, StopRequested, StopNow or ReconnectRequested.
  void handle(const TunnelEvent& event);
  /// The way to the relay may be another one now.
  void network_changed();
  /// The device has this address no more: what was connected from it is dead, whatever TCP still hopes. `retry_at_once`
  /// when there is another way already, which will not announce itself.
  void address_gone(const boost::asio::ip::address& address, bool retry_at_once);

  bool stopped() const { return std::holds_alternative<Stopped>(state_.phase); }
  bool standing_by() const { return std::holds_alternative<StandingBy>(state_.phase); }
  bool has_no_listener() const { return holdfast::has_no_listener(state_.phase); }
  void set_log_level(LogLevel level) { log_level_ = level; }
  const TunnelSpec& spec() const { return spec_; }
  TunnelReport report(TimePoint now) const;
  /// Of one that has not taken the tunnel over yet.
  ChangeReport report_as_change(TimePoint now) const;
  /// At the IP level, both ways, of all sessions.
  std::uint64_t wire_bytes() const { return earlier_wire_bytes_ + (session_ ? session_->wire_bytes() : 0); }
  /// Changes whenever somebody connects through the tunnel, and with each attempt at a session.
  std::uint64_t activity() const;
  bool idle() const { return connections_.open_count() == 0; }
  bool wedged(TimePoint now) const { return is_wedged(state_, now); }

 private:
  struct Ends {
    boost::asio::ip::tcp::endpoint relay;
    boost::asio::ip::address ours;
  };

  struct Proven {
    std::string host;
    boost::asio::ip::address address;
  };

  void on_banner(const std::string& server) override;
  void on_host_key_met(const std::string& key) override;
  void on_keys_exchanged() override;
  void on_authenticated() override;
  void on_forward_answered(std::size_t forward, std::optional<std::uint16_t> bound_port) override;
  void on_forward_cancelled(std::size_t forward) override;
  void on_received(bool whole_packet) override;
  void on_transport_stalled(const TransportReport& transport) override;
  void on_keepalive_answered(Duration round_trip) override;
  void on_open_request(ssh::OpenRequest request) override;
  void on_unwanted_open(const std::string& what) override;
  void on_failed(Failure failure) override;
  void on_closed() override;

  void on_lease_opened() override;
  void on_lease_lost(std::string reason) override;
  void on_evicted(Evicted evicted) override;
  void on_unrecorded(std::string reason) override;
  void on_recorded(std::size_t forward, const std::vector<std::string>& listening) override;
  void on_keys_told(const std::vector<relay::answer::HostKey>& keys) override;

  void happened(SessionEvent event);
  void note_phase_change();
  void arm_timer();
  std::optional<TimePoint> last_acknowledged() const;

  void perform(const Dial&);
  void perform(const Connect& connect);
  void perform(const OpenSession&);
  void perform(const Authenticate& authenticate);
  void perform(const RequestForward& request);
  void perform(const Knock& knock);
  void perform(const EndKnock&);
  void perform(const Identify& question);
  void perform(const Evict& eviction);
  void perform(const Prove& proof);
  void perform(const EndProof& end);
  void perform(const CancelForward& cancel);
  void perform(const OpenLease& open);
  void perform(const EndLease&);
  void perform(const RecordLease& record);
  void perform(const SendHeartbeat&);
  void perform(const SendKeepalive&);
  void perform(const LookAtRelay& look);
  void perform(const EndLook&);
  void perform(const AwaitIdle&);
  void perform(const DrainConnections&);
  void perform(const CloseSession&);
  void perform(const ParkSession&);
  void perform(const ResetParked&);
  void perform(const DropSession&);
  void perform(const Happened& news);

  net::ConnectOptions connect_options() const;
  void prove_address();
  void remember_address();
  void look_at(std::size_t relay, const net::RelayAddresses& found);
  void check_congestion_control(boost::asio::ip::tcp::socket& socket);
  /// The tunnel as it is at the current relay.
  const TunnelSpec& here() const { return at_relays_[state_.relays.current()]; }
  RelayReport report_relay(std::size_t relay, TimePoint now) const;
  void drop_connections();
  void write_log(LogLevel level, const std::string& text, std::optional<Cause> cause = std::nullopt) const;
  ssh::Traffic traffic() const;
  bool wants_host_keys() const;
  void ask_for_host_keys();
  std::string lease_condition(TimePoint now) const;

  const TunnelSpec spec_;                    ///< its relays in this device's order of preference
  const std::vector<TunnelSpec> at_relays_;  ///< by relay
  const relay::Device device_;
  LogLevel log_level_;
  const UnitRandom jitter_;
  const std::function<void()> changed_;
  boost::asio::any_io_executor executor_;
  net::Resolver& resolver_;
  std::shared_ptr<ssh::Storage> storage_;

  TunnelState state_;
  boost::asio::steady_timer timer_;
  std::optional<TimePoint> armed_for_;

  Attempt session_attempt_ = 0;  ///< whose dial or session stands now
  std::unique_ptr<net::Operation> lookup_;
  std::unique_ptr<net::ConnectOperation> dial_;
  std::unique_ptr<net::Operation> look_;                ///< at a better relay
  std::optional<boost::asio::ip::tcp::socket> socket_;  ///< connected, not yet a session
  std::optional<Ends> ends_;                            ///< of the connection, if there is one
  std::optional<Ends> last_ends_;                       ///< the same, kept when it is gone
  net::Endpoints said_;                                 ///< by DNS, for this attempt
  std::optional<Proven> proven_;                        ///< by the relay's host key, on this session
  forward::Connections connections_;
  std::vector<std::shared_ptr<ssh::Learnt>> learnt_;  ///< by relay
  std::unique_ptr<ssh::Session> session_;
  std::unique_ptr<relay::Lease> lease_;
  std::unique_ptr<relay::Knock> knock_;
  std::uint64_t knocks_ = 0;  ///< a knock that was given up may still be opened
  std::uint64_t leases_ = 0;  ///< likewise a lease
  Prover prover_;
  std::optional<net::ParkedSocket> parked_;
  std::vector<std::optional<TimePoint>> host_keys_asked_;  ///< by relay
  std::optional<unsigned> beats_until_keys_;               ///< of this lease

  // For the report only.
  TimePoint phase_entered_;
  std::uint64_t sessions_established_ = 0;
  std::uint64_t refused_opens_ = 0;
  ssh::Traffic earlier_traffic_;  ///< of the sessions that are gone
  std::uint64_t earlier_wire_bytes_ = 0;
  std::optional<Duration> keepalive_rtt_;
  std::vector<ListensOn> listens_on_;       ///< by forward, of the session that stands
  std::vector<ListensOn> told_listens_on_;  ///< what the log last said of it
  std::string unrecorded_;                  ///< why the lease could not be recorded
  History history_;
  TunnelLog log_;
  bool told_congestion_control_ = false;  ///< that the kernel does not grant it

  std::shared_ptr<char> alive_ = std::make_shared<char>();  ///< what the timer's handler checks
};

}  // namespace holdfast::supervisor
