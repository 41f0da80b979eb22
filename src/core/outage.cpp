#include "holdfast/outage.hpp"

#include <algorithm>

namespace holdfast {
namespace {

constexpr Duration first_look = std::chrono::minutes{1};
constexpr Duration between_looks = std::chrono::minutes{30};
constexpr Duration between_causes = std::chrono::minutes{5};  ///< they may alternate

const Judgement* judgement_of(const Diagnosis& diagnosis) {
  const auto found = std::find_if(diagnosis.judgements.begin(), diagnosis.judgements.end(),
                                  [&](const Judgement& judgement) { return judgement.layer == diagnosis.answer; });
  return found == diagnosis.judgements.end() ? nullptr : &*found;
}

}  // namespace

bool Outage::step(bool is_up, const std::optional<Cause>& last_error, TimePoint now) {
  if (is_up) {
    *this = {};
    return false;
  }
  if (!since_) {
    since_ = now;
    next_look_ = now + first_look;
    return false;
  }
  const bool another = looked_at_ && now - *looked_at_ >= between_causes && last_error != looked_after_;
  if (now < next_look_ && !another) return false;
  next_look_ = now + between_looks;
  looked_at_ = now;
  looked_after_ = last_error;
  return true;
}

std::optional<std::string> Outage::found(const Diagnosis& diagnosis, TimePoint now) {
  const Judgement* judgement = judgement_of(diagnosis);
  if (!since_ || judgement == nullptr || !judgement->cause) return std::nullopt;
  const TimePoint may_be_said = *since_ + facts_of(*judgement->cause).said_after;
  if (now < may_be_said) {
    next_look_ = std::min(next_look_, may_be_said);
    return std::nullopt;
  }
  const bool told = said_ && said_->judgement.layer == judgement->layer && said_->judgement.cause == judgement->cause;
  said_ = Said{*judgement, answer_of(diagnosis), now};
  if (told) return std::nullopt;
  return "down for " + to_text(now - *since_) + ": " + said_->sentence + ". " + judgement->next_step;
}

std::optional<TimePoint> Outage::due() const {
  return since_ ? std::optional{next_look_} : std::nullopt;
}

std::optional<DiagnosisReport> Outage::report(TimePoint now) const {
  if (!said_) return std::nullopt;
  return DiagnosisReport{said_->judgement.layer, said_->judgement.cause.value(),
                         said_->sentence,        said_->judgement.next_step,
                         now - said_->at,        now - since_.value()};
}

}  // namespace holdfast
