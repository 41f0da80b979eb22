#include "ssh/session.hpp"

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "doctor/knocks.hpp"
#include "doctor/patient.hpp"
#include "holdfast/lifetime.hpp"
#include "holdfast/running.hpp"
#include "net/delay.hpp"
#include "net/dial/connector.hpp"
#include "ssh/identity.hpp"

namespace holdfast::doctor {
namespace {

constexpr std::array steps{Layer::banner, Layer::key_exchange, Layer::host_key, Layer::authentication};
constexpr std::array above{Layer::listener, Layer::lease, Layer::proof};

constexpr std::chrono::seconds longest_silence{5};  ///< before the banner
constexpr std::chrono::seconds longest_login{9};    ///< with that
constexpr std::chrono::seconds longest_look{11};    ///< with the knocks

/// "a; b" as a line each.
std::vector<std::string> parts_of(std::string text) {
  std::vector<std::string> parts;
  for (std::size_t end = 0; end != std::string::npos;) {
    end = text.find("; ");
    parts.push_back(text.substr(0, end));
    text.erase(0, end == std::string::npos ? end : end + 2);
  }
  return parts;
}

/// A login like a tunnel's, for its own sake. However it ends (by itself, by a failure, by the limit), all the layers
/// that were not told by then are told at once: that is why it is one class.
class SessionLook final : public net::Operation, private ssh::SessionObserver {
 public:
  /// `running`: what is told above the login, where the knocks find nothing. Where a session stands nobody knocks: it
  /// may be its own listener, which leads to the target.
  SessionLook(const Patient& patient, const std::vector<std::string>& addresses, Findings running, Tell tell)
      : executor_(patient.executor),
        there_(patient.there),
        knocks_there_(!stands(patient)),
        storage_(patient.storage->unchanged()),
        running_(std::move(running)),
        tell_(std::move(tell)),
        limit_(patient.executor) {
    limit(longest_silence);
    if (auto socket = std::exchange(*patient.connected, std::nullopt)) {
      open(std::move(*socket));
      return;
    }
    net::Endpoints endpoints;
    for (const std::string& address : addresses)
      endpoints.emplace_back(boost::asio::ip::make_address(address), there_.port);
    connecting_ = net::connect(patient.executor, std::move(endpoints), net::options_of(there_, std::nullopt),
                               [this](tl::expected<boost::asio::ip::tcp::socket, Failure> socket) {
                                 if (!socket) return skip_from(0, "TCP did not connect this time");
                                 open(std::move(*socket));
                               });
  }

 private:
  void open(boost::asio::ip::tcp::socket socket) {
    note_ends(socket);
    session_.emplace(std::move(socket), there_, static_cast<SessionObserver&>(*this), storage_);
    session_->open();
  }

  void on_event(SessionEvent event) override {
    if (const auto* completed = std::get_if<PhaseCompleted>(&event)) return on_phase(*completed);
    if (const auto* failed = std::get_if<SessionFailed>(&event)) return on_failure(failed->failure);
  }
  void on_host_key_met(const std::string&) override { met_ = true; }
  void on_keepalive_answered(Duration) override {}
  void on_open_request(ssh::OpenRequest) override {}
  void on_unwanted_open(const std::string&) override {}

  /// Ends the look `longest` after its beginning; a later call takes the place of an earlier one.
  void limit(Duration longest) {
    limit_.start(began_ + longest - Clock::now(), [this] { on_limit(); });
  }

  void on_limit() {
    if (reached_ == steps.size()) return tell_above({});
    const Layer next = steps.at(reached_);
    const OpeningPhase phase = next == Layer::banner           ? OpeningPhase::banner
                               : next == Layer::authentication ? OpeningPhase::authenticate
                                                               : OpeningPhase::key_exchange;
    on_failure({Cause::phase_timed_out, std::string{operation_of(phase)}, relay_name(there_),
                "no answer after " +
                    std::to_string(std::chrono::round<std::chrono::seconds>(Clock::now() - began_).count()) + " s"});
  }

  void on_phase(const PhaseCompleted& completed) {
    const Tell tell = tell_;
    const auto alive = lifetime_.watch();
    switch (completed.phase) {
      case OpeningPhase::resolve:
      case OpeningPhase::connect:
        return;
      case OpeningPhase::banner:
        reached_ = 1;
        limit(longest_login);
        server_ = completed.server;
        return tell(Layer::banner, StepFindings{std::nullopt, completed.server, {ends_}, completed.server});
      case OpeningPhase::key_exchange:
        reached_ = 3;
        session_->authenticate(false);
        tell(Layer::key_exchange, StepFindings{std::nullopt, session_->cipher(), {}});
        if (!alive.expired()) {
          StepFindings key;
          key.measured = session_->host_key() + (met_ ? ", not known here yet: the tunnel would take it" : "");
          key.is_new = met_;
          tell(Layer::host_key, std::move(key));
        }
        return;
      case OpeningPhase::authenticate:
        reached_ = 4;
        limit(longest_look);
        tell(Layer::authentication, StepFindings{std::nullopt, "as " + there_.user, said_at_login()});
        if (alive.expired()) return;
        if (!knocks_there_) return tell_above({});
        knocks_.emplace(executor_, *session_, there_, [this, server = server_](Finding found) {
          auto* step = std::get_if<StepFindings>(&found);
          if (step != nullptr && step->failure) step->failure = with_remedy_for(server, *step->failure);
          tell_above(std::move(found));
        });
        return;
    }
  }

  std::vector<std::string> said_at_login() const {
    std::vector<std::string> lines;
    for (const std::string& line : session_->banner_at_login()) lines.push_back("the relay says: " + line);
    return lines;
  }

  /// The layer that a failure is told of: its cause's, but none below the next step, for those were passed. It is the
  /// next step itself before the banner came, and where the cause may be of any layer or is of none of these.
  Layer layer_of(Cause cause) const {
    const Layer next = steps.at(reached_);
    const Layer own = facts_of(cause).layer;
    const bool of_any = cause == Cause::phase_timed_out || own > steps.back();
    return reached_ == 0 || of_any ? next : std::max(own, next);
  }

  void on_failure(const Failure& failure) {
    if (reached_ == steps.size()) return tell_above({});
    const Layer layer = layer_of(failure.cause);
    StepFindings found{failure, "", {}};
    if (layer == Layer::banner && session_) found.said = session_->instead_of_banner();
    if (layer == Layer::key_exchange && session_) found.evidence = session_->algorithms();
    if (layer == Layer::authentication) {
      found.evidence = parts_of(std::exchange(found.failure->detail, {}));
      const auto said = said_at_login();
      found.evidence.insert(found.evidence.end(), said.begin(), said.end());
    }
    found.evidence.push_back(ends_);
    const Tell tell = tell_;
    const auto alive = lifetime_.watch();
    for (std::size_t at = reached_; at < steps.size() && !alive.expired(); ++at) {
      if (steps.at(at) < layer) tell(steps.at(at), StepFindings{std::nullopt, measured_of(steps.at(at)), {}});
      if (steps.at(at) == layer) tell(layer, found);
      if (steps.at(at) > layer) tell(steps.at(at), Skipped{"the relay did not let us come to it"});
    }
    if (!alive.expired()) tell_above({});
  }

  /// What was seen of a step that was passed on the way to one that was not.
  std::string measured_of(Layer step) const {
    if (step == Layer::banner) return server_;
    if (step == Layer::key_exchange) return session_->cipher();
    return session_->host_key();
  }

  void skip_from(std::size_t first, const std::string& why) {
    const Tell tell = tell_;
    const auto alive = lifetime_.watch();
    for (std::size_t at = first; at < steps.size() && !alive.expired(); ++at) tell(steps.at(at), Skipped{why});
    if (!alive.expired()) tell_above({});
  }

  /// What the tunnel knows of a refused listener says more than a knock.
  void tell_above(std::optional<Finding> knocked) {
    const auto known = running_.find(Layer::listener);
    const bool is_known = known != running_.end() && std::holds_alternative<StepFindings>(known->second);
    if (knocked && !is_known) running_[Layer::listener] = std::move(*knocked);
    const Tell tell = tell_;
    const auto alive = lifetime_.watch();
    const Findings running = running_;
    for (const Layer layer : above) {
      if (alive.expired()) return;
      tell(layer, running.at(layer));
    }
  }

  void note_ends(const boost::asio::ip::tcp::socket& socket) {
    boost::system::error_code error;
    std::ostringstream text;
    text << "connected to " << socket.remote_endpoint(error) << " from " << socket.local_endpoint(error).address();
    ends_ = text.str();
  }

  boost::asio::any_io_executor executor_;
  const TunnelSpec there_;
  const bool knocks_there_;
  std::shared_ptr<ssh::Storage> storage_;
  Findings running_;
  Tell tell_;
  net::Delay limit_;
  const TimePoint began_ = Clock::now();
  std::unique_ptr<net::ConnectOperation> connecting_;
  std::string ends_;
  std::string server_;
  std::optional<ssh::Session> session_;
  std::optional<Knocks> knocks_;
  bool met_ = false;
  std::size_t reached_ = 0;  ///< how many of the steps were told
  Lifetime lifetime_;
};

bool connected(const Findings& so_far) {
  const auto found = so_far.find(Layer::tcp);
  const auto* tcp = found == so_far.end() ? nullptr : std::get_if<TcpFindings>(&found->second);
  if (tcp == nullptr) return false;
  return std::any_of(tcp->tries.begin(), tcp->tries.end(), [](const auto& one) { return !one.failed; });
}

/// What is known without a login; nothing is where no daemon holds the tunnel, nor of now where the session that stands
/// leads nowhere.
Findings findings_known(const Patient& patient, bool leads) {
  Findings known;
  if (patient.running) known = findings_of(patient.there, *patient.running);
  known.erase(Layer::session);
  for (const Layer layer : above) {
    if (!patient.running) known[layer] = Skipped{"no daemon holds this tunnel"};
  }
  if (leads || !stands(patient)) return known;
  for (auto& [layer, finding] : known) {
    const auto* found = std::get_if<StepFindings>(&finding);
    if (found != nullptr && !found->failure) finding = Skipped{"the running session gives no sign of life"};
  }
  return known;
}

/// Tells of the session that stands, and whether the next one could log in, for its keys may be gone by now.
class RunningLook final : public net::Operation {
 public:
  RunningLook(const Patient& patient, Findings known, const Tell& tell) {
    const auto login = std::get<StepFindings>(known.extract(Layer::authentication).mapped());
    told_ = at_once(patient.executor, [known = std::move(known), tell] {
      for (const auto& [layer, finding] : known) tell(layer, finding);
    });
    patient.storage->unchanged()->read(
        patient.there, lifetime_.guard([login, tell, there = patient.there](const auto& material) {
          StepFindings found = login;
          found.failure = material ? why_no_login(there, *material->identities) : std::optional{material.error()};
          tell(Layer::authentication, std::move(found));
        }));
  }

 private:
  static std::optional<Failure> why_no_login(const TunnelSpec& there, const ssh::Identities& identities) {
    if (!identities.usable.empty() || !there.identity_agent.empty()) return std::nullopt;
    std::string why;
    for (const ssh::UnusableFile& file : identities.problems) why += (why.empty() ? "" : "; ") + file.reason;
    return Failure{Cause::identity_unusable, "authenticate again to", relay_name(there), why,
                   "The tunnel works until this session ends, and can't come back then. " +
                       std::string{facts_of(Cause::identity_unusable).remedy}};
  }

  Look told_;
  Lifetime lifetime_;
};

}  // namespace

Look look_at_session(const Patient& patient, const Findings& so_far, Tell tell) {
  const bool leads = leads_there(patient, so_far);
  Findings known = findings_known(patient, leads);
  if (leads) return std::make_unique<RunningLook>(patient, std::move(known), tell);
  if (connected(so_far))
    return std::make_unique<SessionLook>(patient, addresses_of(so_far), std::move(known), std::move(tell));
  const Skipped closed{"the relay's port takes no connection"};
  for (const Layer layer : steps) known[layer] = closed;
  for (const Layer layer : above) {
    if (!patient.running) known[layer] = closed;
  }
  return at_once(patient.executor, [known = std::move(known), tell = std::move(tell)] {
    for (const auto& [layer, finding] : known) tell(layer, finding);
  });
}

}  // namespace holdfast::doctor
