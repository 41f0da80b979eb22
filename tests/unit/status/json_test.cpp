#include "status/json.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "holdfast/enumerators.hpp"
#include "unit/status/example.hpp"

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string content_of(const char* path) {
  std::ifstream file{path};
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

std::string error_of(const std::string& document) {
  const auto report = status::from_json(document);
  REQUIRE_FALSE(report.has_value());
  return report.error();
}

}  // namespace

TEST_CASE("the document of schema 1 stays as it is, key by key") {
  std::string document = status::to_json(test::example_report());
  for (const Cause cause :
       {Cause::connection_lost, Cause::connection_lost, Cause::connection_refused, Cause::connection_refused,
        Cause::authentication_refused, Cause::proof_not_permitted, Cause::connection_timed_out}) {
    document = replaced(document, std::string{remedy(cause)}, "(a sentence)");  // free to be worded better
  }
  CHECK(document == content_of(GOLDEN_DOCUMENT));
}

TEST_CASE("every key, cause, listener's state and refusal has its line in the documentation") {
  const std::string manual = content_of(STATUS_MANUAL);
  const auto documented = [&](const std::string& name) {
    CAPTURE(name);
    CHECK(manual.find("`" + name + "`") != std::string::npos);
  };
  std::istringstream lines{content_of(GOLDEN_DOCUMENT)};
  int keys = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto begin = line.find('"');
    const auto end = line.find("\":");
    if (end == std::string::npos) continue;
    documented(line.substr(begin + 1, end - begin - 1));
    ++keys;
  }
  CHECK(keys > 50);
  for (const CauseFacts& facts : all_causes()) {
    if (facts.cause <= Cause::local_error) documented(std::string{to_string(facts.cause)});
  }
  for (const ForwardState state : enumerators<ForwardState>) documented(std::string{to_string(state)});
  for (const Refusal refusal : enumerators<Refusal>) documented(std::string{to_string(refusal)});
  for (const std::string_view lease : {lease_ready, lease_off, lease_opening}) documented(std::string{lease});
}

TEST_CASE("a remedy that the daemon words for its relay is what the reader shows") {
  Report report = test::example_report();
  report.tunnels.at(0).last_error->failure.remedy = "Do this.";
  const auto read = status::from_json(status::to_json(report));
  REQUIRE(read.has_value());
  CHECK(remedy(read->tunnels.at(0).last_error->failure) == "Do this.");
}

TEST_CASE("a report survives the way through JSON and back") {
  const std::string document = status::to_json(test::example_report());
  const auto report = status::from_json(document);
  REQUIRE(report.has_value());
  CHECK(status::to_json(*report) == document);

  const TunnelReport& relay = report->tunnels.at(0);
  CHECK(relay.keepalive_rtt == Duration{31234us});
  CHECK(relay.forwards.at(1).bound_port == 41234);
  CHECK_FALSE(relay.phase.next_retry.has_value());
  const TunnelReport& backup = report->tunnels.at(1);
  CHECK(backup.phase.next_retry == Duration{12345ms});
  CHECK(backup.last_error->failure == Failure{Cause::connection_refused, "connect to", "backup.example:2222", ""});
  CHECK(backup.address.empty());
  CHECK_FALSE(backup.cipher.has_value());
}

TEST_CASE("the relays of a tunnel survive the way through JSON and back, and may be missing") {
  const std::string document = status::to_json(test::failed_over_report());
  const auto report = status::from_json(document);
  REQUIRE(report.has_value());
  CHECK(status::to_json(*report) == document);
  CHECK(report->tunnels.at(0).relays.size() == 3);

  const auto of_an_older_version = status::from_json(replaced(document, "\"relays\"", "\"unknown\""));
  REQUIRE(of_an_older_version.has_value());
  CHECK(of_an_older_version->tunnels.at(0).relays.empty());
}

TEST_CASE("every cause survives the way through JSON and back") {
  for (const CauseFacts& facts : all_causes()) {
    Report report = test::example_report();
    report.tunnels.at(0).last_error->failure.cause = facts.cause;
    const auto again = status::from_json(status::to_json(report));
    REQUIRE(again.has_value());
    CHECK(again->tunnels.at(0).last_error->failure.cause == facts.cause);
  }
}

TEST_CASE("every phase survives the way through JSON and back, and a new one is no better than being down") {
  Report report = test::example_report();
  PhaseReport& phase = report.tunnels.at(0).phase;
  for (const PhaseKind kind : enumerators<PhaseKind>) {
    phase.kind = kind;
    CAPTURE(to_string(kind));
    CHECK(status::from_json(status::to_json(report)).value().tunnels.at(0).phase.kind == kind);
  }
  phase.kind = PhaseKind::opening;
  for (const OpeningPhase opening : enumerators<OpeningPhase>) {
    phase.opening = opening;
    CHECK(status::from_json(status::to_json(report)).value().tunnels.at(0).phase.opening == opening);
  }
  TunnelReport& tunnel = report.tunnels.at(0);
  tunnel.up = false;
  tunnel.last_error.reset();
  tunnel.sessions_established = 0;
  REQUIRE(health(tunnel) == Health::warning);
  const auto newer = status::from_json(replaced(status::to_json(report), "\"opening\"", "\"hibernating\""));
  CHECK(newer.value().tunnels.at(0).phase.kind == PhaseKind::unknown);
  CHECK(health(newer.value().tunnels.at(0)) == Health::critical);
}

TEST_CASE("every state of a listener, why it was refused and the lease survive the way through JSON and back") {
  for (const ForwardState state :
       {ForwardState::pending, ForwardState::requested, ForwardState::knocking, ForwardState::identifying,
        ForwardState::evicting, ForwardState::held, ForwardState::refused}) {
    CAPTURE(to_string(state));
    Report report = test::refused_report();
    report.tunnels.at(0).forwards.at(0).state = state;
    const auto again = status::from_json(status::to_json(report));
    REQUIRE(again.has_value());
    const TunnelReport& relay = again->tunnels.at(0);
    CHECK(relay.forwards.at(0).state == state);
    CHECK(relay.forwards.at(0).refusal == Refusal::held_by_other_device);
    CHECK(relay.forwards.at(0).holder == "gateway-8");
    CHECK(relay.forwards.at(1).refusal == Refusal::held_stale);
    CHECK(relay.forwards.at(1).holder.empty());
    CHECK(relay.lease == "the relay runs no commands for this account");
  }
}

TEST_CASE("a refusal that is new since this version is read as one without a reason") {
  const std::string document = status::to_json(test::refused_report());
  const auto report = status::from_json(replaced(document, "\"held_by_other_device\"", "\"held_by_nobody\""));
  const ForwardReport& forward = report.value().tunnels.at(0).forwards.at(0);
  CHECK(forward.state == ForwardState::refused);
  CHECK_FALSE(forward.refusal);
  CHECK(condition(forward) == "refused gateway-8");
}

TEST_CASE("an empty report is a document as well") {
  const auto report = status::from_json(status::to_json(Report{}));
  REQUIRE(report.has_value());
  CHECK(report->tunnels.empty());
  CHECK_FALSE(report->last_reload_error.has_value());
}

TEST_CASE("bytes that are no UTF-8 are replaced and don't throw") {
  Report report = test::example_report();
  report.tunnels.at(0).last_error->failure.detail = "bye \xff\xc3";
  const auto again = status::from_json(status::to_json(report));
  REQUIRE(again.has_value());
  CHECK(again->tunnels.at(0).last_error->failure.detail == "bye \xef\xbf\xbd\xef\xbf\xbd");
}

TEST_CASE("keys that a newer daemon adds are ignored, and keys that an older one lacks are empty") {
  std::string document = status::to_json(test::example_report());
  document = replaced(document, R"("pid": 4711,)", R"("pid": 4711, "moon": {"phase": [1, 2]},)");
  document = replaced(document, R"("cipher": "aes128-gcm@openssh.com")", R"("sun": null)");
  const auto report = status::from_json(document);
  REQUIRE(report.has_value());
  CHECK(report->pid == 4711);
  CHECK_FALSE(report->tunnels.at(0).cipher.has_value());
}

TEST_CASE("a cause that a newer daemon adds keeps its name") {
  const std::string document =
      replaced(status::to_json(test::example_report()), R"("connection_lost")", R"("moon_in_the_way")");
  const auto report = status::from_json(document);
  REQUIRE(report.has_value());
  const Failure& failure = report->tunnels.at(0).last_error->failure;
  CHECK(failure.cause == Cause::local_error);
  CHECK(failure.detail == "cause moon_in_the_way, new since this version: Connection reset by peer");
}

TEST_CASE("another schema is refused with the versions and what to do") {
  CHECK(error_of(replaced(status::to_json(Report{}), R"("schema": 1)", R"("schema": 2)")) ==
        "the status has schema 2, and this holdfast reads schema 1: use the holdfast command of the version that is "
        "running");
}

TEST_CASE("what is no status document is an error, not an exception") {
  for (const char* document : {"", "{", "[]", "null", "{}", R"({"schema": "1"})", R"({"schema": 1})",
                               R"({"schema": 1, "version": "1", "tunnels": 5})",
                               R"({"schema": 1, "version": "1", "tunnels": [{}]})", "\xff"}) {
    CAPTURE(document);
    CHECK(error_of(document).starts_with("this is not a status document of holdfast: "));
  }
}

TEST_CASE("a document nested without end is refused, and ends no command") {
  const std::string nested = std::string(100'000, '[') + std::string(100'000, ']');
  for (const std::string key : {"last_error", "relays", "data"}) {
    const auto report = status::from_json(
        R"({"schema":1,"version":"1","tunnels":[{"name":"a","relay":"r","state":"idle","up":false,"forwards":[],")" +
        key + "\":" + nested + "}]}");
    CAPTURE(key);
    CHECK(report.has_value() == (key == "data"));
  }
}

TEST_CASE("durations out of any range are bounded") {
  const std::string document =
      replaced(status::to_json(test::example_report()), R"("uptime_seconds": 12000.0)", R"("uptime_seconds": 1e300)");
  const auto report = status::from_json(document);
  REQUIRE(report.has_value());
  CHECK(report->uptime == Duration{1000000000s});
}

TEST_CASE("the text of a problem body is found, and any other body is its own text") {
  CHECK(status::error_text(R"({"error":"no tunnel is called 'x'"})") == "no tunnel is called 'x'");
  CHECK(status::error_text("plain") == "plain");
  CHECK(status::error_text(R"({"error":5})") == R"({"error":5})");
  CHECK(status::error_text("[]") == "[]");
}
