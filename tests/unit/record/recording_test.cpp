#include "record/recording.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

TunnelSpec spec() {
  TunnelSpec spec;
  spec.name = "relay";
  spec.host_name = "relay.example";
  spec.user = "device";
  spec.identity_file = {"/etc/holdfast/key"};
  spec.user_known_hosts_file = "/var/lib/holdfast/known_hosts";
  spec.remote_forward.push_back({"localhost", 4649, TcpTarget{"localhost", 22}});
  return spec;
}

std::string beginning() {
  return record::first_lines("by a test") + record::tunnel_lines(1, spec());
}

record::Recording parsed(const std::string& text) {
  auto recording = record::parse(text);
  REQUIRE_MESSAGE(recording, recording.error());
  return std::move(*recording);
}

/// Behind the line's number.
std::string problem_of(const std::string& text) {
  const auto recording = record::parse(text);
  REQUIRE_FALSE(recording);
  const std::size_t colon = recording.error().find(": ");
  REQUIRE(colon != std::string::npos);
  return recording.error().substr(colon + 2);
}

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("a recording has the configuration and the steps that went into it") {
  const auto dice = [] { return 0.1; };
  const Step first = step(spec(), {}, Start{}, TimePoint{1h}, dice);
  const OfSession failed{1, SessionFailed{{Cause::connection_refused, "connect to", "relay.example:22", ""}}};
  const Step second = step(spec(), first.next, failed, TimePoint{1h + 1ns}, dice);
  const std::string text = beginning() + record::step_line(1, TimePoint{1h}, Start{}, {}, first) +
                           record::step_line(1, TimePoint{1h + 1ns}, failed, {0.1, 1.0 / 3}, second) +
                           record::end_line("stopped");
  const record::Recording recording = parsed(text);
  CHECK(recording.lost == 0);
  CHECK(recording.end == "stopped");
  REQUIRE(recording.tunnels.size() == 1);
  CHECK(recording.tunnels[0].name == "relay");
  CHECK(recording.tunnels[0].spec == spec());
  const auto& steps = recording.tunnels[0].steps;
  REQUIRE(steps.size() == 2);
  CHECK(steps[0].line == lines_of(beginning()) + 1);
  CHECK(steps[0].at == TimePoint{1h});
  CHECK(std::holds_alternative<Start>(steps[0].event));
  CHECK(steps[0].dice.empty());
  CHECK(steps[0].state == "opening resolve attempt=1 relay=0 due=3630");
  CHECK(steps[0].actions == "Dial");
  CHECK(steps[1].at == TimePoint{1h + 1ns});
  CHECK(steps[1].dice == std::vector<double>{0.1, 1.0 / 3});
  CHECK(steps[1].actions.starts_with("DropSession; Happened{what=AttemptFailed{failure=Failure{"));
}

TEST_CASE("a tunnel's times are recorded to the nanosecond, which YAML does not have") {
  TunnelSpec fine = spec();
  std::int64_t odd = 0;
  for (Duration* time :
       {&fine.fail_back_after, &fine.liveness.server_alive_interval, &fine.connect_timeout, &fine.drain_timeout,
        &fine.verify_interval, &fine.backoff.network.first, &fine.backoff.network.cap, &fine.backoff.listener.first,
        &fine.backoff.listener.cap, &fine.backoff.refused.first, &fine.backoff.refused.cap, &fine.backoff.penalty.first,
        &fine.backoff.penalty.cap, &fine.backoff.reset_after}) {
    *time += Duration{++odd};
  }
  fine.rekey_limit = {std::uint64_t{1} << 30U, 1h + 7ms};
  const std::string text = record::first_lines("") + record::tunnel_lines(1, fine);
  CHECK(text.find("\nexact drain_timeout 5000000004ns\n") != std::string::npos);
  CHECK(text.find("\nexact rekey_limit 3600007ms\n") != std::string::npos);
  CHECK(parsed(text).tunnels.at(0).spec == fine);
  CHECK(beginning().find("\nexact ") == std::string::npos);
}

TEST_CASE("relays are recorded in the order that the device prefers, which is its own business") {
  TunnelSpec several = spec();
  several.host_name.clear();
  several.relay_selection = RelaySelection::hash;
  for (const char* host : {"b.example", "a.example"})
    several.relays.push_back({host, 22, several.user_known_hosts_file, {}});
  const auto recording = parsed(record::first_lines("") + record::tunnel_lines(1, several));
  CHECK(recording.tunnels.at(0).spec.relays == several.relays);
  CHECK(recording.tunnels.at(0).spec.relay_selection == RelaySelection::ordered);
}

TEST_CASE("steps behind a loss are not replayed, and it is known how many were lost") {
  const std::string line = "3600 1 Start -> idle attempt=0 relay=0\n";
  const auto recording = parsed(beginning() + line + record::lost_line(17) + line + record::lost_line(3));
  CHECK(recording.lost == 20);
  CHECK(recording.tunnels.at(0).steps.size() == 1);
  CHECK(recording.end.empty());
}

TEST_CASE("half a last line is what a process leaves that was ended") {
  const std::string line = "3600 1 Start -> idle attempt=0 relay=0\n";
  CHECK(parsed(beginning() + line + line.substr(0, 20)).tunnels.at(0).steps.size() == 1);
}

TEST_CASE("what is no recording is refused, with the line and what to do") {
  CHECK(record::parse("").error() == "1: this is no recording; give the file that 'holdfast run --record' wrote");
  CHECK(record::parse("holdfast recording 2\n").error() ==
        "1: of recordings, version 1 is known here; replay it with the holdfast that wrote it");
  const std::string at = std::to_string(lines_of(beginning()) + 1) + ": ";
  CHECK(record::parse(beginning() + "soon 1 Start -> idle\n").error() ==
        at + "it begins with no time such as 8183.25; was the line changed, or is it a newer version's?");
  CHECK(problem_of(beginning() + "1 2 Start -> idle\n") ==
        "behind the time the number of a tunnel is missing; was a line taken out?");
  CHECK(problem_of(beginning() + "1 0 Start -> idle\n") ==
        "behind the time the number of a tunnel is missing; was a line taken out?");
  CHECK(problem_of(beginning() + "1 1 Begin -> idle\n") == "there is no 'Begin'; was the line changed?");
  CHECK(problem_of(beginning() + "1 1 OfSession{attempt=1 event=ListenerCancelled{forward=1}} -> idle\n") ==
        "the tunnel has no such forward; was the line changed?");
  CHECK(problem_of(beginning() + "1 1 Start idle\n") ==
        "behind the event -> and the state are missing; was the line changed?");
  CHECK(problem_of(beginning() + "1 1 Start dice=2 -> idle\n") ==
        "a dice is no number from 0 to 1; was the line changed?");
  CHECK(problem_of(beginning() + "1 1 Start luck=2 -> idle\n") ==
        "between the event and -> only dice= is known; was the line changed?");
  CHECK(problem_of(beginning() + "2 1 Start -> idle\n1 1 Start -> idle\n") ==
        "its time is before that of the tunnel's step before; was a line moved?");
  CHECK(problem_of(beginning() + "1 1 Start -> \x1b[2J\n") ==
        "it has a byte that no recording has; was the line changed?");
  CHECK(problem_of(beginning() + "end \xc2\x9b\n") == "it has a byte that no recording has; was the line changed?");
  CHECK(problem_of(beginning() + "9223372036 1 Start -> idle\n") ==
        "it begins with no time such as 8183.25; was the line changed, or is it a newer version's?");
  CHECK(problem_of(record::first_lines("") + "exact drain_timeout 5500ms\n") ==
        "no tunnel stands before it that has such a time; was a line moved?");
  CHECK(problem_of(beginning() + "exact patience 5500ms\n") ==
        "no tunnel stands before it that has such a time; was a line moved?");
  CHECK(problem_of(beginning() + "1 1 Start -> idle\nexact drain_timeout 5500ms\n") ==
        "no tunnel stands before it that has such a time; was a line moved?");
  for (const char* time : {"6s", "-1ns", "4999999999ns", "soon", ""}) {
    CHECK(problem_of(beginning() + "exact drain_timeout " + time + "\n") ==
          "its time is not the configuration's, 5s and less than a second; was a line changed?");
  }
  CHECK(problem_of(beginning() + "lost 0\n") == "how many steps were lost is missing; was the line changed?");
  CHECK(problem_of(beginning() + "end \n") == "why it ends is missing; was the line changed?");
  CHECK(problem_of(beginning() + "end stopped\n1 1 Start -> idle\n") ==
        "something follows the end; keep one recording in a file");
  CHECK(problem_of(beginning() + "tunnel 3 other\n") == "tunnels are numbered from 1 on; was a line taken out?");
  CHECK(problem_of(record::first_lines("") + "| tunnels:\n1 1 Start -> idle\n") ==
        "a configuration without its tunnel; was a line taken out?");
}

TEST_CASE("a configuration that can't be used is refused with the line that it has in the recording") {
  std::string text = beginning();
  const std::size_t at = text.find("| ", text.find("relay.example") - 40);
  text.replace(text.find("port: 22"), 8, "port: -1");
  const auto recording = record::parse(text);
  REQUIRE_FALSE(recording);
  CHECK(at != std::string::npos);
  const std::size_t line = lines_of(text.substr(0, text.find("port: -1"))) + 1;
  CHECK(recording.error().starts_with(std::to_string(line) + ": in the configuration: "));
  std::string renamed = beginning();
  renamed.replace(renamed.find("tunnel 1 relay"), 14, "tunnel 1 other");
  CHECK(record::parse(renamed).error() ==
        "3: its configuration is not that of one tunnel of this name; was a line changed?");
}
