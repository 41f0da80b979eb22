#include "holdfast/history.hpp"

#include "holdfast/overloaded.hpp"

namespace holdfast {

void History::add(const Told& told) {
  const auto failed = [&](const Failure& failure) {
    last_error_ = Error{failure, told.at, told.wall};
    ++counts_[failure.cause];
  };
  std::visit(overloaded{[&](const AttemptFailed& attempt) { failed(attempt.failure); },
                        [&](const ListenerRefused& listener) { failed(listener.failure); },
                        [&](const ProofChanged& change) {
                          if (is_bad(change.proof.result)) ++counts_[change.proof.failure.value().cause];
                        },
                        [&](const SessionEnded& session) {
                          ends_.push_back({session.why, told.at, session.held, told.wall});
                          if (ends_.size() > most_ends) ends_.erase(ends_.begin());
                        },
                        [](const StandsBy&) {}, [](const SessionStands&) {}, [](const ListenerHeld&) {},
                        [](const ListenerFreed&) {}, [](const LeaseUnavailable&) {}, [](const BetterRelayAnswers&) {},
                        [](const BetterRelayNotBack&) {}, [](const GoingBack&) {}, [](const DrainBegan&) {},
                        [](const TunnelStopped&) {}},
             told.what);
}

}  // namespace holdfast
