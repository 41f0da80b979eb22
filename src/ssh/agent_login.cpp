#include "ssh/agent_login.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "ssh/handles.hpp"

namespace holdfast::ssh {
namespace {

constexpr std::chrono::seconds agent_deadline{5};

}  // namespace

AgentLogin::AgentLogin(boost::asio::any_io_executor executor, std::string path, std::function<void()> wake)
    : executor_(std::move(executor)), path_(std::move(path)), wake_(std::move(wake)) {}

AgentLogin::State AgentLogin::step(ssh_session session) {
  switch (phase_) {
    case Phase::untried:
      ask_for_keys();
      return State::again;
    case Phase::asked:
      return State::again;
    case Phase::answered:
      return offer(session);
    case Phase::unusable:
      return State::unusable;
  }
  std::abort();
}

void AgentLogin::ask_for_keys() {
  ask(list_keys_message(), [this](const AgentRequest::Answer& answer) {
    auto keys = answer.and_then(keys_in);
    if (!keys) return fail(keys.error());
    keys_ = std::move(*keys);
    listed_ = keys_.size();
    answers_ = keys_message(keys_) + failure_message();
  });
}

/// libssh would wait for a signature in the loop. So it is given the agent's keys first, and a refusal to sign: its
/// request then lies in the stand-in. The agent signs that beside the loop, and libssh is given this one key again, and
/// the signature.
AgentLogin::State AgentLogin::offer(ssh_session session) {
  if (!answers_.empty() && !stand_in_.answer(session, std::exchange(answers_, {}))) {
    fail("the system has no sockets for it");
    return State::unusable;
  }
  const int rc = ssh_userauth_agent(session, nullptr);
  if (rc == SSH_AUTH_AGAIN) return State::again;
  if (rc == SSH_AUTH_SUCCESS) return State::succeeded;
  if (rc == SSH_AUTH_ERROR && is_dead(session)) return State::again;  // its reason is not to be overwritten
  const std::string request = sign_request_in(stand_in_.asked());
  if (!request.empty() && !std::exchange(signed_, false)) {
    ask_to_sign(request);
    return State::again;
  }
  partial_ = rc == SSH_AUTH_PARTIAL;
  // The relay wanted the key, and not its signature: an agent that knows no SHA-2, or a token that was not touched.
  if (!request.empty() && rc == SSH_AUTH_DENIED && offer_those_behind(key_of(request))) {
    wake_();
    return State::again;
  }
  return State::refused;
}

/// Offers the keys behind this one, for the relay has refused those in front of it. False: there are none.
bool AgentLogin::offer_those_behind(const std::string& blob) {
  const auto last = std::find_if(keys_.begin(), keys_.end(), [&](const AgentKey& key) { return key.blob == blob; });
  keys_.erase(keys_.begin(), last == keys_.end() ? last : last + 1);
  if (keys_.empty()) return false;
  answers_ = keys_message(keys_) + failure_message();
  return true;
}

void AgentLogin::ask_to_sign(const std::string& request) {
  const AgentKey key{key_of(request), ""};
  ask(request, [this, key](const AgentRequest::Answer& answer) {
    if (!answer) return fail(answer.error() + " when it is to sign");
    signed_ = is_signature(*answer);
    if (signed_) {
      answers_ = keys_message({key}) + *answer;
    } else if (!offer_those_behind(key.blob)) {
      fail("it refuses to sign");
    }
  });
}

void AgentLogin::ask(std::string message, AgentRequest::Handler then) {
  phase_ = Phase::asked;
  request_ = std::make_unique<AgentRequest>(executor_, path_, std::move(message), agent_deadline,
                                            [this, then = std::move(then)](const AgentRequest::Answer& answer) {
                                              phase_ = Phase::answered;
                                              then(answer);
                                              wake_();
                                            });
}

std::string AgentLogin::name() const {
  return "agent " + path_ + " (" + std::to_string(listed_) + (listed_ == 1 ? " key)" : " keys)");
}

void AgentLogin::fail(const std::string& why) {
  phase_ = Phase::unusable;
  problem_ = "agent " + path_ + ": " + why;
}

}  // namespace holdfast::ssh
