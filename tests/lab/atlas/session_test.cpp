// From the banner to the proof, and the keepalives.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "lab/atlas/atlas.hpp"
#include "support/net.hpp"
#include "support/targets.hpp"
#include "support/wait.hpp"

using namespace holdfast;
using namespace holdfast::lab;
using namespace std::chrono_literals;

namespace {

SiteOptions with(RelayOptions relay) {
  SiteOptions options;
  options.relay = std::move(relay);
  return options;
}

RelayOptions configured(std::vector<std::string> config) {
  RelayOptions relay;
  relay.config = std::move(config);
  return relay;
}

/// Something else than sshd at the relay's port.
struct Impostor {
  Impostor(Bedside& bedside, test::Conversation conversation) {
    bedside.relay.terminate();
    const InNetwork here(bedside.lab.relay());
    server.emplace(std::move(conversation), test::Listener::tcp_everywhere(Lab::ssh_port));
  }
  std::optional<test::TargetServer> server;
};

test::Conversation saying(std::string words) {
  return [words = std::move(words)](test::Socket& socket) {
    socket.receive();
    socket.send(words);
  };
}

test::Conversation silent() {
  return [](test::Socket& socket) { socket.receive_all(); };
}

/// A key pair beside the others of this test; the private one's path.
std::string new_key(const test::TempDir& dir, const std::string& name, const std::string& type = "ed25519") {
  test::run_checked({.argv = {"ssh-keygen", "-q", "-t", type, "-N", "", "-C", "", "-f", dir / name}});
  return dir / name;
}

std::string known_line(const std::string& private_key, const std::string& mark = "") {
  return mark + std::string(Lab::relay_name) + "," + Lab::relay_address + " " + test::read_file(private_key + ".pub");
}

bool mentions(const SeenLayer& layer, const std::string& text) {
  return layer.measured.find(text) != std::string::npos ||
         std::any_of(layer.evidence.begin(), layer.evidence.end(),
                     [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

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

TEST_CASE("a web server answers in the relay's place") {
  Bedside bedside;
  const Impostor portal(bedside, saying("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
  const Seen seen = bedside.examine();
  check_answer(seen, "captive_portal", 10s);
  CHECK(mentions(seen.layers.at("banner"), "HTTP/1.1 400 Bad Request"));
  CHECK(seen.layers.at("authentication").result == "skip");
}

TEST_CASE("something that speaks TLS answers in the relay's place") {
  Bedside bedside;
  const Impostor proxy(bedside, saying(std::string("\x15\x03\x01\x00\x02\x02\x46", 7)));
  const Seen seen = bedside.examine();
  check_answer(seen, "protocol_mismatch", 10s);
  CHECK(mentions(seen.layers.at("banner"), "TLS"));
}

TEST_CASE("who answers says nothing") {
  Bedside bedside;
  const Impostor hole(bedside, silent());
  check_answer(bedside.examine(), "no_banner", 15s);
}

TEST_CASE("the relay speaks SSH 1 only") {
  Bedside bedside;
  const Impostor old(bedside, saying("SSH-1.5-OpenSSH_2.1\r\n"));
  check_answer(bedside.examine(), "relay_too_old", 15s);
}

TEST_CASE("the relay stalls behind its banner") {
  Bedside bedside;
  const Impostor stalled(bedside, [](test::Socket& socket) {
    socket.send("SSH-2.0-OpenSSH_9.2p1\r\n");
    socket.receive_all();
  });
  const Seen seen = bedside.examine();
  check_answer(seen, "phase_timed_out", 20s);
  CHECK(seen.answer == "key_exchange");
}

TEST_CASE("the relay takes nobody more (MaxStartups)") {
  Bedside bedside(with(configured({"MaxStartups 1"})));
  const InNetwork here(bedside.lab.relay());
  const test::Socket first = test::Socket::connect_tcp(Lab::relay_address, Lab::ssh_port);
  const Seen seen = bedside.examine();
  check_answer(seen, "relay_penalty", 10s);
  CHECK(seen.layers.at("banner").next_step.find("MaxStartups") != std::string::npos);
}

TEST_CASE("the relay takes nobody from this address for now (PerSourcePenalties)") {
  Bedside bedside;
  const Impostor penalty(bedside, saying("Not allowed at this time\r\n"));
  const Seen seen = bedside.examine();
  check_answer(seen, "relay_penalty", 10s);
  CHECK(seen.answer == "banner");
  CHECK(seen.layers.at("banner").next_step.find("PerSourcePenalties") != std::string::npos);
}

TEST_CASE("no key exchange is common") {
  Bedside bedside(with(configured({"KexAlgorithms curve25519-sha256"})));
  bedside.subject.settings().more = {"kex_algorithms: diffie-hellman-group18-sha512"};
  const Seen seen = bedside.examine();
  check_answer(seen, "no_common_algorithm", 10s);
  CHECK(mentions(seen.layers.at("key_exchange"), "the relay offers curve25519-sha256"));
  CHECK(mentions(seen.layers.at("key_exchange"), "we offer diffie-hellman-group18-sha512"));
}

TEST_CASE("the relay's host key is not the known one") {
  Bedside bedside;
  const test::TempDir dir;
  std::string cause;
  SUBCASE("nothing is known") {
    test::write_file(bedside.relay.known_hosts(), "");
    cause = "host_key_unknown";
  }
  SUBCASE("another one is") {
    test::write_file(bedside.relay.known_hosts(), known_line(new_key(dir, "other")));
    cause = "host_key_changed";
  }
  SUBCASE("it is revoked") {
    const std::string known = test::read_file(bedside.relay.known_hosts());
    test::write_file(bedside.relay.known_hosts(), "@revoked " + known);
    cause = "host_key_revoked";
  }
  SUBCASE("only one of another type is known") {
    test::write_file(bedside.relay.known_hosts(), known_line(new_key(dir, "other", "ecdsa")));
    cause = "host_key_of_another_type";
  }
  SUBCASE("another one is pinned") {
    bedside.subject.settings().more = {"host_key_fingerprint: SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"};
    cause = "host_key_not_pinned";
  }
  const Seen seen = bedside.examine();
  check_answer(seen, cause, 10s);
  CHECK(mentions(seen.layers.at("host_key"), "SHA256:"));
  CHECK(mentions(seen.layers.at("host_key"), std::string("connected to ") + Lab::relay_address));
  if (cause != "host_key_not_pinned") CHECK(mentions(seen.layers.at("host_key"), bedside.relay.known_hosts()));
}

TEST_CASE("the login is refused") {
  const test::TempDir dir;
  RelayOptions relay;
  std::string user;
  std::string identity;
  SUBCASE("no such user") {
    user = "nobody-there";
  }
  SUBCASE("a key that the account does not know") {
    identity = new_key(dir, "stranger");
  }
  SUBCASE("a key that may come from elsewhere only") {
    relay.key_options = "from=\"192.0.2.99\"";
  }
  SUBCASE("an account that may not") {
    relay.config = {"DenyUsers tunnel"};
  }
  Bedside bedside(with(relay));
  if (!user.empty()) bedside.subject.settings().user = user;
  if (!identity.empty()) bedside.subject.settings().identity = identity;
  const Seen seen = bedside.examine();
  check_answer(seen, "authentication_refused", 10s);
  CHECK(mentions(seen.layers.at("authentication"), "SHA256:"));
  CHECK(mentions(seen.layers.at("authentication"), "offers publickey"));
  CHECK(mentions(seen.layers.at("authentication"), user.empty() ? "tunnel" : user));
}

TEST_CASE("the relay takes passwords only, and says why") {
  const test::TempDir dir;
  test::write_file(dir / "banner", "Keys are \x1b[31mnot\x1b[0m taken here\nAsk Bob\n", 0644);
  Bedside bedside(
      with(configured({"PubkeyAuthentication no", "PasswordAuthentication yes", "Banner " + (dir / "banner")})));
  const Seen seen = bedside.examine();
  check_answer(seen, "login_method_missing", 10s);
  CHECK(mentions(seen.layers.at("authentication"), "offers password"));
  CHECK(mentions(seen.layers.at("authentication"), "the relay says: Keys are ?[31mnot?[0m taken here"));
  CHECK(mentions(seen.layers.at("authentication"), "the relay says: Ask Bob"));
}

TEST_CASE("the relay takes the key, and asks for a password too") {
  Bedside bedside(with(configured({"PasswordAuthentication yes", "AuthenticationMethods publickey,password"})));
  const Seen seen = bedside.examine();
  check_answer(seen, "authentication_refused", 10s);
  CHECK(mentions(seen.layers.at("authentication"), "the relay offers password after a partial success"));
  CHECK(seen.layers.at("authentication").next_step.find("AuthenticationMethods") != std::string::npos);
}

TEST_CASE("the account has expired") {
  Bedside bedside;
  bedside.lab.relay().run({"sed", "-i", "s/^tunnel:.*/tunnel:*:1:::::2:/", "/etc/shadow"});
  const Seen seen = bedside.examine();
  check_answer(seen, "authentication_refused", 10s);
  CHECK(bedside.relay.log().find("has expired") != std::string::npos);
  CHECK(seen.layers.at("authentication").next_step.find("the account and the relay's log") != std::string::npos);
}

TEST_CASE("the certificate has expired") {
  const test::TempDir dir;
  const std::string authority = new_key(dir, "authority");
  const std::string key = new_key(dir, "key");
  test::run_checked(
      {.argv = {"ssh-keygen", "-q", "-s", authority, "-I", "device", "-n", "tunnel", "-V", "-2d:-1d", key + ".pub"}});
  Bedside bedside(with(configured({"TrustedUserCAKeys " + authority + ".pub"})));
  bedside.subject.settings().identity = key;
  const Seen seen = bedside.examine();
  check_answer(seen, "certificate_expired", 10s);
  CHECK(mentions(seen.layers.at("authentication"), "has expired"));
}

TEST_CASE("there is no key that can be used") {
  Bedside bedside;
  const test::TempDir dir;
  const std::string key = dir / "key";
  test::run_checked({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key}});
  bedside.subject.settings().identity = key;
  std::string cause;
  SUBCASE("the file needs a passphrase") {
    cause = "identity_unusable";
  }
  SUBCASE("nor is there an agent") {
    bedside.subject.settings().more = {"identity_agent: /nowhere/agent"};
    cause = "agent_unusable";
  }
  check_answer(bedside.examine(), cause, 10s);
}

TEST_CASE("there is an agent, and it gives no signature") {
  Bedside bedside;
  const test::TempDir dir;
  const test::Process agent({.argv = {"ssh-agent", "-D", "-a", dir / "agent"}});
  REQUIRE(test::wait_until([&] { return std::filesystem::exists(dir / "agent"); }));
  test::write_file(dir / "ask", "#!/bin/sh\necho secret\n", 0700);
  const auto add = [&](std::vector<std::string> argv, const std::string& ask = "/bin/false") {
    argv.insert(argv.begin(), "ssh-add");
    test::run_checked(
        {.argv = std::move(argv),
         .env = {{"SSH_AUTH_SOCK", dir / "agent"}, {"SSH_ASKPASS", ask}, {"SSH_ASKPASS_REQUIRE", "force"}}});
  };
  std::string words;
  SUBCASE("it is locked") {
    add({"-q", bedside.relay.identity()});
    add({"-x"}, dir / "ask");
    words = "it holds none, or is locked";
  }
  SUBCASE("it holds no key") {
    words = "it holds none, or is locked";
  }
  SUBCASE("somebody has to confirm, and nobody is there") {
    add({"-q", "-c", bedside.relay.identity()});
    words = "it refuses to sign";
  }
  const std::string encrypted = dir / "key";
  test::run_checked({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", encrypted}});
  bedside.subject.settings().identity = encrypted;
  bedside.subject.settings().more = {"identity_agent: " + (dir / "agent")};
  const Seen seen = bedside.examine();
  INFO(seen.text);
  check_answer(seen, "agent_unusable", 10s);
  CHECK(mentions(seen.layers.at("authentication"), words));
  CHECK(seen.layers.at("authentication").next_step.find("unlocked") != std::string::npos);
}

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
  SUBCASE("and is silent, as a look without a daemon finds") {
    conversation = silent();
    cause = "listener_held_stale";
  }
  SUBCASE("and is silent, as the daemon was told") {
    conversation = silent();
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
