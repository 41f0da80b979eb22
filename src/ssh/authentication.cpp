#include <utility>
//
#include <chrono>
#include <cstdlib>

#include "ssh/authentication.hpp"
#include "ssh/errors.hpp"

namespace holdfast::ssh {
namespace {

constexpr std::chrono::seconds agent_deadline{5};

std::string offered_methods(ssh_session session) {
  struct Method {
    int bit;
    std::string_view name;
  };
  constexpr Method methods[] = {{SSH_AUTH_METHOD_PUBLICKEY, "publickey"},
                                {SSH_AUTH_METHOD_PASSWORD, "password"},
                                {SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive"},
                                {SSH_AUTH_METHOD_HOSTBASED, "hostbased"},
                                {SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi-with-mic"}};
  const int offered = ssh_userauth_list(session, nullptr);
  std::string names;
  for (const auto& method : methods) {
    if ((offered & method.bit) == 0) continue;
    if (!names.empty()) names += ',';
    names += method.name;
  }
  return names;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) {
    if (!text.empty()) text += "; ";
    text += part;
  }
  return text;
}

}  // namespace

Authentication::Authentication(boost::asio::any_io_executor executor, const TunnelSpec& spec,
                               std::function<void()> wake)
    : executor_(std::move(executor)), spec_(spec), wake_(std::move(wake)), identities_(load_identities(spec)) {
  if (spec_.identity_agent.empty()) agent_ = AgentState::done;
}

Authentication::State Authentication::step(ssh_session session) {
  while (next_ < identities_.usable.size()) {
    const State state = try_identity(session);
    if (state != State::failed) return state;
    ++next_;
    asked_ = false;
  }
  switch (agent_) {
    case AgentState::untried:
      ask_agent();
      return State::again;
    case AgentState::asked:
      return State::again;
    case AgentState::ready:
      return try_agent(session);
    case AgentState::done:
      return State::failed;
  }
  std::abort();
}

bool Authentication::is_last_resort() const {
  return next_ + 1 == identities_.usable.size() && refused_.empty() && agent_ == AgentState::done;
}

Authentication::State Authentication::try_identity(ssh_session session) {
  const Identity& identity = identities_.usable[next_];
  // ssh_userauth_publickey() would do this as well, but not tell when it is over and the request itself goes out.
  if (ssh_service_request(session, "ssh-userauth") == SSH_AGAIN) return State::again;
  service_accepted_ = true;
  const int rc = ssh_userauth_publickey(session, nullptr, identity.key.get());
  if (rc == SSH_AUTH_AGAIN) {
    const bool sent_now = !std::exchange(asked_, true);
    return sent_now && is_last_resort() ? State::asked : State::again;
  }
  if (rc == SSH_AUTH_SUCCESS) return State::succeeded;
  if (rc == SSH_AUTH_ERROR && is_dead(session)) return State::again;  // its reason is not to be overwritten
  partial_ = partial_ || rc == SSH_AUTH_PARTIAL;
  // Refused by libssh, without a word to the relay: the reason is worth telling.
  const std::string reason = ssh_get_error(session);
  const bool by_relay = rc == SSH_AUTH_PARTIAL || reason.find("Access denied") != std::string::npos;
  refused_.push_back(identity.name + (by_relay ? "" : " (" + sanitize(reason) + ")"));
  return State::failed;
}

void Authentication::ask_agent() {
  agent_ = AgentState::asked;
  query_ =
      std::make_unique<AgentQuery>(executor_, spec_.identity_agent, agent_deadline, [this](const std::string& problem) {
        agent_ = problem.empty() ? AgentState::ready : AgentState::done;
        if (!problem.empty()) identities_.problems.push_back("agent " + spec_.identity_agent + ": " + problem);
        wake_();
      });
}

Authentication::State Authentication::try_agent(ssh_session session) {
  const int rc = ssh_userauth_agent(session, nullptr);
  if (rc == SSH_AUTH_AGAIN) return State::again;
  if (rc == SSH_AUTH_SUCCESS) return State::succeeded;
  if (rc == SSH_AUTH_ERROR && is_dead(session)) return State::again;
  partial_ = partial_ || rc == SSH_AUTH_PARTIAL;
  refused_.push_back("agent " + spec_.identity_agent);
  agent_ = AgentState::done;
  return State::failed;
}

Failure Authentication::failure(ssh_session session) const {
  Failure failure{Cause::authentication_refused, "authenticate to", relay_name(spec_), ""};
  if (refused_.empty()) {
    failure.cause = Cause::identity_unusable;
    failure.operation = "load identities for";
    failure.detail = identities_.problems.empty() ? "no identity_file and no identity_agent is configured"
                                                  : joined(identities_.problems);
    return failure;
  }
  failure.detail = "the relay offers " + offered_methods(session);
  if (partial_) failure.detail += " after a partial success";
  failure.detail += "; refused for " + spec_.user + ": " + joined(refused_);
  if (!identities_.problems.empty()) failure.detail += "; unusable: " + joined(identities_.problems);
  return failure;
}

}  // namespace holdfast::ssh
