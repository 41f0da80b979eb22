// From the listener to the proof, the keepalives, and what a daemon says by itself.
#include <doctest/doctest.h>

#include <filesystem>

#include "lab/atlas/relays.hpp"
#include "support/wait.hpp"

using namespace holdfast;
using namespace holdfast::lab;
using namespace std::chrono_literals;

namespace {

/// The daemon runs, and its last error is of this cause.
bool fails_with(Bedside& bedside, const std::string& words) {
  bedside.subject.start();
  return test::wait_until([&] { return bedside.subject.log().find(words) != std::string::npos; }, 30s);
}

/// A relay with our script installed, of which `what` reads `with`.
struct Installed {
  explicit Installed(const std::string& what = "", const std::string& with = "") {
    std::filesystem::permissions(dir.path(), std::filesystem::perms{0755});
    std::string script = test::run_checked({{HOLDFAST_BINARY, "relay-script"}});
    const auto at = script.find(what);
    REQUIRE(at != std::string::npos);
    test::write_file(dir / "lease", script.replace(at, what.size(), with), 0644);
    relay.key_options = "command=\"exec sh " + (dir / "lease") + " bound\"";
  }
  test::TempDir dir;
  RelayOptions relay{};
};

/// Of a session that stands, once its lease is open.
Seen examine_leased(Bedside& bedside) {
  bedside.establish();
  Seen seen;
  REQUIRE(test::wait_until(
      [&] {
        seen = bedside.examine();
        return seen.layers.at("lease").result != "skip";
      },
      20s));
  return seen;
}

}  // namespace

TEST_CASE("somebody has the port of the listener") {
  Bedside bedside;
  std::string cause;
  test::Conversation conversation;
  bool by_daemon = false;
  SUBCASE("and answers, as a look without a daemon finds") {
    conversation = test::greet_then_echo("hello\r\n");
    cause = "listener_held_live";
  }
  SUBCASE("and answers, as the daemon was told") {
    conversation = test::greet_then_echo("hello\r\n");
    cause = "listener_held_live";
    by_daemon = true;
  }
  SUBCASE("and waits to be spoken to, as a look without a daemon finds") {
    conversation = test::echo();
    cause = "listener_held_live";
  }
  SUBCASE("and waits to be spoken to, as the daemon was told") {
    conversation = test::echo();
    cause = "listener_held_live";
    by_daemon = true;
  }
  SUBCASE("and is silent, as a look without a daemon finds") {
    conversation = test::dead();
    cause = "listener_held_stale";
  }
  SUBCASE("and is silent, as the daemon was told") {
    conversation = test::dead();
    cause = "listener_held_stale";
    by_daemon = true;
  }
  const InNetwork here(bedside.lab.relay());
  const test::TargetServer holder(conversation, test::Listener::tcp(Site::tunnel_port));
  const test::TargetServer other(conversation, test::Listener::tcp(Site::tunnel_port, true));
  if (by_daemon) REQUIRE(fails_with(bedside, cause == "listener_held_live" ? "held live" : "held stale"));
  const Seen seen = bedside.examine();
  check_answer(seen, cause, 15s);
  CHECK(seen.answer == "listener");
}

TEST_CASE("another device has the port of the listener") {
  Bedside bedside;
  TunnelSettings settings = bedside.subject.settings();
  settings.host = Lab::relay_address;
  settings.target = 7008;
  std::string cause;
  SUBCASE("of another name") {
    settings.more = {"device_id: another"};
    cause = "listener_held_by_other_device";
  }
  SUBCASE("of this one's name, as a copied card has") {
    settings.more = {"device_id: copied"};
    cause = "listener_held_by_twin";
  }
  bedside.subject.settings().more = {"device_id: copied"};
  std::optional<test::TargetServer> its_target;
  {
    const InNetwork here(bedside.lab.relay());
    its_target.emplace(test::greet_then_echo("another device's target\r\n"), test::Listener::tcp(settings.target));
  }
  Subject other(bedside.lab, holdfast_at(HOLDFAST_BINARY), settings, Subject::Where::relay);
  other.start();
  const std::string records = bedside.lab.relay_home() + "/.holdfast";
  REQUIRE(
      test::wait_until([&] { return std::filesystem::exists(records) && !std::filesystem::is_empty(records); }, 15s));
  REQUIRE(fails_with(bedside, cause == "listener_held_by_twin" ? "held by twin" : "held by other device"));
  const Seen seen = bedside.examine();
  check_answer(seen, cause, 15s);
  CHECK(seen.answer == "listener");
  CHECK(seen.layers.at("lease").result == "pass");
}

TEST_CASE("only root may listen below 1024") {
  Bedside bedside;
  bedside.subject.settings().port = 80;
  REQUIRE(fails_with(bedside, "privileged port"));
  check_answer(bedside.examine(), "privileged_port", 15s);
}

TEST_CASE("the relay's rules forbid the listener") {
  RelayOptions relay;
  SUBCASE("every listener") {
    relay.config = {"PermitListen none"};
  }
  SUBCASE("what the key may is another port") {
    relay.key_options = "permitlisten=\"localhost:4650\"";
  }
  SUBCASE("every forward") {
    relay.config = {"AllowTcpForwarding no"};
  }
  SUBCASE("the key may nothing") {
    relay.key_options = "restrict";
  }
  Bedside bedside(with(relay));
  REQUIRE(fails_with(bedside, "forward refused"));
  const Seen seen = bedside.examine();
  check_answer(seen, "forward_refused", 15s);
  CHECK(seen.layers.at("listener").next_step.find("permitlisten") != std::string::npos);
}

TEST_CASE("the relay listens on its loopback only, and more was asked for") {
  Bedside bedside;
  bedside.subject.settings().listen = "*";
  bedside.establish();
  Seen seen;
  CHECK(test::wait_until(
      [&] {
        seen = bedside.examine();
        return !seen.answer.empty();
      },
      20s));
  check_answer(seen, "listens_elsewhere", 10s);
  CHECK(seen.layers.at("listener").next_step.find("GatewayPorts") != std::string::npos);
}

TEST_CASE("an account without a shell runs no lease, which is no fault") {
  RelayOptions relay;
  relay.shell = "/usr/sbin/nologin";
  Bedside bedside(with(relay));
  bedside.establish();
  Seen seen;
  CHECK(test::wait_until(
      [&] {
        seen = bedside.examine();
        return !seen.layers.at("lease").cause.empty();
      },
      20s));
  check_answer(seen, "", 10s);
  CHECK(seen.layers.at("lease").cause == "lease_unavailable");
}

TEST_CASE("the relay has our script of an earlier version") {
  std::string unknown;
  SUBCASE("that does not tell the time") {
    unknown = "\"1 clock \"?*";
  }
  SUBCASE("that tells no runs of a device apart") {
    unknown = "[2-9]\" runs \"?*";
  }
  const Installed installed(unknown, "never");
  Bedside bedside(with(installed.relay));
  const Seen seen = examine_leased(bedside);
  check_answer(seen, "lease_outdated", 10s);
  CHECK(seen.answer == "lease");
  CHECK(seen.layers.at("lease").result == "warn");
  CHECK(seen.layers.at("lease").next_step.find("holdfast relay-script") != std::string::npos);
}

TEST_CASE("the relay's clock shows another time") {
  const Installed installed("$(date +%s)", "1000000000");
  Bedside bedside(with(installed.relay));
  const Seen seen = examine_leased(bedside);
  INFO(seen.text);
  CHECK(mentions(seen.layers.at("device"), "days ahead of the relay's"));
  // Unless something sets the clock of this machine.
  const bool is_set = mentions(seen.layers.at("device"), "it is synchronized");
  check_answer(seen, is_set ? "" : "clock_wrong", 10s);
  CHECK(seen.exit_status == (is_set ? 0 : 1));
}

TEST_CASE("an installed script of this version is no fault") {
  const Installed installed;
  Bedside bedside(with(installed.relay));
  const Seen seen = examine_leased(bedside);
  check_answer(seen, "", 10s);
  CHECK(mentions(seen.layers.at("lease"), "runs beside the session"));
}

TEST_CASE("a key with another forced command runs no lease, which is no fault") {
  RelayOptions relay;
  relay.key_options = "command=\"echo This account holds tunnels\"";
  Bedside bedside(with(relay));
  const Seen seen = examine_leased(bedside);
  check_answer(seen, "", 10s);
  CHECK(seen.layers.at("lease").cause == "lease_unavailable");
  CHECK(mentions(seen.layers.at("lease"), "This account holds tunnels"));
}

TEST_CASE("a relay that permits no proof is no fault") {
  Bedside bedside(with(configured({"PermitOpen none"})));
  bedside.establish();
  Seen seen;
  CHECK(test::wait_until(
      [&] {
        seen = bedside.examine();
        return !seen.layers.at("proof").cause.empty();
      },
      20s));
  check_answer(seen, "", 10s);
  CHECK(seen.layers.at("proof").cause == "proof_not_permitted");
}

TEST_CASE("the listener leads elsewhere: another program has the address that localhost means first") {
  Bedside bedside;
  const InNetwork here(bedside.lab.relay());
  const test::TargetServer stranger(test::greet_then_echo("a stranger\r\n"),
                                    test::Listener::tcp(Site::tunnel_port, true));
  REQUIRE(fails_with(bedside, "path broken"));
  const Seen seen = bedside.examine();
  check_answer(seen, "path_broken", 15s);
  CHECK(seen.answer == "proof");
  CHECK(seen.layers.at("proof").next_step.find("ss -tlnp") != std::string::npos);
}

TEST_CASE("a running session is shown with what is known of it, and the relay is not logged in to again") {
  Bedside bedside;
  bedside.establish();
  const Seen seen = bedside.examine();
  check_answer(seen, "", 10s);
  CHECK(mentions(seen.layers.at("banner"), "SSH-2.0-OpenSSH"));
  CHECK(mentions(seen.layers.at("host_key"), "ssh-ed25519 SHA256:"));
  CHECK(mentions(seen.layers.at("session"), "holds for"));
  const std::string log = bedside.relay.log();
  const auto first = log.find("Accepted publickey");
  REQUIRE(first != std::string::npos);
  CHECK(log.find("Accepted publickey", first + 1) == std::string::npos);
}

TEST_CASE("the relay says something to who logs in, and the log and the status say it too") {
  const test::TempDir dir;
  test::write_file(dir / "banner", "Authorised \x1b[31mdevices only\n", 0644);
  Bedside bedside(with(configured({"Banner " + (dir / "banner")})));
  bedside.establish();
  CHECK(bedside.subject.log().find("the relay says: Authorised ?[31mdevices only") != std::string::npos);
  CHECK(mentions(bedside.examine().layers.at("authentication"), "Authorised ?[31mdevices only"));
}

TEST_CASE("the carrier forgets a flow before the next keepalive, and doctor measures when") {
  SiteOptions options;
  options.server_alive_interval = 16;
  Bedside bedside(options);
  bedside.lab.carrier().sysctl("net/netfilter/nf_conntrack_tcp_timeout_established", "11");
  const Seen seen = bedside.examine({"--nat-timeout"});
  check_answer(seen, "keepalive_too_rare", 45s);
  CHECK(seen.answer == "keepalive");
  CHECK(seen.layers.at("keepalive").measured ==
        "every 16 s; a flow that is silent for 8 s is kept, and after 16 s it is forgotten");
  CHECK(seen.layers.at("keepalive").next_step.find("server_alive_interval to 4s") != std::string::npos);
  CHECK(bedside.relay.log().find("Accepted publickey") == std::string::npos);
}

TEST_CASE("a daemon names the layer of an outage that lasts, once, and sends nothing for it") {
  Bedside bedside;
  bedside.establish();
  bedside.lab.set_device_link(false);
  CHECK(test::wait_until([&] { return bedside.subject.log().find("down for 1 min") != std::string::npos; }, 120s));
  const std::string log = bedside.subject.log();
  const auto told = log.find("down for");
  CHECK(log.substr(told, 120).find("the network interface is switched off") != std::string::npos);
  CHECK(log.find("down for", told + 1) == std::string::npos);
}
