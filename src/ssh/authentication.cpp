#include "ssh/authentication.hpp"

#include <chrono>
#include <utility>

#include "holdfast/words.hpp"
#include "ssh/errors.hpp"
#include "ssh/fingerprint.hpp"

namespace holdfast::ssh {
namespace {

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

std::string reasons_of(const std::vector<UnusableFile>& problems) {
  std::vector<std::string> reasons;
  reasons.reserve(problems.size());
  for (const auto& problem : problems) reasons.push_back(problem.reason);
  return joined(reasons, "; ");
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
  return joined(stale, "; ");
}

}  // namespace

Authentication::Authentication(boost::asio::any_io_executor executor, const TunnelSpec& spec,
                               std::shared_ptr<const Identities> identities, std::function<void()> wake)
    : spec_(spec), identities_(std::move(identities)), problems_(identities_->problems) {
  if (!spec_.identity_agent.empty()) agent_.emplace(std::move(executor), spec_.identity_agent, std::move(wake));
}

Authentication::State Authentication::step(ssh_session session) {
  while (next_ < identities_->usable.size()) {
    const State state = try_identity(session);
    if (state != State::failed) return state;
    ++next_;
    asked_ = false;
  }
  return agent_ ? try_agent(session) : State::failed;
}

bool Authentication::is_last_resort() const {
  return next_ + 1 == identities_->usable.size() && refused_.empty() && !agent_;
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
  // The key is called what the relay's log and `ssh-keygen -lf` call it.
  const std::string key = key_name(identity.key.get());
  refused_.push_back(identity.name + " (" + (by_relay ? key : key + ", " + sanitize(reason)) + ")");
  return State::failed;
}

Authentication::State Authentication::try_agent(ssh_session session) {
  switch (agent_->step(session)) {
    case AgentLogin::State::again:
      return State::again;
    case AgentLogin::State::succeeded:
      return State::succeeded;
    case AgentLogin::State::refused:
      partial_ = partial_ || agent_->partial();
      refused_.push_back(agent_->name());
      break;
    case AgentLogin::State::unusable:
      problems_.push_back({spec_.identity_agent, agent_->problem()});
      break;
  }
  agent_.reset();
  return State::failed;
}

std::string Authentication::tried() const {
  std::vector<std::string> names = refused_;
  if (asked_ && next_ < identities_->usable.size()) {
    const Identity& identity = identities_->usable[next_];
    names.push_back(identity.name + " (" + key_name(identity.key.get()) + ")");
  }
  if (agent_ && agent_->offers_keys()) names.push_back(agent_->name());
  return names.empty() ? "" : "tried: " + joined(names, "; ");
}

Failure Authentication::failure(ssh_session session) const {
  Failure failure{Cause::authentication_refused, "authenticate to", relay_name(spec_), ""};
  if (refused_.empty()) {
    failure.cause = spec_.identity_agent.empty() ? Cause::identity_unusable : Cause::agent_unusable;
    failure.operation = "load identities for";
    failure.detail = problems_.empty() ? "no identity_file and no identity_agent is configured" : reasons_of(problems_);
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
  failure.detail += "; refused for " + spec_.user + ": " + joined(refused_, "; ");
  if (!problems_.empty()) failure.detail += "; unusable: " + reasons_of(problems_);
  return failure;
}

}  // namespace holdfast::ssh
