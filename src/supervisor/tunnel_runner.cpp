#include "supervisor/tunnel_runner.hpp"

#include <algorithm>
#include <utility>

#include "holdfast/relays.hpp"
#include "holdfast/step_words.hpp"
#include "log/log.hpp"

namespace holdfast::supervisor {
namespace {

std::size_t count_held(const Phase& phase) {
  const ForwardTable* forwards = forwards_of(phase);
  if (forwards == nullptr) return 0;
  return static_cast<std::size_t>(std::count_if(forwards->begin(), forwards->end(), [](const ForwardProgress& forward) {
    return forward.state == ForwardState::held;
  }));
}

/// What was made of `spec`, which is the same for most tunnels.
SharedSpec shared(TunnelSpec made, const SharedSpec& spec) {
  return made == *spec ? spec : std::make_shared<const TunnelSpec>(std::move(made));
}

}  // namespace

TunnelRunner::TunnelRunner(Surroundings around, const SharedSpec& spec, std::function<void()> changed)
    : around_(std::move(around)),
      spec_(shared(in_order_of_preference(*spec, around_.device.name), spec)),
      recorder_(around_.recorder, *spec_),
      log_level_(spec_->log_level),
      changed_(std::move(changed)),
      alarm_(around_.executor,
             [this] {
               handle(TimerExpired{attempt_ ? attempt_->last_acknowledged() : std::nullopt,
                                   attempt_ ? attempt_->transport() : std::nullopt});
             }),
      connections_(around_.executor, around_.resolver, *spec_,
                   [this](const std::string& text) { say(LogLevel::info, text); }),
      past_{Clock::now()} {
  for (const RelaySpec& relay : relays_of(*spec_)) memory_.relays.push_back({shared(at_relay(*spec_, relay), spec_)});
  memory_.told_listens_on.resize(spec_->remote_forward.size());
  state_.failover.resize(memory_.relays.size());
}

void TunnelRunner::handle(const TunnelEvent& event) {
  const std::size_t held_before = count_held(state_.phase);
  const std::string_view phase_before = phase_name(state_.phase);
  const Attempt attempt_before = state_.attempt;
  Step result = recorder_.step(*spec_, std::move(state_), event, Clock::now(), around_.jitter);
  if (const LogLevel detail = detail_of_step(phase_before, event, result); detail <= log_level_) {
    log::write(detail, describe_step(phase_before, event, result), {spec_->name, {}, phase_before, {}}, log_level_);
  }
  state_ = std::move(result.next);
  const bool phase_changed = phase_name(state_.phase) != phase_before || state_.attempt != attempt_before;
  if (phase_changed) note_phase_change();
  bool told = false;
  for (const TunnelAction& action : result.actions) {
    told = told || std::holds_alternative<Happened>(action);
    std::visit([this](const auto& what) { perform(what); }, action);
  }
  alarm_.set(next_deadline(state_));
  if (phase_changed || told || count_held(state_.phase) != held_before) changed_();
}

void TunnelRunner::address_gone(const boost::asio::ip::address& address, bool retry_at_once) {
  if (attempt_ && attempt_->address_gone(address) && retry_at_once) handle(NetworkChanged{});
}

void TunnelRunner::network_changed() {
  const bool pinned = !spec_->bind_address.empty() || !spec_->bind_interface.empty();
  const auto& ends = memory_.last_ends;
  const auto ours = ends && !pinned ? net::source_address(around_.executor, ends->relay) : std::nullopt;
  handle(NetworkChanged{ours && *ours != ends->ours, attempt_ ? attempt_->repetition_wait() : Duration::zero()});
}

void TunnelRunner::on_event(SessionEvent event) {
  handle(OfSession{state_.attempt, std::move(event)});
}

void TunnelRunner::note_phase_change() {
  past_.phase_entered = Clock::now();
  if (std::holds_alternative<Established>(state_.phase)) ++past_.sessions_established;
}

// ---- actions ------------------------------------------------------------------------------------------------------

void TunnelRunner::perform(const Dial& dial) {
  const std::size_t relay = state_.failover.current();
  attempt_ = std::make_unique<LiveAttempt>(static_cast<AttemptOwner&>(*this), around_, memory_, connections_, relay,
                                           state_.failover.all()[relay].segments.bytes());
  attempt_->perform(dial);
}

void TunnelRunner::perform(const LookAtRelay& look) {
  attempt_->look_at(look.relay, [this, relay = look.relay](const FoundAddresses& found) {
    return state_.failover.all()[relay].addresses.order(found, Clock::now());
  });
}

void TunnelRunner::perform(const SendHeartbeat&) {
  attempt_->beat(is_up(state_));
}

void TunnelRunner::perform(const ParkSession&) {
  if (auto socket = attempt_->release_socket()) parked_.emplace(std::move(*socket));
  perform(DropSession{});
}

void TunnelRunner::perform(const ResetParked&) {
  parked_.reset();
}

void TunnelRunner::perform(const DropSession&) {
  const ssh::Traffic traffic = attempt_->traffic();
  past_.bytes_received += traffic.bytes_received;
  past_.bytes_sent += traffic.bytes_sent;
  earlier_wire_bytes_ += attempt_->wire_bytes();
  attempt_.reset();
}

void TunnelRunner::perform(const Happened& news) {
  const Told told = around_.teller.tell(news.what);
  history_.add(told);
  const auto line = log_.line(*spec_, told.what, told.at);
  if (line) write_log(line->level, line->text, line->failure ? std::optional{line->failure->cause} : std::nullopt);
}

// ---- the report -----------------------------------------------------------------------------------------------------

TunnelFacts TunnelRunner::facts() const {
  TunnelFacts facts = past_;
  facts.counters = connections_.counters();
  facts.refused_opens = memory_.refused_opens;
  facts.relay_says = memory_.relay_says;
  if (!attempt_) return facts;
  facts.attempt = attempt_->facts();
  const ssh::Traffic traffic = attempt_->traffic();
  facts.bytes_received += traffic.bytes_received;
  facts.bytes_sent += traffic.bytes_sent;
  return facts;
}

std::string TunnelRunner::last_address() const {
  return memory_.last_ends ? memory_.last_ends->relay.address().to_string() : "";
}

std::uint64_t TunnelRunner::activity() const {
  std::uint64_t sum = state_.attempt;
  for (const Counters& counters : connections_.counters()) sum += counters.accepted;
  return sum;
}

void TunnelRunner::write_log(LogLevel level, const std::string& text, std::optional<Cause> cause) const {
  const std::string whose = state_.stands_by ? "the changed configuration: " : "";
  const std::string relay = relay_name(*memory_.relays[state_.failover.current()].tunnel);
  log::write(level, whose + text, {spec_->name, relay, phase_name(state_.phase), cause}, log_level_);
}

}  // namespace holdfast::supervisor
