#include "supervisor/session_lease.hpp"

#include <ctime>
#include <utility>

#include "relay/script.hpp"

namespace holdfast::supervisor {
namespace {

/// The relay is asked for all its host keys this often: it costs some 1.5 KB.
constexpr Duration between_host_keys = std::chrono::hours{24};
/// In heartbeats: so that a fleet does not ask in one instant, for which the relay's sshd is connected to each time.
constexpr double spread_of_host_keys = 10;

/// Goes on while the device is suspended, and nobody sets it.
std::int64_t seconds_since_boot() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return time.tv_sec;
}

}  // namespace

SessionLease::SessionLease(ssh::Session& session, const Surroundings& around, RelayMemory& relay, TunnelMemory& memory,
                           AttemptOwner& owner)
    : session_(session),
      around_(around),
      relay_(relay),
      memory_(memory),
      owner_(owner),
      listens_on_(relay.tunnel->remote_forward.size()) {}

void SessionLease::open(Duration guard) {
  const auto silence = guard == Duration::zero() ? relay::no_guard : std::chrono::ceil<std::chrono::seconds>(guard);
  const bool with_keys = wants_host_keys();
  unrecorded_.clear();
  outdated_ = false;
  beats_until_keys_.reset();
  session_.open_exec(relay::exec_command(with_keys),
                     awaited_.by([this, silence, with_keys](tl::expected<ssh::Channel, ssh::OpenRefusal> channel) {
                       opened(std::move(channel), silence, with_keys);
                     }));
}

void SessionLease::opened(tl::expected<ssh::Channel, ssh::OpenRefusal> channel, std::chrono::seconds silence,
                          bool with_keys) {
  if (!channel) return owner_.on_event(LeaseLost{"the relay runs no commands for this account"});
  lease_.emplace(around_.executor, std::move(*channel), silence, around_.device,
                 static_cast<relay::LeaseObserver&>(*this));
  if (with_keys) beats_until_keys_ = 1 + static_cast<unsigned>(around_.jitter() * spread_of_host_keys);
}

void SessionLease::end() {
  awaited_.give_up();
  lease_.reset();
}

void SessionLease::record(std::size_t forward, std::uint16_t port) {
  if (lease_) lease_->record(forward, spec_of(forward).bind_address, port);
}

void SessionLease::drop(std::size_t forward, std::uint16_t port) {
  if (lease_) lease_->drop(spec_of(forward).bind_address, port);
}

void SessionLease::identify(std::size_t forward) {
  if (lease_) lease_->identify(forward, spec_of(forward).bind_address, spec_of(forward).port);
}

void SessionLease::evict(std::size_t forward) {
  if (lease_) lease_->evict(forward, spec_of(forward).bind_address, spec_of(forward).port);
}

void SessionLease::beat(bool is_up) {
  if (!lease_) return;
  lease_->beat();
  if (is_up) ask_for_host_keys();
}

bool SessionLease::wants_host_keys() const {
  const auto& asked = relay_.host_keys_asked;
  return learns_host_keys(*relay_.tunnel) && !(asked && Clock::now() - *asked < between_host_keys);
}

void SessionLease::ask_for_host_keys() {
  if (!beats_until_keys_ || --*beats_until_keys_ > 0) return;
  beats_until_keys_.reset();
  relay_.host_keys_asked = Clock::now();
  lease_->ask_keys();
}

// ---- what the relay's script says -----------------------------------------------------------------------------------

void SessionLease::on_event(SessionEvent event) {
  if (std::holds_alternative<LeaseLost>(event)) lease_.reset();
  owner_.on_event(std::move(event));
}

void SessionLease::on_unrecorded(std::string reason) {
  unrecorded_ = std::move(reason);
  owner_.say(LogLevel::error, "the lease can't be recorded: " + unrecorded_ + "; a later session can't evict this one");
}

void SessionLease::on_recorded(std::size_t forward, const std::vector<std::string>& listening) {
  const RemoteForward& asked = spec_of(forward);
  const ListensOn where = holdfast::listens_on(asked.bind_address, listening);
  listens_on_[forward] = where;
  if (where == ListensOn::unknown || std::exchange(memory_.told_listens_on[forward], where) == where) return;
  if (remedy(where).empty()) return;
  owner_.say(
      is_narrower(where) ? LogLevel::error : LogLevel::info,
      "the relay " + std::string{in_words(where)} + " for " + listener_name(asked) + ". " + std::string{remedy(where)});
  owner_.on_facts_changed();
}

void SessionLease::on_clock_told(std::int64_t time) {
  relay_booted_ = time - seconds_since_boot();
}

std::optional<std::int64_t> SessionLease::relay_clock() const {
  if (!relay_booted_) return std::nullopt;
  return *relay_booted_ + seconds_since_boot();
}

void SessionLease::on_keys_told(const std::vector<PublicKey>& keys) {
  for (const std::string& key : session_.learn_host_keys(keys)) {
    owner_.say(LogLevel::info, "the relay has another host key, which is trusted from now on: " + key + " (for " +
                                   relay_.tunnel->user_known_hosts_file + ")");
  }
}

}  // namespace holdfast::supervisor
