#include "supervisor/live_attempt.hpp"

#include <utility>

#include "holdfast/relays.hpp"
#include "net/dial/banner_probe.hpp"
#include "ssh/libssh.hpp"

namespace holdfast::supervisor {

LiveAttempt::LiveAttempt(AttemptOwner& owner, const Surroundings& around, TunnelMemory& memory,
                         forward::Connections& connections, std::size_t relay, std::optional<std::uint32_t> max_segment)
    : owner_(owner),
      around_(around),
      memory_(memory),
      relay_(memory.relays.at(relay)),
      connections_(connections),
      options_(net::options_of(spec(), max_segment)),
      dialling_(around.executor, around.resolver, spec(), options_,
                [this](SessionEvent event) { on_event(std::move(event)); }),
      knocker_(around.executor, [this](Knocked news) { on_event(std::move(news)); }),
      prover_(around.executor, connections, [this](ProofAdvanced news) { on_event(std::move(news)); }),
      ports_(spec().remote_forward.size()) {}

LiveAttempt::~LiveAttempt() {
  prover_.stop();
  cut_connections();
}

// ---- actions --------------------------------------------------------------------------------------------------------

void LiveAttempt::perform(const Dial&) {
  dialling_.resolve();
}
void LiveAttempt::perform(const Connect& connect) {
  dialling_.connect(connect.order);
}
void LiveAttempt::perform(const OpenSession&) {
  session_.emplace(dialling_.take_socket(), spec(), static_cast<ssh::SessionObserver&>(*this), around_.storage,
                   relay_.learnt);
  lease_.emplace(*session_, around_, relay_, memory_, owner_);
  session_->open();
}
void LiveAttempt::perform(const Authenticate& authenticate) {
  session_->authenticate(authenticate.listen_ahead);
}
void LiveAttempt::perform(const RequestForward& request) {
  session_->request_forward(request.forward);
}
void LiveAttempt::perform(const CancelForward& cancel) {
  session_->cancel_forward(cancel.forward);
}
void LiveAttempt::perform(const SendKeepalive&) {
  session_->send_keepalive();
}

void LiveAttempt::perform(const Knock& knock) {
  knocker_.start(*session_, knock.forward, knock.host, spec().remote_forward[knock.forward].port);
}
void LiveAttempt::perform(const EndKnock&) {
  knocker_.stop();
}

void LiveAttempt::perform(const Prove& proof) {
  prover_.start(*session_, proof.forward, proof.host, ports_[proof.forward]);
}
void LiveAttempt::perform(const EndProof& end) {
  prover_.stop(end.keep_channel);
}

void LiveAttempt::perform(const OpenLease& open) {
  lease_->open(open.guard);
}
void LiveAttempt::perform(const EndLease&) {
  lease_->end();
}
void LiveAttempt::perform(const RecordLease& record) {
  lease_->record(record.forward, ports_[record.forward]);
}
void LiveAttempt::perform(const Identify& question) {
  lease_->identify(question.forward);
}
void LiveAttempt::perform(const Evict& eviction) {
  lease_->evict(eviction.forward);
}
void LiveAttempt::beat(bool is_up) {
  lease_->beat(is_up);
}

void LiveAttempt::look_at(std::size_t relay, Order order) {
  const TunnelSpec& there = *memory_.relays.at(relay).tunnel;
  look_ = around_.resolver.find_relay(
      there.host_name, there.port, there.address_family,
      [this, &there, order = std::move(order)](tl::expected<net::RelayAddresses, Failure> found) {
        if (!found) return on_event(RelayLookedAt{std::move(found.error())});
        probe(there, order(net::to_literals(*found)));
      });
}

void LiveAttempt::probe(const TunnelSpec& there, const AddressOrder& order) {
  net::ConnectOptions options = options_;
  options.racing = order.racing;
  look_ =
      net::probe_banner(around_.executor, net::to_endpoints(order, there.port), std::move(options), relay_name(there),
                        ssh::identification(), [this](tl::expected<boost::asio::ip::address, Failure> banner) {
                          if (!banner) return on_event(RelayLookedAt{std::move(banner.error())});
                          on_event(RelayLookedAt{std::nullopt, banner->to_string()});
                        });
}

void LiveAttempt::perform(const EndLook&) {
  look_.reset();
}

void LiveAttempt::perform(const AwaitIdle&) {
  look_.reset();
  connections_.when_idle([this] { on_event(ConnectionsIdle{}); });
}

void LiveAttempt::perform(const DrainConnections&) {
  look_.reset();
  connections_.drain([this] { on_event(ConnectionsDrained{}); });
}

void LiveAttempt::perform(const CloseSession&) {
  cut_connections();
  session_->close();
}

void LiveAttempt::cut_connections() {
  if (const std::size_t open = connections_.open_count(); open > 0) {
    owner_.say(LogLevel::info, "cutting " + std::to_string(open) + (open == 1 ? " connection" : " connections"));
  }
  connections_.drop_all();
}

// ---- what comes of them ---------------------------------------------------------------------------------------------

void LiveAttempt::on_event(SessionEvent event) {
  if (session_) note_banner_at_login();
  if (const auto* completed = std::get_if<PhaseCompleted>(&event)) note(*completed);
  if (const auto* answer = std::get_if<ForwardAnswered>(&event)) {
    ports_[answer->forward] = answer->bound_port.value_or(0);
  }
  if (const auto* cancelled = std::get_if<ListenerCancelled>(&event)) {
    const std::uint16_t port = std::exchange(ports_[cancelled->forward], std::uint16_t{0});
    if (port != 0) lease_->drop(cancelled->forward, port);
  }
  owner_.on_event(std::move(event));
}

void LiveAttempt::note(const PhaseCompleted& completed) {
  switch (completed.phase) {
    case OpeningPhase::resolve:
      return;
    case OpeningPhase::banner:
      server_ = completed.server;
      return;
    case OpeningPhase::connect:
      memory_.last_ends = dialling_.ends();
      return check_congestion_control();
    case OpeningPhase::key_exchange:
      if (checks_host_key(spec(), relays_of(spec()).front())) dialling_.was_right();
      return;
    case OpeningPhase::authenticate:
      return dialling_.was_right();  // if nobody asked for its key, it knows ours
  }
}

/// Each login is told the same: only what is new is for the log.
void LiveAttempt::note_banner_at_login() {
  const std::vector<std::string>& says = session_->banner_at_login();
  if (says.empty() || says == memory_.relay_says) return;
  memory_.relay_says = says;
  for (const std::string& line : says) owner_.say(LogLevel::info, "the relay says: " + line);
}

void LiveAttempt::check_congestion_control() {
  const std::string& wanted = spec().congestion_control;
  const std::string actual = net::congestion_control(dialling_.socket());
  if (wanted.empty() || actual == wanted || std::exchange(memory_.told_congestion_control, true)) return;
  owner_.say(LogLevel::error,
             "congestion_control: the kernel does not grant '" + wanted + "', the tunnel runs with its '" + actual +
                 "'; try 'modprobe tcp_" + wanted +
                 "', and add the name to /proc/sys/net/ipv4/tcp_allowed_congestion_control (docs/configuration.md)");
}

void LiveAttempt::on_host_key_met(const std::string& key) {
  owner_.say(LogLevel::info, "the relay's host key was unknown and is trusted from now on: " + key + " (for " +
                                 spec().user_known_hosts_file + "); compare it with the relay's own");
}

void LiveAttempt::on_keepalive_answered(Duration round_trip) {
  keepalive_rtt_ = round_trip;
  answered_at_ = Clock::now();
}

void LiveAttempt::on_open_request(ssh::OpenRequest request) {
  connections_.open(std::move(request));
}

void LiveAttempt::on_unwanted_open(const std::string& what) {
  // A hostile relay must not fill the log: the first is told, the rest are counted.
  if (memory_.refused_opens++ == 0) {
    owner_.say(LogLevel::error, "refused what the relay may not ask for: " + what);
  }
}

bool LiveAttempt::address_gone(const boost::asio::ip::address& address) {
  dialling_.address_gone(address);
  if (!dialling_.ends() || dialling_.ends()->ours != address) return false;
  on_event(SessionFailed{{Cause::connection_lost, "keep alive", relay_name(spec()),
                          "this device's address " + address.to_string() + " is gone"}});
  return true;
}

// ---- facts ----------------------------------------------------------------------------------------------------------

AttemptFacts LiveAttempt::facts() const {
  AttemptFacts facts;
  if (dialling_.ends()) facts.address = net::to_string(dialling_.ends()->relay);
  facts.keepalive_rtt = keepalive_rtt_;
  if (!session_) return facts;
  facts.server = server_;
  facts.host_key = session_->host_key();
  facts.cipher = session_->cipher();
  facts.cipher_reason = session_->cipher_reason();
  facts.unrecorded = lease_->unrecorded();
  facts.lease_outdated = lease_->outdated();
  facts.relay_clock = lease_->relay_clock();
  facts.listens_on = lease_->listens_on();
  return facts;
}

std::optional<TimePoint> LiveAttempt::last_acknowledged() const {
  const auto age = session_ && spec().liveness.economy() ? session_->since_acknowledged() : std::nullopt;
  if (!age) return std::nullopt;
  return Clock::now() - *age;
}

}  // namespace holdfast::supervisor
