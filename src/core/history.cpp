#include "holdfast/history.hpp"

#include "holdfast/overloaded.hpp"

namespace holdfast {

void History::add(const Happening& happening, TimePoint now) {
  const auto failed = [&](const Failure& failure) {
    last_error_ = Error{failure, now};
    ++counts_[failure.cause];
  };
  std::visit(overloaded{[&](const AttemptFailed& attempt) { failed(attempt.failure); },
                        [&](const ListenerRefused& listener) { failed(listener.failure); },
                        [&](const ProofChanged& change) {
                          if (is_bad(change.proof.result)) ++counts_[change.proof.failure.value().cause];
                        },
                        [&](const SessionEnded& session) {
                          ends_.push_back({session.why, now, session.held});
                          if (ends_.size() > most_ends) ends_.erase(ends_.begin());
                        },
                        [](const auto&) {}},
             happening);
}

}  // namespace holdfast
