#include "holdfast/told.hpp"

#include <doctest/doctest.h>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

std::vector<std::string> texts(const std::vector<Announce>& lines) {
  std::vector<std::string> all;
  all.reserve(lines.size());
  for (const Announce& line : lines) all.push_back(line.text.substr(0, line.text.find(". ")));
  return all;
}

using Texts = std::vector<std::string>;

ForwardProgress refused(Refusal refusal) {
  return {ForwardState::refused, 0, Explanation{refusal, "", TimePoint{}, std::nullopt}};
}

}  // namespace

TEST_CASE("a refused listener is told once for each reason, and once when it is held after all") {
  const TunnelSpec spec = spec_with(1);
  ToldOfSession told{1};
  ForwardTable forwards{1};
  CHECK(told.listeners(spec, forwards, true).empty());

  forwards[0] = refused(Refusal::held_stale);
  const auto lines = told.listeners(spec, forwards, true);
  CHECK(texts(lines) == Texts{"listen on relay localhost:4649: listener held stale (it is open and silent)"});
  CHECK(lines.at(0).failure->cause == Cause::listener_held_stale);
  CHECK(told.listeners(spec, forwards, true).empty());

  forwards[0] = refused(Refusal::held_live);
  CHECK(told.listeners(spec, forwards, true).at(0).failure->cause == Cause::listener_held_live);

  forwards[0] = {ForwardState::held, 4649, std::nullopt};
  CHECK(texts(told.listeners(spec, forwards, true)) == Texts{"now holding localhost:4649 -> localhost:22"});
  CHECK(told.listeners(spec, forwards, true).empty());
}

TEST_CASE("what is held before the tunnel is established is told by the line that says so") {
  const TunnelSpec spec = spec_with(1);
  ToldOfSession told{1};
  const ForwardTable forwards{{ForwardState::held, 4649, std::nullopt}};
  CHECK(told.listeners(spec, forwards, false).empty());
  CHECK(told.listeners(spec, forwards, true).empty());
}

TEST_CASE("a failure that comes again is quiet for a minute, and counted") {
  ToldFailures told;
  const TimePoint start{1h};
  CHECK(told.failed(lost(), "next try in 1 s", start).level == LogLevel::error);
  CHECK(told.failed(lost(), "next try in 2 s", start + 30s).level == LogLevel::verbose);
  CHECK(told.failed(lost(), "next try in 3 s", start + 59s).level == LogLevel::verbose);
  const Announce again = told.failed(lost(), "next try in 4 s", start + 60s);
  CHECK(again.level == LogLevel::error);
  CHECK(again.failure == lost());
  CHECK(again.text.find(" (and 2 times before); next try in 4 s. ") != std::string::npos);
  CHECK(told.failed(lost(), "next try in 5 s", start + 120s).text.find("times before") == std::string::npos);
}

TEST_CASE("another failure is told at once, and the one before it is not its own") {
  ToldFailures told;
  const TimePoint start{1h};
  told.failed(lost(), "next try in 1 s", start);
  told.failed(lost(), "next try in 1 s", start + 1s);
  const Announce other =
      told.failed({Cause::unreachable, "connect", "relay.example:22", ""}, "next try in 1 s", start + 2s);
  CHECK(other.level == LogLevel::error);
  CHECK(other.text.find("times before") == std::string::npos);
}

TEST_CASE("failures of two relays in turn are each told once a minute, each with its own count") {
  ToldFailures told;
  const TimePoint start{1h};
  Failure other = lost();
  other.subject = "other.example:22";
  CHECK(told.failed(lost(), "next try in 1 s", start).level == LogLevel::error);
  CHECK(told.failed(other, "next try in 1 s", start + 1s).level == LogLevel::error);
  for (int i = 2; i < 30; ++i) {
    CHECK(told.failed(i % 2 == 0 ? lost() : other, "next try in 1 s", start + std::chrono::seconds{i}).level ==
          LogLevel::verbose);
  }
  CHECK(told.failed(other, "next try in 1 s", start + 61s).text.find("(and 14 times before)") != std::string::npos);
  Failure third = lost();
  third.detail = "another";
  CHECK(told.failed(third, "next try in 1 s", start + 62s).text.find("times before") == std::string::npos);
}

TEST_CASE("what each try finds again is folded with the failure that it ends in") {
  ToldFailures told;
  const TimePoint start{1h};
  const Announce line{LogLevel::error, "refused", lost()};
  CHECK(told.folded(line, start).level == LogLevel::error);
  CHECK(told.failed(lost(), "next try in 1 s", start).level == LogLevel::verbose);
  CHECK(told.folded(line, start + 59s).level == LogLevel::verbose);
  CHECK(told.folded(line, start + 60s).level == LogLevel::error);
  CHECK(told.folded({LogLevel::info, "now holding", std::nullopt}, start).level == LogLevel::info);
}
