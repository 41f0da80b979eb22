#include "holdfast/tunnel_log.hpp"

#include <doctest/doctest.h>

#include "holdfast/noticed.hpp"
#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

using News = std::vector<Happening>;

ForwardProgress refused(Refusal refusal) {
  return {ForwardState::refused, 0, Explanation{refusal, "", TimePoint{}, std::nullopt}};
}

/// The log of one tunnel, with the clock in the test's hand.
struct Log {
  std::string text(const Happening& happening) { return line(happening).text; }
  LogLine line(const Happening& happening) { return log.line(spec, happening, now).value(); }
  LogLine failed(const Failure& failure, Duration wait = 1s) { return line(AttemptFailed{failure, wait}); }

  TunnelSpec spec = spec_with(1);
  TunnelLog log;
  TimePoint now{1h};
};

}  // namespace

TEST_CASE("a refused listener is noticed once for each reason, and once when it is held after all") {
  const TunnelSpec spec = spec_with(1);
  Noticed noticed{1};
  ForwardTable forwards{1};
  CHECK(noticed.listeners(spec, forwards).empty());

  forwards[0] = refused(Refusal::held_stale);
  const News news = noticed.listeners(spec, forwards);
  REQUIRE(news.size() == 1);
  CHECK(std::get<ListenerRefused>(news[0]).failure.cause == Cause::listener_held_stale);
  CHECK(noticed.listeners(spec, forwards).empty());

  forwards[0].explanation->not_evicted = "no record of it";  // the lease came up, and was asked
  const News asked = noticed.listeners(spec, forwards);
  REQUIRE(asked.size() == 1);
  CHECK(std::get<ListenerRefused>(asked[0]).failure.detail == "it is open and silent; the lease says: no record of it");
  CHECK(noticed.listeners(spec, forwards).empty());

  forwards[0] = refused(Refusal::held_live);
  const News other = noticed.listeners(spec, forwards);
  REQUIRE(other.size() == 1);
  CHECK(std::get<ListenerRefused>(other[0]).failure.cause == Cause::listener_held_live);

  forwards[0] = {ForwardState::held, 4649, std::nullopt};
  CHECK(noticed.listeners(spec, forwards) == News{ListenerHeld{0, 4649}});
  CHECK(noticed.listeners(spec, forwards).empty());
}

TEST_CASE("what is held before the session stands is told by the line that says so, and what comes later by its own") {
  Log log;
  CHECK_FALSE(log.log.line(log.spec, ListenerHeld{0, 4649}, log.now));
  const ForwardTable forwards{{ForwardState::held, 4649, std::nullopt}};
  CHECK(log.text(SessionStands{0, forwards}) == "established: localhost:4649 -> localhost:22");
  CHECK(log.text(ListenerHeld{0, 4649}) == "now holding localhost:4649 -> localhost:22");
  log.log.line(log.spec, SessionEnded{lost(), 1h}, log.now);
  CHECK_FALSE(log.log.line(log.spec, ListenerHeld{0, 4649}, log.now));
}

TEST_CASE("a failure that comes again is quiet for a minute, and counted") {
  Log log;
  CHECK(log.failed(lost()).level == LogLevel::error);
  log.now += 30s;
  CHECK(log.failed(lost(), 2s).level == LogLevel::verbose);
  log.now += 29s;
  CHECK(log.failed(lost(), 3s).level == LogLevel::verbose);
  log.now += 1s;
  const LogLine again = log.failed(lost(), 4s);
  CHECK(again.level == LogLevel::error);
  CHECK(again.failure == lost());
  CHECK(again.text.find(" (and 2 times before); next try in 4.0 s. ") != std::string::npos);
  log.now += 60s;
  CHECK(log.failed(lost()).text.find("times before") == std::string::npos);
}

TEST_CASE("once a session has stood, each failure is a new one") {
  Log log;
  log.failed(lost());
  log.line(SessionStands{0, {}});
  CHECK(log.failed(lost()).level == LogLevel::error);
}

TEST_CASE("another failure is told at once, and the one before it is not its own") {
  Log log;
  log.failed(lost());
  log.failed(lost());
  const LogLine other = log.failed({Cause::unreachable, "connect to", "relay.example:22", ""});
  CHECK(other.level == LogLevel::error);
  CHECK(other.text.find("times before") == std::string::npos);
}

TEST_CASE("failures of two relays in turn are each told once a minute, each with its own count") {
  Log log;
  Failure other = lost();
  other.subject = "other.example:22";
  CHECK(log.failed(lost()).level == LogLevel::error);
  log.now += 1s;
  CHECK(log.failed(other).level == LogLevel::error);
  for (int i = 2; i < 30; ++i) {
    log.now += 1s;
    CHECK(log.failed(i % 2 == 0 ? lost() : other).level == LogLevel::verbose);
  }
  log.now += 32s;
  CHECK(log.failed(other).text.find("(and 14 times before)") != std::string::npos);
  Failure third = lost();
  third.detail = "another";
  CHECK(log.failed(third).text.find("times before") == std::string::npos);
}

TEST_CASE("what each try finds again is folded with the failure that it ends in") {
  Log log;
  CHECK(log.line(ListenerRefused{0, lost()}).level == LogLevel::error);
  CHECK(log.failed(lost()).level == LogLevel::verbose);
  log.now += 59s;
  CHECK(log.line(ListenerRefused{0, lost()}).level == LogLevel::verbose);
  log.now += 1s;
  CHECK(log.line(ListenerRefused{0, lost()}).level == LogLevel::error);
}

TEST_CASE("what becomes of better relays and of the lease reads as a sentence") {
  Log log;
  log.spec.relays = {{"a.example", 22, "/known", {}}, {"b.example", 22, "/known", {}}};
  CHECK(log.text(BetterRelayAnswers{0}) == "the better relay a.example:22 answers again");
  CHECK(log.text(BetterRelayNotBack{0, "no answer within 10 s", 1h}) ==
        "the better relay a.example:22 is not back yet (no answer within 10 s); looked at again in 1 h 0 min");
  CHECK(log.text(GoingBack{0}) == "going back to a.example:22, which answers again");
  CHECK(log.text(SessionStands{1, {}}) == "established at b.example:22: holding nothing yet");
  CHECK(log.line(LeaseUnavailable{"no shell"}) == LogLine{LogLevel::verbose, "no lease on the relay: no shell"});
  CHECK(log.line(LeaseUnavailable{"no shell", 10s}) ==
        LogLine{LogLevel::info, "no lease on the relay: no shell; opened again in 10 s"});
  CHECK(log.line(AttemptFailed{lost(), 2s, 1}).text.find("; next try at b.example:22 in 2.0 s. ") != std::string::npos);
  log.spec.relays.pop_back();  // where else than at the only one?
  CHECK(log.text(SessionStands{0, {}}) == "established: holding nothing yet");
}

TEST_CASE("a relay that words each failure differently has its last eight remembered, and the ninth is a new one") {
  Log log;
  const auto level_of = [&](int number) {
    Failure failure = lost();
    failure.detail = std::to_string(number);
    return log.failed(failure).level;
  };
  for (int number = 0; number < 8; ++number) CHECK(level_of(number) == LogLevel::error);
  for (int number = 0; number < 8; ++number) CHECK(level_of(number) == LogLevel::verbose);
  CHECK(level_of(8) == LogLevel::error);
  CHECK(level_of(0) == LogLevel::error);
}
