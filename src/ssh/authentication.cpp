#include "ssh/authentication.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "ssh/errors.hpp"
#include "ssh/fingerprint.hpp"

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

std::string joined(const std::vector<UnusableFile>& problems) {
  std::vector<std::string> reasons;
  reasons.reserve(problems.size());
  for (const auto& problem : problems) reasons.push_back(problem.reason);
  return joined(reasons);
}

/// "PATH is valid from 2026-11-01 00:00:00 UTC until ..."; empty: all are good now.
std::string certificates_not_valid(const Identities& identities) {
  const auto now = static_cast<std::uint64_t>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
  std::vector<std::string> stale;
  for (const CertificateFile& certificate : identities.certificates) {
    if (!certificate.terms) continue;
    if (now >= certificate.terms->valid_before) stale.push_back(certificate.path + " has expired");
    if (now < certificate.terms->valid_after) stale.push_back(certificate.path + " is not valid yet");
  }
  return joined(stale);
}

}  // namespace

Authentication::Authentication(boost::asio::any_io_executor executor, const TunnelSpec& spec,
                               std::shared_ptr<const Identities> identities, std::function<void()> wake)
    : executor_(std::move(executor)),
      spec_(spec),
      wake_(std::move(wake)),
      identities_(std::move(identities)),
      problems_(identities_->problems) {
  if (spec_.identity_agent.empty()) agent_ = AgentState::done;
}

Authentication::State Authentication::step(ssh_session session) {
  while (next_ < identities_->usable.size()) {
    const State state = try_identity(session);
    if (state != State::failed) return state;
    ++next_;
    asked_ = false;
  }
  switch (agent_) {
    case AgentState::untried:
      ask_for_keys();
      return State::again;
    case AgentState::asked:
      return State::again;
    case AgentState::answered:
      return try_agent(session);
    case AgentState::done:
      return State::failed;
  }
  std::abort();
}

bool Authentication::is_last_resort() const {
  return next_ + 1 == identities_->usable.size() && refused_.empty() && agent_ == AgentState::done;
}

Authentication::State Authentication::try_identity(ssh_session session) {
  const Identity& identity = identities_->usable[next_];
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
  // As the relay's log names it, and `ssh-keygen -lf` there.
  const std::string key = key_name(identity.key.get());
  refused_.push_back(identity.name + " (" + (by_relay ? key : key + ", " + sanitize(reason)) + ")");
  return State::failed;
}

void Authentication::ask_for_keys() {
  ask_agent(list_keys_message(), [this](const AgentRequest::Answer& answer) {
    auto keys = answer.and_then(keys_in);
    if (!keys) return agent_fails(keys.error());
    agent_keys_ = std::move(*keys);
    listed_ = agent_keys_.size();
    agent_answers_ = keys_message(agent_keys_) + failure_message();
  });
}

/// libssh would wait for a signature in the loop. So it is given the agent's keys first, and a refusal to sign: its
/// request then lies in the stand-in. The agent signs that beside the loop, and libssh is given this one key again, and
/// the signature.
Authentication::State Authentication::try_agent(ssh_session session) {
  if (!agent_answers_.empty() && !stand_in_.answer(session, std::exchange(agent_answers_, {}))) {
    agent_fails("the system has no sockets for it");
    return State::failed;
  }
  const int rc = ssh_userauth_agent(session, nullptr);
  if (rc == SSH_AUTH_AGAIN) return State::again;
  if (rc == SSH_AUTH_SUCCESS) return State::succeeded;
  if (rc == SSH_AUTH_ERROR && is_dead(session)) return State::again;
  const std::string request = sign_request_in(stand_in_.asked());
  if (!request.empty() && !std::exchange(signed_, false)) {
    ask_to_sign(request);
    return State::again;
  }
  partial_ = partial_ || rc == SSH_AUTH_PARTIAL;
  // The relay wanted the key, and not its signature: an agent that knows no SHA-2, or a token that was not touched.
  if (!request.empty() && rc == SSH_AUTH_DENIED && offer_those_behind(key_of(request))) {
    wake_();
    return State::again;
  }
  refused_.push_back(agent_and_keys());
  agent_ = AgentState::done;
  return State::failed;
}

/// Offers the keys behind this one, for the relay has refused those in front of it. False: there are none.
bool Authentication::offer_those_behind(const std::string& blob) {
  const auto last =
      std::find_if(agent_keys_.begin(), agent_keys_.end(), [&](const AgentKey& key) { return key.blob == blob; });
  agent_keys_.erase(agent_keys_.begin(), last == agent_keys_.end() ? last : last + 1);
  if (agent_keys_.empty()) return false;
  agent_answers_ = keys_message(agent_keys_) + failure_message();
  return true;
}

void Authentication::ask_to_sign(const std::string& request) {
  const AgentKey key{key_of(request), ""};
  ask_agent(request, [this, key](const AgentRequest::Answer& answer) {
    if (!answer) return agent_fails(answer.error() + " when it is to sign");
    signed_ = is_signature(*answer);
    if (signed_) {
      agent_answers_ = keys_message({key}) + *answer;
    } else if (!offer_those_behind(key.blob)) {
      agent_fails("it refuses to sign");
    }
  });
}

void Authentication::ask_agent(std::string message, AgentRequest::Handler then) {
  agent_ = AgentState::asked;
  agent_request_ = std::make_unique<AgentRequest>(executor_, spec_.identity_agent, std::move(message), agent_deadline,
                                                  [this, then = std::move(then)](const AgentRequest::Answer& answer) {
                                                    agent_ = AgentState::answered;
                                                    then(answer);
                                                    wake_();
                                                  });
}

/// "agent /run/agent.sock (11 keys)"
std::string Authentication::agent_and_keys() const {
  return "agent " + spec_.identity_agent + " (" + std::to_string(listed_) + (listed_ == 1 ? " key)" : " keys)");
}

void Authentication::agent_fails(const std::string& why) {
  agent_ = AgentState::done;
  problems_.push_back({spec_.identity_agent, "agent " + spec_.identity_agent + ": " + why});
}

std::string Authentication::tried() const {
  std::vector<std::string> names = refused_;
  if (asked_ && next_ < identities_->usable.size()) {
    const Identity& identity = identities_->usable[next_];
    names.push_back(identity.name + " (" + key_name(identity.key.get()) + ")");
  }
  if (agent_ == AgentState::answered) names.push_back(agent_and_keys());
  return names.empty() ? "" : "tried: " + joined(names);
}

Failure Authentication::failure(ssh_session session) const {
  Failure failure{Cause::authentication_refused, "authenticate to", relay_name(spec_), ""};
  if (refused_.empty()) {
    failure.cause = spec_.identity_agent.empty() ? Cause::identity_unusable : Cause::agent_unusable;
    failure.operation = "load identities for";
    failure.detail = problems_.empty() ? "no identity_file and no identity_agent is configured" : joined(problems_);
    return failure;
  }
  const std::string offered = offered_methods(session);
  failure.detail = "the relay offers " + (offered.empty() ? "nothing else" : offered);
  if (partial_) {
    failure.detail += " after a partial success";
    failure.remedy =
        "The relay took a key and asks for more, which a device can't give: see AuthenticationMethods in "
        "its sshd_config, and let publickey do for this account.";
  } else if (!offered.empty() && offered.find("publickey") == std::string::npos) {
    failure.cause = Cause::login_method_missing;
  } else if (const std::string stale = certificates_not_valid(*identities_); !stale.empty()) {
    failure.cause = Cause::certificate_expired;
    failure.detail += "; " + stale;
  }
  failure.detail += "; refused for " + spec_.user + ": " + joined(refused_);
  if (!problems_.empty()) failure.detail += "; unusable: " + joined(problems_);
  return failure;
}

}  // namespace holdfast::ssh
