#include "holdfast/timeouts.hpp"

#include <algorithm>

#include "holdfast/enumerators.hpp"

namespace holdfast {
namespace {

constexpr std::size_t ends_to_know = 3;
/// Shorter is a relay that ends whatever it is asked, and would take heartbeats by the second; what lasted longer says
/// little, for the same may happen every day.
constexpr Duration shortest = std::chrono::seconds{3};
constexpr Duration longest = std::chrono::hours{1};
constexpr Duration kept_for = std::chrono::hours{24};

Duration tolerance(Duration of) {
  return std::clamp<Duration>(of / 8, std::chrono::seconds{1}, std::chrono::seconds{3});
}

bool outlasts(Duration one, Duration other) {
  return one > other + tolerance(other);
}

Duration whole_seconds(Duration duration) {
  return std::chrono::round<std::chrono::seconds>(duration);
}

}  // namespace

std::string_view to_string(TimeoutOf of) {
  return spelling(of).name;
}

bool alike(Duration one, Duration other) {
  return one >= shortest && other >= shortest && !outlasts(one, other) && !outlasts(other, one);
}

LivenessSpec probing_within(const LivenessSpec& spec, Duration silence) {
  const Duration interval = std::max<Duration>(std::chrono::floor<std::chrono::seconds>(silence / 2), shortest / 3);
  if (probe_period(spec) <= interval) return spec;
  const auto intervals = (longest_silence(spec) + interval - Duration{1}) / interval;
  return {interval, static_cast<unsigned>(std::max<Duration::rep>(intervals, 1) - 1), 1};
}

void Timeouts::session_begins(TimePoint now) {
  std::erase_if(known_, [&](const Known& known) { return now - known.since >= kept_for; });
}

std::optional<Timeout> Timeouts::session_ended(const SessionAges& ages, bool closed, TimePoint now) {
  if (const Known* idle = find(TimeoutOf::idle_connection)) {
    const Duration after = idle->timeout.after;
    if (closed && alike(ages.silence, after)) return idle->timeout;
    // We spoke in time, and it ended at the age of those before.
    if (closed && age_ && alike(ages.age, *age_)) {
      learn(TimeoutOf::session, *age_, now);
    } else if (outlasts(std::max(ages.silence, ages.longest_silence_before), after)) {
      forget(TimeoutOf::idle_connection);
    }
  }
  if (const Known* session = find(TimeoutOf::session)) {
    if (closed && alike(ages.age, session->timeout.after)) return session->timeout;
    if (!outlasts(ages.age, session->timeout.after)) return std::nullopt;
    forget(TimeoutOf::session);
  }
  if (!closed || ages.age > longest) {
    closed_.clear();
    return std::nullopt;
  }
  closed_.push_back(ages);
  if (closed_.size() > ends_to_know) closed_.erase(closed_.begin());
  return closed_.size() == ends_to_know ? learn_from_the_last(now) : std::nullopt;
}

std::optional<Timeout> Timeouts::learn_from_the_last(TimePoint now) {
  const SessionAges& last = closed_.back();
  const auto all_are = [this](const auto& like_it) { return std::all_of(closed_.begin(), closed_.end(), like_it); };
  const bool same_age = all_are([&](const SessionAges& each) { return alike(each.age, last.age); });
  const bool same_silence = all_are([&](const SessionAges& each) {
    return alike(each.silence, last.silence) && !outlasts(each.longest_silence_before, each.silence);
  });
  // Some relay may end a session because of the probe: more of them would not help.
  const bool probed_in_vain = find(TimeoutOf::idle_connection) != nullptr && alike(last.silence, last.probe_period);
  if (same_silence && !probed_in_vain) {
    age_ = same_age ? std::optional{whole_seconds(last.age)} : std::nullopt;
    learn(TimeoutOf::idle_connection, last.silence, now);
  } else if (same_age) {
    learn(TimeoutOf::session, last.age, now);
  } else {
    return std::nullopt;
  }
  closed_.clear();
  return known_.back().timeout;
}

void Timeouts::lease_closed_after(Duration silence, TimePoint now) {
  learn(TimeoutOf::idle_lease, silence, now);
}

LivenessSpec Timeouts::outlived_by(const LivenessSpec& spec) const {
  LivenessSpec more = spec;
  for (const TimeoutOf of : {TimeoutOf::idle_connection, TimeoutOf::idle_lease}) {
    if (const Known* idle = find(of)) more = probing_within(more, idle->timeout.after);
  }
  return more;
}

bool Timeouts::end_sessions() const {
  return find(TimeoutOf::idle_connection) != nullptr || find(TimeoutOf::session) != nullptr;
}

std::vector<Timeout> Timeouts::known() const {
  std::vector<Timeout> all;
  for (const Known& known : known_) all.push_back(known.timeout);
  return all;
}

const Timeouts::Known* Timeouts::find(TimeoutOf of) const {
  const auto found =
      std::find_if(known_.begin(), known_.end(), [of](const Known& known) { return known.timeout.of == of; });
  return found == known_.end() ? nullptr : &*found;
}

void Timeouts::forget(TimeoutOf of) {
  std::erase_if(known_, [of](const Known& known) { return known.timeout.of == of; });
}

void Timeouts::learn(TimeoutOf of, Duration after, TimePoint now) {
  forget(of);
  // What ends the sessions is one or the other.
  if (of == TimeoutOf::session) forget(TimeoutOf::idle_connection);
  known_.push_back({{of, whole_seconds(after)}, now});
}

}  // namespace holdfast
