#include "ssh/session.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "doctor/patient.hpp"
#include "net/dial/connector.hpp"

namespace holdfast::doctor {
namespace {

constexpr std::array steps{Layer::banner, Layer::key_exchange, Layer::host_key, Layer::authentication};

/// A login like a tunnel's, for its own sake.
class SessionLook final : public net::Operation, private ssh::SessionObserver {
 public:
  SessionLook(const Patient& patient, const std::vector<std::string>& addresses, Tell tell)
      : executor_(patient.executor), there_(patient.there), storage_(patient.storage), tell_(std::move(tell)) {
    if (auto socket = std::exchange(*patient.connected, std::nullopt)) {
      session_.emplace(std::move(*socket), there_, static_cast<SessionObserver&>(*this), storage_);
      session_->open();
      return;
    }
    net::Endpoints endpoints;
    for (const std::string& address : addresses)
      endpoints.emplace_back(boost::asio::ip::make_address(address), there_.port);
    connecting_ =
        net::connect(patient.executor, std::move(endpoints), net::options_of(there_, std::nullopt),
                     [this](tl::expected<boost::asio::ip::tcp::socket, Failure> socket) {
                       if (!socket) return skip_from(0, "TCP did not connect this time");
                       session_.emplace(std::move(*socket), there_, static_cast<SessionObserver&>(*this), storage_);
                       session_->open();
                     });
  }

 private:
  void on_event(SessionEvent event) override {
    if (const auto* completed = std::get_if<PhaseCompleted>(&event)) return on_phase(*completed);
    if (const auto* failed = std::get_if<SessionFailed>(&event)) return on_failure(failed->failure);
  }
  void on_host_key_met(const std::string& key) override { host_key_ = key; }
  void on_keepalive_answered(Duration) override {}
  void on_open_request(ssh::OpenRequest) override {}
  void on_unwanted_open(const std::string&) override {}

  void on_phase(const PhaseCompleted& completed) {
    const Tell tell = tell_;
    const std::weak_ptr<char> alive = alive_;
    switch (completed.phase) {
      case OpeningPhase::resolve:
      case OpeningPhase::connect:
        return;
      case OpeningPhase::banner:
        reached_ = 1;
        return tell(Layer::banner, StepFindings{std::nullopt, completed.server, {}});
      case OpeningPhase::key_exchange:
        reached_ = 3;
        session_->authenticate(false);
        tell(Layer::key_exchange, StepFindings{std::nullopt, session_->cipher(), {}});
        if (!alive.expired()) tell(Layer::host_key, StepFindings{std::nullopt, host_key_, {}});
        return;
      case OpeningPhase::authenticate:
        reached_ = 4;
        return tell(Layer::authentication, StepFindings{std::nullopt, "as " + there_.user, {}});
    }
  }

  /// The layer that the cause belongs to; what lies below it was passed.
  void on_failure(const Failure& failure) {
    const Layer layer =
        std::clamp(facts_of(failure.cause).layer, steps.at(std::min(reached_, steps.size() - 1)), steps.back());
    const Tell tell = tell_;
    const std::weak_ptr<char> alive = alive_;
    for (std::size_t at = reached_; at < steps.size() && !alive.expired(); ++at) {
      if (steps.at(at) < layer) tell(steps.at(at), StepFindings{});
      if (steps.at(at) == layer) tell(layer, StepFindings{failure, "", {}});
      if (steps.at(at) > layer) tell(steps.at(at), Skipped{"the relay did not let us come to it"});
    }
  }

  void skip_from(std::size_t first, const std::string& why) {
    const Tell tell = tell_;
    const std::weak_ptr<char> alive = alive_;
    for (std::size_t at = first; at < steps.size() && !alive.expired(); ++at) tell(steps.at(at), Skipped{why});
  }

  boost::asio::any_io_executor executor_;
  const TunnelSpec there_;
  std::shared_ptr<ssh::Storage> storage_;
  Tell tell_;
  std::unique_ptr<net::ConnectOperation> connecting_;
  std::optional<ssh::Session> session_;
  std::string host_key_;
  std::size_t reached_ = 0;  ///< how many of the steps were told
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

bool connected(const Findings& so_far) {
  const auto found = so_far.find(Layer::tcp);
  const auto* tcp = found == so_far.end() ? nullptr : std::get_if<TcpFindings>(&found->second);
  if (tcp == nullptr) return false;
  return std::any_of(tcp->tries.begin(), tcp->tries.end(), [](const auto& one) { return !one.failed; });
}

Look tell_all(const Patient& patient, std::vector<std::pair<Layer, Finding>> findings, Tell tell) {
  return at_once(patient.executor, [findings = std::move(findings), tell = std::move(tell)] {
    for (const auto& [layer, finding] : findings) tell(layer, finding);
  });
}

}  // namespace

Look look_at_session(const Patient& patient, const Findings& so_far, Tell tell) {
  std::vector<std::pair<Layer, Finding>> findings;
  if (patient.running && patient.running->cipher) {
    for (const Layer layer : steps)
      findings.emplace_back(layer, StepFindings{std::nullopt, "the running session is through", {}});
    return tell_all(patient, std::move(findings), std::move(tell));
  }
  if (!connected(so_far)) {
    for (const Layer layer : steps) findings.emplace_back(layer, Skipped{"the relay's port takes no connection"});
    return tell_all(patient, std::move(findings), std::move(tell));
  }
  return std::make_unique<SessionLook>(patient, addresses_of(so_far), std::move(tell));
}

Look look_at_listeners(const Patient& patient, Tell tell) {
  std::vector<std::pair<Layer, Finding>> findings;
  const bool stands = patient.running && patient.running->cipher;
  if (!stands) {
    for (const Layer layer : {Layer::listener, Layer::lease, Layer::proof})
      findings.emplace_back(layer, Skipped{"no session stands"});
    return tell_all(patient, std::move(findings), std::move(tell));
  }
  StepFindings listener;
  StepFindings proof;
  bool proven = false;
  for (const ForwardReport& forward : patient.running->forwards) {
    const std::string said = forward.listener + ": " + condition(forward);
    (listener.measured.empty() ? listener.measured : listener.evidence.emplace_back()) = said;
    if (forward.state == ForwardState::refused && !listener.failure && patient.running->last_error)
      listener.failure = patient.running->last_error->failure;
    if (!forward.proof) continue;
    proven = true;
    proof.measured = said;
    if (forward.proof->failure && !proof.failure) proof.failure = forward.proof->failure;
  }
  StepFindings lease;
  lease.measured = patient.running->lease;
  if (lease.measured != lease_ready && lease.measured != lease_off && lease.measured != lease_opening)
    lease.failure = Failure{Cause::lease_unavailable, "run the lease at", relay_name(patient.there), lease.measured};
  findings.emplace_back(Layer::listener, std::move(listener));
  findings.emplace_back(Layer::lease, std::move(lease));
  findings.emplace_back(Layer::proof, proven ? Finding{std::move(proof)} : Finding{Skipped{"nothing was proven yet"}});
  return tell_all(patient, std::move(findings), std::move(tell));
}

}  // namespace holdfast::doctor
