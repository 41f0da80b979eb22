#include "record/text.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "holdfast/enumerators.hpp"
#include "holdfast/step_words.hpp"
#include "record/describe.hpp"

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

/// Fills whatever is described, of every shape that it can have.
class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}

  void fill(bool& value) { value = coin(); }
  template <class Number>
  requires(std::is_unsigned_v<Number> && !std::is_same_v<Number, bool>) void fill(Number& value) {
    value = static_cast<Number>(coin() ? engine_() : below(3));
  }
  void fill(Duration& value) { value = coin() ? Duration{below(1'000'000'000'000)} : 1s * below(100); }
  void fill(TimePoint& value) { value = TimePoint{Duration{static_cast<std::int64_t>(engine_() >> 5U)}}; }
  void fill(std::string& value) {
    value.clear();
    for (std::uint64_t n = below(6); n > 0; --n) value += static_cast<char>(below(256));
  }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void fill(Enum& value) { value = enumerators<Enum>.at(below(enumerators<Enum>.size())); }
  template <class Value>
  void fill(std::optional<Value>& value) {
    value.reset();
    if (coin()) fill(value.emplace());
  }
  template <class Value>
  void fill(std::vector<Value>& values) {
    values = std::vector<Value>(below(4));
    for (Value& value : values) fill(value);
  }
  template <class... Alternatives>
  void fill(std::variant<Alternatives...>& value) {
    fill(value, below(sizeof...(Alternatives)));
  }
  /// With this alternative.
  template <class... Alternatives>
  void fill(std::variant<Alternatives...>& value, std::size_t index) {
    std::size_t at = 0;
    (((at++ == index) ? fill_in<Alternatives>(value) : void()), ...);
  }
  template <class Struct>
  requires std::is_class_v<Struct>
  void fill(Struct& value) {
    std::apply([&](const auto&... field) { (fill(value.*field.member), ...); }, record::description<Struct>.fields);
  }

 private:
  template <class Alternative, class Variant>
  void fill_in(Variant& value) {
    value = Alternative{};
    fill(std::get<Alternative>(value));
  }
  std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }
  bool coin() { return below(2) == 0; }

  std::mt19937_64 engine_;
};

constexpr std::size_t session_events = std::variant_size_v<SessionEvent>;

/// Each event of both kinds.
std::vector<TunnelEvent> all_events(Dice& dice) {
  std::vector<TunnelEvent> events;
  for (std::size_t index = 0; index + 1 < std::variant_size_v<TunnelEvent>; ++index)
    dice.fill(events.emplace_back(), index);
  for (std::size_t index = 0; index < session_events; ++index) {
    OfSession of_session;
    dice.fill(of_session.attempt);
    dice.fill(of_session.event, index);
    events.emplace_back(std::move(of_session));
  }
  return events;
}

std::string problem_of(const std::string& text) {
  const auto parsed = record::parse_event(text);
  return parsed ? "" : parsed.error();
}

}  // namespace

TEST_CASE("each event, however it is filled, reads back as what it was") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    Dice dice{seed};
    for (const TunnelEvent& event : all_events(dice)) {
      const std::string text = record::to_text(event);
      CAPTURE(text);
      CHECK(text.find('\n') == std::string::npos);
      const std::string line = text + " -> idle";
      const auto parsed = record::parse_event(line);
      REQUIRE_MESSAGE(parsed, parsed.error());
      CHECK(parsed->rest == " -> idle");
      CHECK(parsed->event.index() == event.index());
      CHECK(record::to_text(parsed->event) == text);
    }
  }
}

TEST_CASE("what reads back is equal in each field, so that the core decides the same") {
  Failure failure{Cause::listener_held_by_twin, "listen", "localhost:4649", "\"quoted\" \\ \xff\n", "ask"};
  const TransportReport transport{1, 2, 3ms, true, true, 1400, 4s, 5us, 6ns, 7min};
  const auto back = [](const SessionEvent& event) {
    return std::get<OfSession>(record::parse_event(record::to_text(TunnelEvent{OfSession{7, event}}))->event);
  };
  CHECK(back(SessionFailed{failure}).attempt == 7);
  CHECK(std::get<SessionFailed>(back(SessionFailed{failure}).event).failure == failure);
  CHECK(std::get<TransportStalled>(back(TransportStalled{transport}).event).transport == transport);
  const FoundAddresses found{{"192.0.2.1", ""}, {"2001:db8::1"}, 0s};
  CHECK(std::get<PhaseCompleted>(back(PhaseCompleted{OpeningPhase::resolve, "", found, ""}).event).found == found);
  CHECK(std::get<ForwardAnswered>(back(ForwardAnswered{1, 0}).event).bound_port == 0);
  CHECK(std::get<ForwardAnswered>(back(ForwardAnswered{1, std::nullopt}).event).bound_port == std::nullopt);
  const TimerExpired timer{TimePoint{1h + 1ns}, transport};
  const auto read = std::get<TimerExpired>(record::parse_event(record::to_text(TunnelEvent{timer}))->event);
  CHECK(read.acknowledged == timer.acknowledged);
  CHECK(read.transport == timer.transport);
}

TEST_CASE("an event is written as a person would want to read it") {
  CHECK(record::to_text(TunnelEvent{Start{}}) == "Start");
  CHECK(record::to_text(TunnelEvent{Start{true}}) == "Start{stand_by=yes}");
  CHECK(record::to_text(TunnelEvent{NetworkChanged{false, 1500ms}}) == "NetworkChanged{repetition=1500ms}");
  CHECK(record::to_text(TunnelEvent{OfSession{3, ForwardAnswered{0, std::nullopt}}}) ==
        "OfSession{attempt=3 event=ForwardAnswered{forward=0}}");
  CHECK(
      record::to_text(TunnelEvent{OfSession{3, SessionFailed{{Cause::connection_lost, "read from", "r:22", "\n"}}}}) ==
      "OfSession{attempt=3 event=SessionFailed{failure=Failure{cause=connection_lost operation=\"read from\" "
      "subject=\"r:22\" detail=\"\\x0a\"}}}");
}

TEST_CASE("an event has the name in a recording that the log has for it, and so has an action") {
  Dice dice{1};
  for (const TunnelEvent& event : all_events(dice)) {
    const std::string text = record::to_text(event);
    CHECK(text.find(std::string{event_name(event)}) != std::string::npos);
  }
  for (std::size_t index = 0; index < std::variant_size_v<TunnelAction>; ++index) {
    TunnelAction action;
    dice.fill(action, index);
    CHECK(record::to_text(action).starts_with(action_name(action)));
  }
}

TEST_CASE("actions that differ are written differently, on one line each") {
  for (unsigned seed = 0; seed < 100; ++seed) {
    Dice dice{seed};
    std::vector<TunnelAction> seen;
    std::set<std::string> texts;
    for (std::size_t index = 0; index < std::variant_size_v<TunnelAction>; ++index) {
      for (int n = 0; n < 4; ++n) {
        TunnelAction action;
        dice.fill(action, index);
        if (std::find(seen.begin(), seen.end(), action) != seen.end()) continue;
        seen.push_back(action);
        const std::string text = record::to_text(action);
        CHECK(text.find('\n') == std::string::npos);
        CHECK_MESSAGE(texts.insert(text).second, text);
      }
    }
  }
}

TEST_CASE("a state is written with all that is seen of it from outside") {
  TunnelSpec spec;
  spec.host_name = "relay.example";
  spec.remote_forward.resize(2);
  Step step = holdfast::step(spec, {}, Start{}, TimePoint{1h}, [] { return 0.5; });
  CHECK(record::to_text(step.next) == "opening resolve attempt=1 relay=0 due=3630");
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    step =
        holdfast::step(spec, step.next, OfSession{1, PhaseCompleted{phase}}, TimePoint{1h + 250ms}, [] { return 0.5; });
  }
  CHECK(record::to_text(step.next) ==
        "requesting_forwards attempt=1 relay=0 due=3630.25 listeners=[requested pending]");
  CHECK(record::to_text(TunnelState{}) == "idle attempt=0 relay=0");
}

TEST_CASE("times are exact to the nanosecond") {
  for (const char* text : {"0", "8183.25", "1", "0.000000001", "999999999.999999999", "1000000000"}) {
    const auto at = record::parse_time(text);
    REQUIRE(at);
    CHECK(record::to_text(*at) == text);
  }
  for (const char* text : {"", "-1", "1.", ".5", "1.50", "1.0000000001", "01", "1e3", "1000000000.000000001",
                           "9223372036.854775808", "x", "1 "})
    CHECK_MESSAGE(!record::parse_time(text), text);
  for (const char* text : {"0s", "60s", "1500ms", "7us", "-7ns", "1000000000s"}) {
    const auto duration = record::parse_duration(text);
    REQUIRE(duration);
    CHECK(record::to_text(*duration) == text);
  }
  for (const char* text : {"", "s", "1", "1.5s", "1 s", "1m", "1000000001s", "-1000000001s", "9223372036854775808ns"})
    CHECK_MESSAGE(!record::parse_duration(text), text);
}

TEST_CASE("an event that makes no sense is refused, and it is said what is wrong with it") {
  CHECK(problem_of("") == "there is no ''");
  CHECK(problem_of("Begin") == "there is no 'Begin'");
  CHECK(problem_of("Start{stand_by=maybe}") == "'maybe' is neither yes nor no");
  CHECK(problem_of("Start{}") == "it is written as Start");
  CHECK(problem_of("Start{stand_by=no}") == "it is written as Start");
  CHECK(problem_of("Start{stand_by=yes soon=yes}") == "Start has a field that is not known here");
  CHECK(problem_of("NetworkChanged{repetition=60000ms}") == "it is written as NetworkChanged{repetition=60s}");
  CHECK(problem_of("NetworkChanged{repetition=9223372037s}") == "'9223372037s' is no time such as 60s, 1500ms or 7ns");
  CHECK(problem_of("TimerExpired{acknowledged=soon}") == "'soon' is no time of the device's clock such as 8183.25");
  CHECK(problem_of("OfSession{attempt=1}") == "OfSession lacks 'event'");
  CHECK(problem_of("OfSession{attempt=-1 event=SessionClosed}") == "'-1' is no such number");
  CHECK(problem_of("OfSession{attempt=18446744073709551616 event=SessionClosed}") ==
        "'18446744073709551616' is no such number");
  CHECK(problem_of("OfSession{attempt=1 event=ForwardAnswered{forward=0 bound_port=65536}}") ==
        "'65536' is no such number");
  CHECK(problem_of("OfSession{attempt=1 event=Knocked{forward=0 answer=perhaps}}") == "KnockAnswer has no 'perhaps'");
  CHECK(problem_of("OfSession{attempt=1 event=SessionFailed{failure=Cause}}") == "'Cause' instead of 'Failure'");
  CHECK(problem_of("OfSession{attempt=1 event=SessionFailed{failure=Failure{cause=bad_luck}}}") ==
        "Cause has no 'bad_luck'");
  CHECK(problem_of("OfSession{attempt=1 event=LeaseLost{reason=\"x}}") == "a text has no end");
  CHECK(problem_of("OfSession{attempt=1 event=LeaseLost{reason=x}}") == "a text in \" is missing");
  CHECK(problem_of("OfSession{attempt=1 event=LeaseLost{reason=\"\\n\"}}") == "after \\ in a text xNN is missing");
  const std::string resolved = "OfSession{attempt=1 event=PhaseCompleted{phase=resolve found=FoundAddresses{said=";
  CHECK(problem_of(resolved + "\"a\"}}}") == "a list in [] is missing");
  CHECK(problem_of(resolved + "[\"a\"") == "a list has no end");
}
