#include "doctor/nat_timeout.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "holdfast/diagnosis.hpp"
#include "support/process.hpp"
#include "support/sshd.hpp"
#include "support/targets.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr const char* banner = "SSH-2.0-OpenSSH_10.0\r\n";
constexpr const char* keys = "an offer of keys";

TunnelSpec at(std::uint16_t port) {
  TunnelSpec there;
  there.host_name = "127.0.0.1";
  there.port = port;
  there.liveness.server_alive_interval = 60s;
  return there;
}

Findings measure(const TunnelSpec& there, std::vector<Milliseconds> silences, Milliseconds first) {
  Findings findings;
  doctor::measure_nat_timeout(there, {std::move(silences), first, 2s},
                              [&](Layer layer, Finding found) { findings.insert_or_assign(layer, std::move(found)); });
  return findings;
}

Findings measure(std::uint16_t port, std::vector<Milliseconds> silences, Milliseconds first) {
  return measure(at(port), std::move(silences), first);
}

const KeepaliveFindings& keepalive(const Findings& findings) {
  REQUIRE(std::holds_alternative<KeepaliveFindings>(findings.at(Layer::keepalive)));
  return std::get<KeepaliveFindings>(findings.at(Layer::keepalive));
}

std::optional<Cause> failure(const Findings& findings, Layer layer) {
  const auto* step = std::get_if<StepFindings>(&findings.at(layer));
  return step != nullptr && step->failure ? std::optional{step->failure->cause} : std::nullopt;
}

/// Answers who has been silent for less than this; what it does with the others, `then` says.
Conversation patient_for(std::chrono::milliseconds limit, Conversation then) {
  return [limit, then = std::move(then)](Socket& socket) {
    socket.send(banner);
    socket.set_timeout(limit);
    try {
      socket.receive();
    } catch (const std::system_error&) {
      socket.set_timeout(10s);
      return then(socket);
    }
    socket.send(keys);
    socket.closed_by_peer();
  };
}

/// As a carrier: what is said from then on is heard by nobody.
Conversation forgets_after(std::chrono::milliseconds limit) {
  return patient_for(limit, [](Socket& socket) { socket.receive_all(); });
}

}  // namespace

TEST_CASE("a flow that is kept for the longest silence is asked no more, and each has a connection of its own") {
  const TargetServer relay(forgets_after(10s));
  const Findings findings = measure(relay.port(), {10ms, 20ms, 40ms, 80ms}, 40ms);
  CHECK(keepalive(findings).interval == 60s);
  CHECK(keepalive(findings).survived == 80ms);
  CHECK_FALSE(keepalive(findings).forgotten);
  CHECK_FALSE(keepalive(findings).ended);
  CHECK(relay.accepted() == 2);
  CHECK(std::get<StepFindings>(findings.at(Layer::banner)).measured == "SSH-2.0-OpenSSH_10.0");
  CHECK(std::get<StepFindings>(findings.at(Layer::tcp)).measured ==
        "127.0.0.1:" + std::to_string(relay.port()) + " takes connections");
}

TEST_CASE("a flow that is forgotten is followed by shorter ones, once the relay has answered at once") {
  const TargetServer relay(forgets_after(500ms));
  const Findings findings = measure(relay.port(), {10ms, 20ms, 1000ms, 2000ms}, 1000ms);
  CHECK(keepalive(findings).survived == 20ms);
  CHECK(keepalive(findings).forgotten == 1000ms);
  CHECK(relay.accepted() == 3);
}

TEST_CASE("where a longer silence is too long, those in between are tried") {
  const TargetServer relay(forgets_after(500ms));
  const Findings findings = measure(relay.port(), {10ms, 20ms, 1000ms, 1500ms}, 10ms);
  CHECK(keepalive(findings).survived == 20ms);
  CHECK(keepalive(findings).forgotten == 1000ms);
}

TEST_CASE("a reset while nothing was said is a firewall's that forgets") {
  const TargetServer relay(patient_for(200ms, [](Socket& socket) { socket.reset(); }));
  const Findings findings = measure(relay.port(), {5000ms}, 5000ms);
  CHECK_FALSE(keepalive(findings).survived);
  CHECK(keepalive(findings).forgotten == 5000ms);
}

TEST_CASE("a relay that ends a silent flow itself shows nothing of what lies between, and that is said") {
  const TargetServer relay(patient_for(300ms, [](Socket&) {}));
  const Findings findings = measure(relay.port(), {10ms, 5000ms, 6000ms}, 5000ms);
  CHECK(keepalive(findings).survived == 10ms);
  CHECK_FALSE(keepalive(findings).forgotten);
  REQUIRE(keepalive(findings).ended);
  CHECK(*keepalive(findings).ended >= 200ms);
  CHECK(*keepalive(findings).ended < 5000ms);
}

TEST_CASE("a server that offers its keys with its banner shows that it hears us by closing") {
  const TargetServer relay([](Socket& socket) {
    socket.send(std::string{"Welcome\r\n"} + banner + keys);
    socket.receive();
  });
  CHECK(keepalive(measure(relay.port(), {10ms, 50ms}, 50ms)).survived == 50ms);
}

TEST_CASE("a relay that is gone is not taken for a carrier that forgets") {
  std::atomic<int> met = 0;
  const TargetServer relay([&met](Socket& socket) {
    if (++met > 2) return;
    socket.send(banner);
    socket.receive();
    if (met == 1) socket.send(keys);
    socket.receive_all();
  });
  const Findings findings = measure(relay.port(), {10ms, 20ms}, 10ms);
  CHECK(failure(findings, Layer::banner) == Cause::connection_lost);
  CHECK(keepalive(findings).survived == 10ms);
  CHECK_FALSE(keepalive(findings).forgotten);
}

TEST_CASE("a real sshd answers after a silence, and hears that we go") {
  const Sshd relay;
  const Findings findings = measure(relay.port(), {10ms, 100ms}, 100ms);
  CHECK(keepalive(findings).survived == 100ms);
  CHECK(wait_until([&] { return relay.log().find("Received disconnect from") != std::string::npos; }));
}

TEST_CASE("a relay that can't be measured is said by its layer") {
  SUBCASE("its name leads nowhere") {
    TunnelSpec there = at(22);
    there.host_name = "relay.invalid";
    const Findings findings = measure(there, {10ms}, 10ms);
    CHECK(failure(findings, Layer::name));
    CHECK(diagnose(findings).answer == Layer::name);
    for (const Layer above : {Layer::tcp, Layer::banner, Layer::keepalive})
      CHECK(std::holds_alternative<Skipped>(findings.at(above)));
  }
  SUBCASE("nobody listens") {
    const RefusingPort relay;
    const Findings findings = measure(relay.port(), {10ms}, 10ms);
    CHECK(failure(findings, Layer::tcp) == Cause::connection_refused);
    CHECK(std::holds_alternative<Skipped>(findings.at(Layer::banner)));
    CHECK(std::holds_alternative<Skipped>(findings.at(Layer::keepalive)));
  }
  SUBCASE("it takes nobody for now") {
    const TargetServer relay([](Socket& socket) { socket.send("Not allowed at this time\r\n"); });
    const Findings findings = measure(relay.port(), {10ms}, 10ms);
    CHECK(failure(findings, Layer::banner) == Cause::relay_penalty);
    CHECK(std::holds_alternative<Skipped>(findings.at(Layer::keepalive)));
  }
  SUBCASE("it is a web server") {
    const TargetServer relay([](Socket& socket) { socket.send("HTTP/1.1 400 Bad Request\r\n\r\n"); });
    const Findings findings = measure(relay.port(), {10ms}, 10ms);
    CHECK(std::get<StepFindings>(findings.at(Layer::banner)).said == "HTTP/1.1 400 Bad Request");
  }
}

TEST_CASE("the silences are those around the tunnel's own interval, and below LoginGraceTime") {
  const auto silences_at = [](Duration interval) {
    TunnelSpec there;
    there.liveness.server_alive_interval = interval;
    return doctor::silences_of(there);
  };
  using All = std::vector<Milliseconds>;
  CHECK(silences_at(60s).worth_trying == All{15s, 30s, 60s, 110s});
  CHECK(silences_at(60s).first == 60s);
  CHECK(doctor::longest_measurement(silences_at(60s)) == 180s);
  CHECK(silences_at(20s).worth_trying == All{5s, 10s, 20s, 60s, 110s});
  CHECK(silences_at(1s).worth_trying == All{1s, 60s, 110s});
  for (const Duration far : {Duration{0s}, Duration{1h}}) {
    CHECK(silences_at(far).worth_trying == All{27s, 55s, 110s});
    CHECK(silences_at(far).first == 110s);
    CHECK(doctor::longest_measurement(silences_at(far)) == 222s);
  }
}

TEST_CASE("doctor --nat-timeout says what to type where it can't be meant, and 2 where the relay is not reached") {
  const TempDir dir;
  const RefusingPort relay;
  const auto tunnel = [&](const std::string& name, const std::string& listener) {
    return "  " + name + ":\n    host_name: 127.0.0.1\n    port: " + std::to_string(relay.port()) +
           "\n    user: me\n    identity_file: " + (dir / "key") + "\n    remote_forward: [\"" + listener +
           ":localhost:22\"]\n";
  };
  write_file(dir / "one.yaml", "tunnels:\n" + tunnel("first", "4649"));
  write_file(dir / "two.yaml", "tunnels:\n" + tunnel("first", "4649") + tunnel("second", "4650"));
  const auto doctor = [&](const std::string& file, std::vector<std::string> more) {
    more.insert(more.begin(), {HOLDFAST_BINARY, "doctor", "--config", dir / file, "--nat-timeout"});
    return run({.argv = more});
  };
  const auto check_misused = [](const Finished& seen, const std::string& words) {
    CAPTURE(seen.errors);
    CHECK(seen.status.code == 2);
    CHECK(seen.output.empty());
    CHECK(seen.errors.find(words) != std::string::npos);
  };
  for (const std::vector<std::string>& other : {std::vector<std::string>{"--bundle", dir / "bundle"},
                                                {"--explain", "path_mtu"},
                                                {"--findings", "FILE"},
                                                {"--relay", "me@relay"},
                                                {"--from-outside", "me@relay:4649"}})
    check_misused(doctor("one.yaml", other), "type 'holdfast doctor --nat-timeout TUNNEL', and " + other.front());
  check_misused(doctor("one.yaml", {"--capture"}),
                "takes no --capture: type 'holdfast doctor --nat-timeout TUNNEL', and --capture in a command");
  check_misused(doctor("two.yaml", {}), "type 'holdfast doctor --nat-timeout TUNNEL' with one of first, second");
  check_misused(doctor("two.yaml", {"third"}), "no tunnel is called 'third'; there are: first, second");

  const Finished text = doctor("one.yaml", {});
  CAPTURE(text.output);
  CHECK(text.status.code == 2);
  CHECK(text.output.starts_with("Tunnel first, by this command: it takes up to 3 min\n"));
  CHECK(text.output.find(" FAIL  relay's port the relay's port refuses") != std::string::npos);
  const Finished json = doctor("two.yaml", {"second", "--json"});
  CHECK(json.status.code == 2);
  CHECK(json.output.find("\"connection_refused\"") != std::string::npos);
  CHECK(json.errors.empty());
}
