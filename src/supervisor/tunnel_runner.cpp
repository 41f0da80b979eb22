#include "supervisor/tunnel_runner.hpp"

#include <algorithm>
#include <sstream>

#include "holdfast/overloaded.hpp"
#include "holdfast/relays.hpp"
#include "log/log.hpp"
#include "relay/script.hpp"
#include "ssh/libssh.hpp"

namespace holdfast::supervisor {
namespace {

KnockAnswer to_answer(ssh::OpenFailure failure) {
  switch (failure) {
    case ssh::OpenFailure::refused:
      return KnockAnswer::nobody_listens;
    case ssh::OpenFailure::not_connected:
      return KnockAnswer::not_connected;
    case ssh::OpenFailure::prohibited:
    case ssh::OpenFailure::other:
      return KnockAnswer::not_permitted;
  }
  return KnockAnswer::not_permitted;
}

/// The relay is asked for all its host keys this often: it costs some 1.5 KB.
constexpr Duration between_host_keys = std::chrono::hours{24};
constexpr double spread_of_host_keys = 10;  ///< heartbeats

std::string to_string(const boost::asio::ip::tcp::endpoint& endpoint) {
  std::ostringstream text;
  text << endpoint;
  return text.str();
}

std::vector<std::string> to_literals(const net::Endpoints& endpoints) {
  std::vector<std::string> literals;
  for (const auto& endpoint : endpoints) literals.push_back(endpoint.address().to_string());
  return literals;
}

FoundAddresses to_literals(const net::RelayAddresses& found) {
  return {to_literals(found.said), to_literals(found.remembered), found.age};
}

net::Endpoints to_endpoints(const AddressOrder& order, std::uint16_t port) {
  net::Endpoints endpoints;
  for (const std::string& literal : order.addresses) {
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(literal, error);
    if (!error) endpoints.emplace_back(address, port);
  }
  return endpoints;
}

std::size_t held_forwards(const Phase& phase) {
  const ForwardTable* forwards = forwards_of(phase);
  if (forwards == nullptr) return 0;
  return static_cast<std::size_t>(std::count_if(forwards->begin(), forwards->end(), [](const ForwardProgress& forward) {
    return forward.state == ForwardState::held;
  }));
}

std::vector<TunnelSpec> at_each_relay(const TunnelSpec& spec) {
  std::vector<TunnelSpec> specs;
  for (const RelaySpec& relay : relays_of(spec)) specs.push_back(at_relay(spec, relay));
  return specs;
}

}  // namespace

TunnelRunner::TunnelRunner(const boost::asio::any_io_executor& executor, net::Resolver& resolver,
                           std::shared_ptr<ssh::Storage> storage, TunnelSpec spec, relay::Device device,
                           UnitRandom jitter, std::function<void()> changed)
    : spec_(in_order_of_preference(std::move(spec), device.name)),
      at_relays_(at_each_relay(spec_)),
      device_(std::move(device)),
      log_level_(spec_.log_level),
      jitter_(std::move(jitter)),
      changed_(std::move(changed)),
      executor_(executor),
      resolver_(resolver),
      storage_(std::move(storage)),
      timer_(executor),
      connections_(executor, resolver, spec_, [this](const std::string& text) { write_log(LogLevel::info, text); }),
      prover_(executor, connections_, [this](ProofAdvanced news) { happened(std::move(news)); }),
      host_keys_asked_(at_relays_.size()),
      phase_entered_(Clock::now()),
      listens_on_(spec_.remote_forward.size()),
      told_listens_on_(spec_.remote_forward.size()) {
  state_.relays.resize(at_relays_.size());
  for (std::size_t relay = 0; relay < at_relays_.size(); ++relay) learnt_.push_back(std::make_shared<ssh::Learnt>());
}

void TunnelRunner::handle(const TunnelEvent& event) {
  const std::size_t held_before = held_forwards(state_.phase);
  const std::size_t phase_before = state_.phase.index();
  const Attempt attempt_before = state_.attempt;
  Step result = step(spec_, std::move(state_), event, Clock::now(), jitter_);
  state_ = std::move(result.next);
  const bool phase_changed = state_.phase.index() != phase_before || state_.attempt != attempt_before;
  if (phase_changed) note_phase_change();
  bool told = false;
  for (const TunnelAction& action : result.actions) {
    told = told || std::holds_alternative<Happened>(action);
    std::visit([this](const auto& what) { perform(what); }, action);
  }
  arm_timer();
  if (phase_changed || told || held_forwards(state_.phase) != held_before) changed_();
}

void TunnelRunner::address_gone(const boost::asio::ip::address& address, bool retry_at_once) {
  if (dial_) dial_->address_gone(address);
  if (!ends_ || ends_->ours != address) return;
  happened(SessionFailed{{Cause::connection_lost, "keep alive", relay_name(here()),
                          "this device's address " + address.to_string() + " is gone"}});
  if (retry_at_once) handle(NetworkChanged{});
}

void TunnelRunner::network_changed() {
  const bool pinned = !spec_.bind_address.empty() || !spec_.bind_interface.empty();
  const auto now = last_ends_ && !pinned ? net::source_address(executor_, last_ends_->relay) : std::nullopt;
  handle(NetworkChanged{now && *now != last_ends_->ours, session_ ? session_->repetition_wait() : Duration::zero()});
}

void TunnelRunner::happened(SessionEvent event) {
  handle(OfSession{session_attempt_, std::move(event)});
}

void TunnelRunner::note_phase_change() {
  phase_entered_ = Clock::now();
  if (std::holds_alternative<Established>(state_.phase)) ++sessions_established_;
}

/// A deadline that only moved later keeps the running timer: it finds nothing due and is armed anew then. So a busy
/// session, whose liveness deadline moves with each packet, costs no timer call a packet.
void TunnelRunner::arm_timer() {
  const auto deadline = next_deadline(state_);
  if (!deadline) {
    armed_for_.reset();
    timer_.cancel();
    return;
  }
  if (armed_for_ && *armed_for_ <= *deadline) return;
  armed_for_ = deadline;
  timer_.expires_at(*deadline);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    armed_for_.reset();
    handle(TimerExpired{last_acknowledged(), session_ ? session_->transport() : std::nullopt});
  });
}

std::optional<TimePoint> TunnelRunner::last_acknowledged() const {
  const auto age = session_ && spec_.liveness.economy() ? session_->since_acknowledged() : std::nullopt;
  if (!age) return std::nullopt;
  return Clock::now() - *age;
}

// ---- actions ------------------------------------------------------------------------------------------------------

void TunnelRunner::perform(const Dial&) {
  session_attempt_ = state_.attempt;
  lookup_ = resolver_.find_relay(here().host_name, here().port, spec_.address_family,
                                 [this](tl::expected<net::RelayAddresses, Failure> found) {
                                   if (!found) return happened(SessionFailed{std::move(found.error())});
                                   said_ = found->said;
                                   happened(PhaseCompleted{OpeningPhase::resolve, "", to_literals(*found)});
                                 });
}

void TunnelRunner::perform(const Connect& connect) {
  net::ConnectOptions options = connect_options();
  options.racing = connect.order.racing;
  dial_ = net::connect(executor_, to_endpoints(connect.order, here().port), std::move(options),
                       [this](tl::expected<boost::asio::ip::tcp::socket, Failure> connected) {
                         if (!connected) return happened(SessionFailed{std::move(connected.error())});
                         boost::system::error_code ignored;
                         ends_ = {connected->remote_endpoint(ignored), connected->local_endpoint(ignored).address()};
                         last_ends_ = ends_;
                         check_congestion_control(*connected);
                         socket_ = std::move(*connected);
                         happened(PhaseCompleted{OpeningPhase::connect, "", {}, ends_->relay.address().to_string()});
                       });
}

net::ConnectOptions TunnelRunner::connect_options() const {
  // TCP_USER_TIMEOUT backs the liveness rule, which has to be first: only then is the dead socket kept (ParkSession).
  // With economy it also keeps the kernel from giving up after TCP_KEEPCNT keepalives, which is sooner.
  const LivenessSpec& liveness = spec_.liveness;
  const bool economy = liveness.economy();
  const Duration keepalive_after = economy ? liveness.server_alive_interval : Duration::zero();
  return {spec_.bind_address,
          spec_.bind_interface,
          spec_.tcp_keep_alive || economy,
          longest_silence(liveness) + keepalive_after,
          keepalive_after,
          spec_.congestion_control,
          state_.relays.all().at(state_.relays.current()).segments.bytes()};
}

void TunnelRunner::check_congestion_control(boost::asio::ip::tcp::socket& socket) {
  const std::string& wanted = spec_.congestion_control;
  const std::string actual = net::congestion_control(socket);
  if (wanted.empty() || actual == wanted || std::exchange(told_congestion_control_, true)) return;
  write_log(LogLevel::error,
            "congestion_control: the kernel does not grant '" + wanted + "', the tunnel runs with its '" + actual +
                "'; try 'modprobe tcp_" + wanted +
                "', and add the name to /proc/sys/net/ipv4/tcp_allowed_congestion_control (docs/configuration.md)");
}

void TunnelRunner::perform(const OpenSession&) {
  session_ = std::make_unique<ssh::Session>(std::move(*socket_), here(), static_cast<ssh::SessionObserver&>(*this),
                                            storage_, learnt_[state_.relays.current()]);
  socket_.reset();
  session_->open();
}

void TunnelRunner::perform(const Authenticate& authenticate) {
  session_->authenticate(authenticate.listen_ahead);
}
void TunnelRunner::perform(const RequestForward& request) {
  session_->request_forward(request.forward);
}
void TunnelRunner::perform(const Knock& knock) {
  session_->open_direct_tcpip(
      knock.host, spec_.remote_forward[knock.forward].port,
      [this, index = knock.forward, number = ++knocks_](tl::expected<ssh::Channel, ssh::OpenRefusal> opened) {
        if (number != knocks_) return;
        if (!opened) return happened(Knocked{index, to_answer(opened.error().reason), opened.error().words});
        knock_ = std::make_unique<relay::Knock>(executor_, std::move(*opened), [this, index](relay::Heard) {
          knock_.reset();
          happened(Knocked{index, KnockAnswer::answered});
        });
        happened(Knocked{index, KnockAnswer::opened});
      });
}

void TunnelRunner::perform(const EndKnock&) {
  ++knocks_;
  knock_.reset();
}

void TunnelRunner::perform(const Prove& proof) {
  const ForwardTable* table = forwards_of(state_.phase);
  if (table == nullptr) return;
  prover_.start(*session_, proof.forward, proof.host, (*table)[proof.forward].bound_port);
}

void TunnelRunner::perform(const EndProof& end) {
  prover_.stop(end.keep_channel);
}

void TunnelRunner::perform(const OpenLease& open) {
  unrecorded_.clear();
  const auto seconds =
      open.guard == Duration::zero() ? relay::no_guard : std::chrono::ceil<std::chrono::seconds>(open.guard);
  beats_until_keys_.reset();
  const bool keys = wants_host_keys();
  const auto open_lease = [this, seconds, keys,
                           number = ++leases_](tl::expected<ssh::Channel, ssh::OpenRefusal> opened) {
    if (number != leases_) return;
    if (!opened) return on_lease_lost("the relay runs no commands for this account");
    lease_ = std::make_unique<relay::Lease>(executor_, std::move(*opened), seconds, device_,
                                            static_cast<relay::LeaseObserver&>(*this));
    if (keys) beats_until_keys_ = 1 + static_cast<unsigned>(jitter_() * spread_of_host_keys);
  };
  session_->open_exec(relay::exec_command(keys), open_lease);
}

bool TunnelRunner::wants_host_keys() const {
  const auto& asked = host_keys_asked_[state_.relays.current()];
  return learns_host_keys(here()) && !(asked && Clock::now() - *asked < between_host_keys);
}

/// Behind all that holds the tunnel, and not by a fleet in one instant: the relay's sshd is connected to for it.
void TunnelRunner::ask_for_host_keys() {
  if (!beats_until_keys_ || !is_up(state_) || --*beats_until_keys_ > 0) return;
  beats_until_keys_.reset();
  host_keys_asked_[state_.relays.current()] = Clock::now();
  lease_->ask_keys();
}

void TunnelRunner::perform(const EndLease&) {
  ++leases_;
  lease_.reset();
}

void TunnelRunner::perform(const RecordLease& record) {
  const ForwardTable* table = forwards_of(state_.phase);
  if (lease_ && table != nullptr) {
    lease_->record(record.forward, spec_.remote_forward[record.forward].bind_address,
                   (*table)[record.forward].bound_port);
  }
}

void TunnelRunner::perform(const Identify& question) {
  const RemoteForward& forward = spec_.remote_forward[question.forward];
  if (lease_) lease_->identify(question.forward, forward.bind_address, forward.port);
}

void TunnelRunner::perform(const Evict& eviction) {
  const RemoteForward& forward = spec_.remote_forward[eviction.forward];
  if (lease_) lease_->evict(eviction.forward, forward.bind_address, forward.port);
}

void TunnelRunner::perform(const SendHeartbeat&) {
  if (!lease_) return;
  lease_->beat();
  ask_for_host_keys();
}

void TunnelRunner::perform(const CancelForward& cancel) {
  session_->cancel_forward(cancel.forward);
}
void TunnelRunner::perform(const SendKeepalive&) {
  session_->send_keepalive();
}

void TunnelRunner::perform(const LookAtRelay& look) {
  const TunnelSpec& there = at_relays_[look.relay];
  look_ = resolver_.find_relay(there.host_name, there.port, there.address_family,
                               [this, relay = look.relay](tl::expected<net::RelayAddresses, Failure> found) {
                                 if (!found) return happened(RelayLookedAt{std::move(found.error())});
                                 look_at(relay, *found);
                               });
}

void TunnelRunner::look_at(std::size_t relay, const net::RelayAddresses& found) {
  const AddressOrder order = state_.relays.all()[relay].addresses.order(to_literals(found), Clock::now());
  net::ConnectOptions options = connect_options();
  options.racing = order.racing;
  look_ = net::probe_banner(executor_, to_endpoints(order, at_relays_[relay].port), std::move(options),
                            relay_name(at_relays_[relay]), ssh::identification(),
                            [this](tl::expected<boost::asio::ip::address, Failure> banner) {
                              if (!banner) return happened(RelayLookedAt{std::move(banner.error())});
                              happened(RelayLookedAt{std::nullopt, banner->to_string()});
                            });
}

void TunnelRunner::perform(const EndLook&) {
  look_.reset();
}

void TunnelRunner::perform(const AwaitIdle&) {
  look_.reset();
  connections_.when_idle([this] { happened(ConnectionsIdle{}); });
}

void TunnelRunner::perform(const DrainConnections&) {
  look_.reset();
  connections_.drain([this] { happened(ConnectionsDrained{}); });
}

void TunnelRunner::drop_connections() {
  if (const std::size_t open = connections_.open_count(); open > 0) {
    write_log(LogLevel::info, "cutting " + std::to_string(open) + (open == 1 ? " connection" : " connections"));
  }
  connections_.drop_all();
}

void TunnelRunner::perform(const CloseSession&) {
  drop_connections();
  session_->close();
}

void TunnelRunner::perform(const ParkSession&) {
  if (auto socket = session_->release_socket()) parked_.emplace(std::move(*socket));
  perform(DropSession{});
}

void TunnelRunner::perform(const ResetParked&) {
  parked_.reset();
}

void TunnelRunner::perform(const DropSession&) {
  lookup_.reset();
  dial_.reset();
  look_.reset();
  perform(EndKnock{});
  perform(EndProof{});
  ++leases_;
  lease_.reset();
  socket_.reset();
  remember_address();  // it was right until now
  proven_.reset();
  ends_.reset();
  keepalive_rtt_.reset();
  listens_on_.assign(listens_on_.size(), ListensOn::unknown);
  drop_connections();
  earlier_traffic_ = traffic();
  earlier_wire_bytes_ = wire_bytes();
  session_.reset();
}

void TunnelRunner::perform(const Happened& news) {
  const TimePoint now = Clock::now();
  history_.add(news.what, now);
  const auto line = log_.line(spec_, news.what, now);
  if (line) write_log(line->level, line->text, line->failure ? std::optional{line->failure->cause} : std::nullopt);
}

void TunnelRunner::prove_address() {
  if (!ends_) return;
  proven_ = Proven{here().host_name, ends_->relay.address()};
  remember_address();
}

void TunnelRunner::remember_address() {
  if (proven_) resolver_.was_right(proven_->host, spec_.address_family, proven_->address, said_);
}

// ---- what the session says ------------------------------------------------------------------------------------------

void TunnelRunner::on_banner(const std::string& server) {
  happened(PhaseCompleted{OpeningPhase::banner, server});
}
void TunnelRunner::on_host_key_met(const std::string& key) {
  write_log(LogLevel::info, "the relay's host key was unknown and is trusted from now on: " + key + " (for " +
                                here().user_known_hosts_file + "); compare it with the relay's own");
}
void TunnelRunner::on_keys_exchanged() {
  if (checks_host_key(spec_, relays_of(spec_)[state_.relays.current()])) prove_address();
  happened(PhaseCompleted{OpeningPhase::key_exchange});
}
void TunnelRunner::on_authenticated() {
  if (!proven_) prove_address();  // nobody asked for its key, and it knows ours
  happened(PhaseCompleted{OpeningPhase::authenticate});
}
void TunnelRunner::on_forward_answered(std::size_t forward, std::optional<std::uint16_t> bound_port) {
  happened(ForwardAnswered{forward, bound_port});
}
void TunnelRunner::on_forward_cancelled(std::size_t forward) {
  const ForwardTable* table = forwards_of(state_.phase);
  if (lease_ && table != nullptr && (*table)[forward].bound_port != 0) {
    lease_->drop(spec_.remote_forward[forward].bind_address, (*table)[forward].bound_port);
  }
  happened(ListenerCancelled{forward});
}
void TunnelRunner::on_received(bool whole_packet) {
  happened(Received{whole_packet});
}
void TunnelRunner::on_transport_stalled(const TransportReport& transport) {
  happened(TransportStalled{transport});
}
void TunnelRunner::on_keepalive_answered(Duration round_trip) {
  keepalive_rtt_ = round_trip;
}
void TunnelRunner::on_open_request(ssh::OpenRequest request) {
  connections_.open(std::move(request));
}
void TunnelRunner::on_unwanted_open(const std::string& what) {
  // A hostile relay must not fill the log: the first is told, the rest are counted.
  if (refused_opens_++ == 0) write_log(LogLevel::error, "refused what the relay may not ask for: " + what);
}
void TunnelRunner::on_failed(Failure failure) {
  happened(SessionFailed{std::move(failure)});
}
void TunnelRunner::on_closed() {
  happened(SessionClosed{});
}

void TunnelRunner::on_lease_opened() {
  happened(LeaseOpened{});
}
void TunnelRunner::on_lease_lost(std::string reason) {
  lease_.reset();
  happened(LeaseLost{std::move(reason)});
}
void TunnelRunner::on_evicted(Evicted evicted) {
  if (evicted.outcome == EvictOutcome::other_device && evicted.holder == device_.name) {
    evicted.outcome = EvictOutcome::twin;
  }
  happened(std::move(evicted));
}
void TunnelRunner::on_unrecorded(std::string reason) {
  unrecorded_ = "the lease can't be recorded: " + reason;
  write_log(LogLevel::error, unrecorded_ + "; a later session can't evict this one");
}

void TunnelRunner::on_recorded(std::size_t forward, const std::vector<std::string>& listening) {
  const RemoteForward& asked = spec_.remote_forward.at(forward);
  const ListensOn where = listens_on(asked.bind_address, listening);
  listens_on_[forward] = where;
  if (where == ListensOn::unknown || std::exchange(told_listens_on_[forward], where) == where) return;
  if (remedy(where).empty()) return;
  write_log(
      is_narrower(where) ? LogLevel::error : LogLevel::info,
      "the relay " + std::string{in_words(where)} + " for " + listener_name(asked) + ". " + std::string{remedy(where)});
  changed_();
}

void TunnelRunner::on_keys_told(const std::vector<relay::answer::HostKey>& keys) {
  std::vector<ssh::PublicKey> told;
  for (const auto& key : keys) told.push_back({key.type, key.base64});
  for (const std::string& key : session_->learn_host_keys(told)) {
    write_log(LogLevel::info, "the relay has another host key, which is trusted from now on: " + key + " (for " +
                                  here().user_known_hosts_file + ")");
  }
}

// ---- the report -----------------------------------------------------------------------------------------------------

ssh::Traffic TunnelRunner::traffic() const {
  ssh::Traffic sum = earlier_traffic_;
  if (session_) {
    const ssh::Traffic now = session_->traffic();
    sum.bytes_received += now.bytes_received;
    sum.bytes_sent += now.bytes_sent;
    sum.packets_received += now.packets_received;
  }
  return sum;
}

std::uint64_t TunnelRunner::activity() const {
  std::uint64_t sum = state_.attempt;
  for (std::size_t index = 0; index < spec_.remote_forward.size(); ++index)
    sum += connections_.counters(index).accepted;
  return sum;
}

std::string TunnelRunner::lease_condition(TimePoint now) const {
  if (!spec_.lease) return std::string{lease_off};
  const LiveSession* session = session_of(state_.phase);
  if (session == nullptr) return "";
  const LeaseChannel& lease = session->lease;
  if (lease.is_lost()) return lease.problem() + (lease.due() ? "; opened again in " + to_text(*lease.due() - now) : "");
  if (!unrecorded_.empty()) return unrecorded_;
  return std::string{lease.ready() ? lease_ready : lease_opening};
}

ChangeReport TunnelRunner::report_as_change(TimePoint now) const {
  ChangeReport report;
  report.relay = relay_name(here());
  report.state = phase_name(state_.phase);
  if (const auto* opening = std::get_if<Opening>(&state_.phase)) report.phase = to_string(opening->phase);
  report.attempt = state_.attempt;
  if (const auto* waiting = std::get_if<BackingOff>(&state_.phase))
    report.next_retry = std::max(waiting->until - now, Duration::zero());
  if (const auto& error = history_.last_error()) report.last_error = FailureReport{error->failure, now - error->at};
  return report;
}

RelayReport TunnelRunner::report_relay(std::size_t relay, TimePoint now) const {
  RelayReport report{relay_name(at_relays_[relay]), relay == state_.relays.current()};
  const RelayProgress& progress = state_.relays.all().at(relay);
  if (progress.failure) report.failure = FailureReport{*progress.failure, now - progress.failed_at};
  report.timeouts = progress.timeouts.known();
  report.max_segment = progress.segments.bytes();
  if (progress.refusal) report.refusal = FailureReport{*progress.refusal, now - progress.refused_at};
  std::optional<TimePoint> next;
  if (const auto* waiting = std::get_if<BackingOff>(&state_.phase)) {
    next = waiting->relay == relay ? waiting->until : progress.next_try;
    if (next && waiting->relay == relay) next = std::max(*next, now);
  } else if (const auto* established = std::get_if<Established>(&state_.phase)) {
    if (established->fail_back && relay < state_.relays.current()) next = progress.look_after;
  } else if (!report.current) {
    next = progress.next_try;
  }
  if (next && *next >= now) report.next_try = *next - now;
  return report;
}

TunnelReport TunnelRunner::report(TimePoint now) const {
  TunnelReport report;
  report.name = spec_.name;
  report.relay = relay_name(here());
  for (std::size_t relay = 0; relay < at_relays_.size(); ++relay) report.relays.push_back(report_relay(relay, now));
  if (ends_) report.address = to_string(ends_->relay);
  report.state = phase_name(state_.phase);
  if (const auto* opening = std::get_if<Opening>(&state_.phase)) report.phase = to_string(opening->phase);
  report.up = is_up(state_);
  report.unproven = report.up && spec_.readiness == Readiness::verified && !is_proven(state_, spec_, now);
  report.in_state = now - phase_entered_;
  report.attempt = state_.attempt;
  report.sessions_established = sessions_established_;
  if (const auto* waiting = std::get_if<BackingOff>(&state_.phase))
    report.next_retry = std::max(waiting->until - now, Duration::zero());
  if (const auto& error = history_.last_error()) report.last_error = FailureReport{error->failure, now - error->at};
  report.losses = state_.losses.recent(now);
  const ForwardTable* table = forwards_of(state_.phase);
  for (std::size_t index = 0; index < spec_.remote_forward.size(); ++index) {
    const ForwardProgress progress = table != nullptr ? (*table)[index] : ForwardProgress{};
    const forward::Counters& counters = connections_.counters(index);
    ForwardReport& forward = report.forwards.emplace_back();
    forward = {listener_name(spec_.remote_forward[index]),
               target_name(spec_.remote_forward[index].target),
               progress.state,
               progress.bound_port,
               counters.open,
               counters.accepted,
               counters.target_refused};
    if (progress.state == ForwardState::refused && progress.explanation) {
      forward.refusal = to_string(progress.explanation->refusal);
      forward.holder = progress.explanation->holder;
    }
    forward.beyond_loopback = asks_beyond_loopback(spec_.remote_forward[index].bind_address);
    if (progress.state == ForwardState::held) forward.listens_on = listens_on_[index];
    if (const Proof* proof = proof_of(state_.phase, index)) {
      forward.proof = ProofReport{proof->result, now - proof->at, proof->failures, proof->failure};
    }
  }
  report.refused_opens = refused_opens_;
  const ssh::Traffic sum = traffic();
  report.bytes_received = sum.bytes_received;
  report.bytes_sent = sum.bytes_sent;
  report.keepalive_rtt = keepalive_rtt_;
  if (session_ && !session_->cipher().empty()) {
    report.cipher = session_->cipher();
    report.cipher_reason = session_->cipher_reason();
  }
  report.lease = lease_condition(now);
  if (const LiveSession* session = session_of(state_.phase)) {
    const Duration period = probe_period(session->lease.liveness());
    if (period > Duration::zero()) report.probe_period = period;
  }
  return report;
}

void TunnelRunner::write_log(LogLevel level, const std::string& text, std::optional<Cause> cause) const {
  const std::string whose = state_.stands_by ? "the changed configuration: " : "";
  log::write(level, whose + text, {spec_.name, relay_name(here()), phase_name(state_.phase), cause}, log_level_);
}

}  // namespace holdfast::supervisor
