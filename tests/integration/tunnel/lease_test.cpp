// The relay's side of a dead session: who ends it, who may not, and what is left of it.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scenario.hpp"
#include "support/delay_proxy.hpp"
#include "support/tcp_proxy.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast::test;

namespace {

/// The tunnel's session goes through `network`; a power cut is that frozen, and the program killed.
Tunnel through(const TcpProxy& network, Tunnel tunnel) {
  tunnel.set("port", std::to_string(network.port())).set("strict_host_key_checking", "accept-new").known_hosts = "";
  return tunnel;
}

std::size_t records(Sshd& relay) {
  const std::filesystem::path dir = relay.account().home() + "/.holdfast";
  std::error_code none_yet;
  const std::filesystem::directory_iterator all(dir, none_yet);
  return none_yet ? 0 : static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// The listener stands, and the script has written down whose it is.
bool wait_for_lease(const Holdfast& holdfast, Sshd& relay) {
  return holdfast.wait_for_up() && wait_until([&] { return records(relay) == 1; });
}

bool all_gone(const std::vector<pid_t>& processes) {
  return std::all_of(processes.begin(), processes.end(), [](pid_t pid) { return ::kill(pid, 0) != 0; });
}

/// What answers at the port.
std::string greeting(std::uint16_t port) {
  return Socket::connect_tcp("127.0.0.1", port).receive_until("\n");
}

}  // namespace

TEST_CASE("after a power cut the relay's stale listener is evicted, and nobody else's session is touched") {
  Sshd relay;  // with sshd's defaults: it would notice after two hours
  const TargetServer target(echo());
  const TargetServer others(greet_then_echo("other\n"));
  const std::uint16_t port = free_port();
  const std::uint16_t plain_port = free_port();
  const std::uint16_t neighbours_port = free_port();
  const Tunnel direct = Tunnel::to(relay).forward(to_local(port, target.port()));
  TcpProxy network(relay.port());
  Holdfast holdfast(through(network, direct));
  REQUIRE(wait_for_lease(holdfast, relay));
  const std::vector<pid_t> stale = relay.sessions();

  Process plain({relay.ssh_command({"-N", "-R", to_local(plain_port, others.port())})});
  const Holdfast neighbour(Tunnel::to(relay).forward(to_local(neighbours_port, others.port())));
  REQUIRE(neighbour.wait_for_up());
  REQUIRE(wait_until([&] { return is_listening(plain_port) && records(relay) == 2; }));

  network.freeze();
  holdfast.write_config({direct});
  const Stopwatch watch;
  holdfast.crash_and_start();
  REQUIRE(holdfast.wait_for_up());
  CHECK(watch.elapsed() <= 7000ms + slack);
  MESSAGE("a power cut was over after " << watch.elapsed().count() << " ms");
  CHECK(echoes(port));
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(wait_until([&] { return all_gone(stale); }));
  CHECK(wait_until([&] { return records(relay) == 2; }));

  CHECK(plain.running());
  CHECK(greeting(plain_port) == "other\n");
  CHECK(greeting(neighbours_port) == "other\n");
  CHECK(neighbour.tunnel()["attempt"] == 1);
}

TEST_CASE("a session that is no lease of ours keeps its port, and its end is noticed within seconds") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  std::optional<TargetServer> others;
  std::string cause;
  SUBCASE("its target speaks: held live") {
    others.emplace(greet_then_echo("other\n"));
    cause = "listener_held_live";
  }
  SUBCASE("its target waits for the caller: held live") {
    others.emplace(echo());
    cause = "listener_held_live";
  }
  SUBCASE("its target hangs: taken for stale, and spared all the same") {
    others.emplace(dead());
    cause = "listener_held_stale";
  }
  Process other({relay.ssh_command({"-N", "-R", to_local(port, others->port())})});
  REQUIRE(wait_until([&] { return is_listening(port); }));
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_failure(cause));
  CHECK(holds_for([&] { return other.running() && holdfast.cause() == cause; }, 3000ms));
  if (cause == "listener_held_stale") {
    const auto told = [&] { return holdfast.tunnel()["last_error"]["detail"].get<std::string>(); };
    CHECK(
        wait_until([&] { return told().find("the lease says: no record of it, and user id ") != std::string::npos; }));
  }
  CHECK(holdfast.state() == "requesting_forwards");
  CHECK(others->accepted() == 1);  // knocked once, not with each question

  other.kill();
  REQUIRE(holdfast.wait_for_up("relay", 3000ms + slack));
  CHECK(echoes(port));
  CHECK(holdfast.tunnel()["attempt"] == 1);
}

TEST_CASE("a device that is called the same is told, and never ends the other one's session") {
  Sshd relay;
  std::optional<DelayProxy> slow;
  std::optional<TargetServer> target;
  SUBCASE("whose target answers the knock") {
    target.emplace(greet_then_echo("here\n"));
  }
  SUBCASE("whose target waits for the caller") {
    target.emplace(echo());
  }
  SUBCASE("over a link that is slower than a knock waits") {
    target.emplace(greet_then_echo("here\n"));
    slow.emplace(relay.port(), 600ms);
  }
  Tunnel tunnel = Tunnel::to(relay).set("device_id", "site-17").forward(to_local(free_port(), target->port()));
  if (slow) {
    tunnel.set("port", std::to_string(slow->port())).set("strict_host_key_checking", "accept-new").known_hosts = "";
  }
  const Holdfast first(tunnel);
  REQUIRE(wait_for_lease(first, relay));
  const Holdfast second(tunnel);
  REQUIRE(second.wait_for_failure("listener_held_by_twin"));
  CHECK(second.tunnel()["forwards"][0]["holder"] == "site-17");
  CHECK(second.tunnel()["forwards"][0]["refusal"] == "held_by_twin");
  CHECK(second.says("delete /var/lib/holdfast/device_id or set device_id"));
  CHECK(holds_for([&] { return first.tunnel()["up"] == true; }, 3000ms));
  CHECK(first.tunnel()["attempt"] == 1);
}

TEST_CASE("a device that can't keep its runs ends what was there before it, and nothing that came later") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Tunnel tunnel = Tunnel::to(relay).set("device_id", "site-17").forward(to_local(port, target.port()));
  const std::map<std::string, std::string> forgetful{{"STATE_DIRECTORY", "/nonexistent"}};
  Holdfast first({tunnel}, forgetful);
  REQUIRE(wait_for_lease(first, relay));
  const std::vector<pid_t> before = relay.sessions();
  CHECK(holds_for([&] { return first.tunnel()["up"] == true; }, 2500ms));  // ages are told in seconds
  first.signal(SIGSTOP);
  const Holdfast second({tunnel}, forgetful);
  REQUIRE(second.wait_for_up());
  CHECK(wait_until([&] { return all_gone(before); }));
  first.signal(SIGCONT);
  REQUIRE(first.wait_for_failure("listener_held_by_twin"));
  CHECK(second.tunnel()["attempt"] == 1);
}

TEST_CASE("a device that could not keep its name at first still ends its own dead session, once it can") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Tunnel direct = Tunnel::to(relay).forward(to_local(port, target.port()));
  TcpProxy network(relay.port());
  const TempDir state;
  const std::string folder = state / "later";
  Holdfast holdfast({through(network, direct)}, {{"STATE_DIRECTORY", folder}});
  REQUIRE(wait_for_lease(holdfast, relay));
  CHECK(holds_for([&] { return holdfast.tunnel()["up"] == true; }, 2500ms));  // ages are told in seconds
  network.freeze();
  std::filesystem::create_directory(folder);
  holdfast.write_config({direct});
  holdfast.crash_and_start();
  REQUIRE(holdfast.wait_for_up());
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(echoes(port));
}

TEST_CASE("an account that runs no commands has a tunnel without a lease, and keepalives instead of heartbeats") {
  SshdOptions options;
  options.authorized_keys = {"command=\"echo not here\" " + public_key(client_key())};
  const std::string why = "the account runs no commands (not here)";
  Sshd relay(options);
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay)
                              .forward(to_local(port, target.port()))
                              .set("server_alive_interval", "1")
                              .set("server_alive_count_max", "2"));
  REQUIRE(holdfast.wait_for_up());
  CHECK_MESSAGE(wait_until([&] { return holdfast.log().find("no lease on the relay: " + why) != std::string::npos; }),
                holdfast.log());
  const auto received = holdfast.tunnel()["bytes_received"].get<std::uint64_t>();
  CHECK(holds_for([&] { return holdfast.tunnel()["up"] == true; }, 4500ms));
  CHECK(holdfast.tunnel()["bytes_received"].get<std::uint64_t>() >= received + std::uint64_t{3} * 28);
  CHECK_FALSE(holdfast.tunnel()["keepalive_rtt_seconds"].is_null());
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(echoes(port));
  CHECK(records(relay) == 0);
}

TEST_CASE("a port that the relay chooses is read although a lease is opened too") {
  Sshd relay;
  const TargetServer target(echo());
  for (int start = 0; start < 5; ++start) {
    const Holdfast holdfast(Tunnel::to(relay).forward(to_local(0, target.port())));
    REQUIRE(wait_for_lease(holdfast, relay));
    CHECK(holdfast.tunnel()["attempt"] == 1);
    CHECK(echoes(holdfast.tunnel()["forwards"][0]["bound_port"].get<std::uint16_t>()));
  }
}

TEST_CASE("a session that has no lease yet shows nothing of the lease of the one before it") {
  Sshd relay;
  relay.account().write("home/.holdfast", "");  // where a folder would be, so that nothing can be recorded
  const DelayProxy slow(relay.port(), 500ms);
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(0, 1));  // a lease is opened once the relay has chosen the port
  tunnel.set("port", std::to_string(slow.port())).set("strict_host_key_checking", "accept-new").known_hosts = "";
  const Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["lease"] == "the lease can't be recorded: denied"; }));
  REQUIRE(holdfast.command({"reconnect", "relay"}).status.code == 0);
  std::string shown;
  REQUIRE(holdfast.wait_for([&](const Json& now) {
    shown = now["lease"].is_string() ? now["lease"].get<std::string>() : "";
    return now["attempt"] == 2 && now["state"] == "requesting_forwards";
  }));
  CHECK(shown == "opening");
}

TEST_CASE("a device that never comes back leaves nothing: the relay's guard ends its session and itself") {
  Sshd relay;
  const std::uint16_t port = free_port();
  TcpProxy network(relay.port());
  Holdfast holdfast(through(network, Tunnel::to(relay)
                                         .forward(to_local(port, 1))
                                         .set("server_alive_interval", "1")
                                         .set("server_alive_count_max", "1")));
  REQUIRE(wait_for_lease(holdfast, relay));
  REQUIRE_FALSE(relay.commands().empty());
  const Stopwatch watch;
  network.freeze();
  holdfast.crash();
  CHECK(wait_until([&] { return !is_listening(port); }, 2000ms + slack));
  MESSAGE("a silence of 2 s was over after " << watch.elapsed().count() << " ms");
  CHECK(wait_until([&] { return relay.sessions().empty(); }));
  CHECK(wait_until([&] { return relay.commands().empty(); }));
  CHECK(records(relay) == 0);
}

TEST_CASE("an idle tunnel outlives many of the guard's periods") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay)
                              .forward(to_local(port, target.port()))
                              .set("server_alive_interval", "1")
                              .set("server_alive_count_max", "1"));
  REQUIRE(wait_for_lease(holdfast, relay));
  const std::vector<pid_t> session = relay.sessions();
  CHECK(holds_for([&] { return holdfast.tunnel()["up"] == true && records(relay) == 1; }, 11000ms));
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(relay.sessions() == session);
  CHECK_FALSE(relay.commands().empty());  // the guard still stands
  CHECK(echoes(port));
}

TEST_CASE("SIGTERM leaves no listener, no record and no process of the script") {
  Sshd relay;
  const std::uint16_t port = free_port();
  Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, 1)));
  REQUIRE(wait_for_lease(holdfast, relay));
  holdfast.signal(SIGTERM);
  REQUIRE(holdfast.wait() == success);
  CHECK_FALSE(is_listening(port));
  CHECK(wait_until([&] { return relay.commands().empty(); }));
  CHECK(wait_until([&] { return relay.sessions().empty(); }));
  CHECK(records(relay) == 0);
}

TEST_CASE("a reconnect hands the lease over: one record, one script") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(wait_for_lease(holdfast, relay));
  const std::vector<pid_t> before = relay.commands();
  REQUIRE(holdfast.command({"reconnect", "relay"}).status.code == 0);
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["attempt"] == 2 && now["up"] == true; }));
  CHECK(wait_until([&] { return all_gone(before); }));
  CHECK(wait_until([&] { return records(relay) == 1 && relay.sessions().size() == 2; }));
  CHECK(echoes(port));
}

TEST_CASE("a relay that gets another host key, shows both for a while and then only the new one, is known all along") {
  SshdOptions options;
  options.host_keys = {KeyType::rsa};
  Sshd relay(options);
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(free_port(), 1)).set("strict_host_key_checking", "accept-new");
  // Whoever seems to come from the relay itself is told no keys, and the others within ten heartbeats.
  tunnel.set("bind_address", "127.0.0.2").set("server_alive_interval", "1");
  std::optional<Holdfast> holdfast(tunnel);
  REQUIRE(holdfast->wait_for_up());
  relay.options().host_keys = {KeyType::rsa, KeyType::ed25519};
  relay.restart();
  holdfast->crash_and_start();  // it is asked once a day
  REQUIRE(holdfast->wait_for_up());
  const std::string file = holdfast->known_hosts_file();
  const auto line_of_new = "[127.0.0.1]:" + std::to_string(relay.port()) + " " + public_key(host_key(KeyType::ed25519));
  CHECK(wait_until([&] { return read_file(file).find(line_of_new + " learnt from the relay 2") != std::string::npos; },
                   20s));
  CHECK(read_file(file).starts_with(tunnel.known_hosts));
  relay.options().host_keys = {KeyType::ed25519};
  relay.restart();
  CHECK(holdfast->command({"reconnect", "relay"}).status.code == 0);
  CHECK(holdfast->wait_for(
      [](const Json& now) { return now["up"] == true && now["sessions_established"].get<int>() >= 2; }));
  CHECK(read_file(file).find(line_of_new) == read_file(file).rfind(line_of_new));
}

TEST_CASE("where the user says which host keys are good, no other is learnt") {
  SshdOptions options;
  options.host_keys = {KeyType::rsa, KeyType::ed25519};
  Sshd relay(options);
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(free_port(), 1));
  tunnel.known_hosts =
      "[127.0.0.1]:" + std::to_string(relay.port()) + " " + public_key(host_key(KeyType::ed25519)) + "\n";
  const Holdfast holdfast(tunnel);
  REQUIRE(wait_for_lease(holdfast, relay));
  CHECK(holds_for([&] { return read_file(holdfast.known_hosts_file()) == tunnel.known_hosts; }, 1000ms));
}

TEST_CASE("a listener that the relay puts on its loopback only is said to be there") {
  SshdOptions options;
  const TargetServer target(greet_then_echo("here\n"));
  const std::uint16_t port = free_port();
  const std::string words = "listens on loopback only (GatewayPorts)";
  const auto verified = [](const Json& now) {
    return now["forwards"][0]["proof"].is_object() && now["forwards"][0]["proof"]["result"] == "verified";
  };
  SUBCASE("GatewayPorts no, for any spelling of all addresses") {
    Sshd relay(options);
    std::string address;
    SUBCASE("*") {
      address = "*";
    }
    SUBCASE("0.0.0.0") {
      address = "0.0.0.0";
    }
    const Holdfast holdfast(Tunnel::to(relay).forward(address + ":" + to_local(port, target.port())));
    REQUIRE(holdfast.wait_for(verified));
    REQUIRE(holdfast.wait_for([](const Json& now) { return now["forwards"][0]["listens_on"] == "loopback_only"; }));
    CHECK(holdfast.status()["health"] == "warning");
    CHECK(holdfast.tunnel()["condition"].get<std::string>().find(words) != std::string::npos);
    CHECK(holdfast.says(words + " for "));
    const std::string shown = holdfast.command({"status"}).output;
    CHECK_MESSAGE(shown.find("verified on loopback ") != std::string::npos, shown);
  }
  SUBCASE("GatewayPorts clientspecified") {
    options.config = {"GatewayPorts clientspecified"};
    Sshd relay(options);
    const Holdfast holdfast(Tunnel::to(relay).forward("*:" + to_local(port, target.port())));
    REQUIRE(holdfast.wait_for(verified));
    REQUIRE(holdfast.wait_for([](const Json& now) { return now["forwards"][0]["listens_on"].is_string(); }));
    const std::string where = holdfast.tunnel()["forwards"][0]["listens_on"];
    CHECK((where == "as_asked" || where == "ipv4_only"));
    CHECK(holdfast.status()["health"] == "ok");
  }
  SUBCASE("without a lease nothing is claimed that was not seen") {
    Sshd relay(options);
    const Holdfast holdfast(Tunnel::to(relay).set("lease", "no").forward("*:" + to_local(port, target.port())));
    REQUIRE(holdfast.wait_for(verified));
    CHECK(holdfast.tunnel()["forwards"][0]["listens_on"].is_null());
    CHECK(holdfast.command({"status"}).output.find("verified on loopback ") != std::string::npos);
  }
}
