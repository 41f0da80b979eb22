#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sysexits.h>

#include <filesystem>

#include "scenario.hpp"
#include "support/account.hpp"
#include "support/http_unix.hpp"
#include "support/keys.hpp"

using namespace holdfast::test;

namespace {

bool answers(const std::string& socket) {
  try {
    return http_request(socket, "GET", "/healthz").status == 200;
  } catch (const std::exception&) {
    return false;
  }
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A device with tunnels "a" and "b" to one relay, and as many processes as a test likes.
struct Device {
  Device() {
    std::filesystem::create_directory(state);
    write_file(state / "known_hosts", relay.known_hosts());
    configure({"a", "b"});
  }

  void configure(const std::vector<std::string>& tunnels) const {
    std::string text = "status_socket: " + socket() + "\ntunnels:\n";
    for (const std::string& name : tunnels) {
      text += "  " + name + ": {host_name: " + relay.host() + ", port: " + std::to_string(relay.port()) +
              ", user: " + relay.user() + ", identity_file: " + client_key() +
              ", user_known_hosts_file: " + (state / "known_hosts").string() +
              ", remote_forward: '0:127.0.0.1:" + std::to_string(target.port()) + "'}\n";
    }
    write_file(config, text);
  }

  Command run_only(const std::string& tunnel) const {
    return {{holdfast_binary(), "run", "-c", config, "--only", tunnel}, {{"STATE_DIRECTORY", state.string()}}};
  }
  Command run_all() const { return {{holdfast_binary(), "run", "-c", config}, {{"STATE_DIRECTORY", state.string()}}}; }
  Finished ask(std::vector<std::string> command) const {
    command.insert(command.begin(), holdfast_binary());
    command.insert(command.end(), {"-c", config});
    return run({command});
  }
  /// Of the process that holds only this tunnel.
  Json status(const std::string& tunnel) const {
    return Json::parse(http_request(socket(tunnel), "GET", "/v1/status").body);
  }
  bool up(const std::string& tunnel) const { return status(tunnel)["tunnels"][0]["up"] == true; }

  std::string socket() const { return dir / "status.sock"; }
  std::string socket(const std::string& tunnel) const { return dir.path() / "only" / tunnel / "status.sock"; }

  const Sshd relay;
  const TargetServer target{echo()};
  const TempDir dir;
  const std::filesystem::path state = dir.path() / "state";
  const std::string config = dir / "holdfast.yaml";
};

/// Both tunnels, each in a process of its own.
struct Apart : Device {
  Apart() {
    for (const char* const tunnel : {"a", "b"}) {
      REQUIRE(wait_until([&] { return answers(socket(tunnel)); }));
      REQUIRE(wait_until([&] { return up(tunnel); }, 20s));
    }
  }
  ~Apart() {
    for (Process* process : {&a, &b}) {
      process->signal(SIGTERM);
      CHECK(process->wait(20s) == success);
    }
  }

  Process a{run_only("a")};
  Process b{run_only("b")};
};

}  // namespace

TEST_CASE("two processes hold a tunnel each, of one device with one known_hosts") {
  const Apart device;
  for (const std::string tunnel : {"a", "b"}) {
    const Json document = device.status(tunnel);
    REQUIRE(document["tunnels"].size() == 1);
    CHECK(document["tunnels"][0]["name"] == tunnel);
    CHECK(std::filesystem::is_directory(device.state / "only" / tunnel));
  }
  CHECK(read_file(device.state / "known_hosts") == device.relay.known_hosts());
  CHECK(std::distance(std::filesystem::directory_iterator(device.state), {}) == 3);  // known_hosts, device_id and only
}

TEST_CASE("each process of one tunnel is asked by the tunnel's name") {
  const Apart device;
  CHECK(contains(device.ask({"status", "--only", "b"}).output, "1 of 1 tunnel up"));
  CHECK(device.ask({"health", "--only", "a"}).status.code == 0);
  CHECK(device.ask({"reload", "--only", "a"}).status.code == 0);
  const Finished of_all = device.ask({"status"});
  CHECK(of_all.status.code == 1);
  CHECK(contains(of_all.errors, "a process of one tunnel has: --only "));
  CHECK(contains(of_all.errors, "--only b"));
  const Finished of_none = device.ask({"status", "--only", "c"});
  CHECK(of_none.status.code == 1);
  CHECK(contains(of_none.errors, "c/status.sock"));
  CHECK(contains(of_none.errors, "(holdfast@c)"));

  CHECK(device.ask({"reconnect", "b"}).status.code == 0);
  CHECK(wait_until([&] { return device.status("b")["tunnels"][0]["sessions_established"] == 2; }, 20s));
  CHECK(device.status("a")["tunnels"][0]["sessions_established"] == 1);
}

TEST_CASE("a tunnel has one process: who would hold it, too, does not start") {
  SUBCASE("beside those of one tunnel") {
    const Apart device;
    for (const Command& command : {device.run_all(), device.run_only("a")}) {
      const Finished second = run(command);
      CHECK(second.status.code == 1);
      CHECK(contains(second.errors, "and has " + device.socket("a")));
    }
  }
  SUBCASE("beside that of all") {
    const Device device;
    Process all{device.run_all()};
    REQUIRE(wait_until([&] { return answers(device.socket()); }));
    const Finished second = run(device.run_only("a"));
    CHECK(second.status.code == 1);
    CHECK(contains(second.errors, "and has " + device.socket()));
    CHECK(device.ask({"reconnect", "a"}).status.code == 0);
    all.signal(SIGTERM);
    CHECK(all.wait(20s) == success);
  }
}

TEST_CASE("a process that hangs is one still: nobody takes its tunnel") {
  const Device device;
  Process all{device.run_all()};
  REQUIRE(wait_until([&] { return answers(device.socket()); }));
  all.signal(SIGSTOP);
  CHECK(run(device.run_only("a")).status.code == 1);
  all.signal(SIGCONT);
  all.signal(SIGTERM);
  CHECK(all.wait(20s) == success);
}

TEST_CASE("what a process learns of its relay all others know, before and after") {
  const Device device;
  std::filesystem::remove(device.state / "known_hosts");
  const auto hold = [&](const Command& command, const std::string& socket) {
    Process process{command};
    REQUIRE(wait_until([&] { return answers(socket); }));
    const auto status = [&] { return Json::parse(http_request(socket, "GET", "/v1/status").body); };
    CHECK(wait_until([&] { return status()["tunnels"][0]["up"] == true; }, 20s));
    const auto bytes = status()["tunnels"][0]["data"]["bytes_this_month"].get<std::uint64_t>();
    process.signal(SIGTERM);
    CHECK(process.wait(20s) == success);
    return bytes;
  };
  const auto first = hold(device.run_only("a"), device.socket("a"));
  const std::string known = read_file(device.state / "known_hosts");
  CHECK_FALSE(known.empty());
  const auto second = hold(device.run_all(), device.socket());
  CHECK(second > first);
  CHECK(hold(device.run_only("a"), device.socket("a")) > second);
  CHECK(read_file(device.state / "known_hosts") == known);
}

TEST_CASE("a process of one tunnel wants that tunnel in the configuration, and all of it good") {
  const Device device;
  const Finished unknown = run(device.run_only("c"));
  CHECK(unknown.status.code == EX_CONFIG);
  CHECK(contains(unknown.errors, "tunnels: there is no 'c', which --only names; there are: a, b"));
  CHECK(run({{holdfast_binary(), "run", "-c", device.config, "--only", ""}}).status.code == 2);

  const Apart apart;
  apart.configure({"a"});
  const Finished reload = apart.ask({"reload", "--only", "b"});
  CHECK(reload.status.code == 1);
  CHECK(contains(reload.errors, "there is no 'b', which --only names; there are: a"));
  CHECK(apart.up("b"));
  CHECK(apart.ask({"reload", "--only", "a"}).status.code == 0);
  CHECK(apart.up("a"));
  write_file(apart.config, read_file(apart.config) + "  bad: {}\n");
  CHECK(apart.ask({"reload", "--only", "a"}).status.code == 1);
}

TEST_CASE("who runs as the same user can't look into a running holdfast") {
  if (sanitized) {
    MESSAGE("a leak check has to look into itself");
    return;
  }
  const Account account;
  const std::string program = account.write("holdfast", read_file(holdfast_binary()), 0700);
  const std::string socket = account.dir() / "status.sock";
  const std::string config = account.write("holdfast.yaml", "status_socket: " + socket + R"(
tunnels:
  relay:
    host_name: 127.0.0.1
    port: 1
    user: nobody
    identity_agent: /nonexistent/agent
    remote_forward: 4649:localhost:22
)");
  Command command = account.command({program, "run", "-c", config});
  command.env["STATE_DIRECTORY"] = account.dir().path();
  Process holdfast(command);
  REQUIRE(wait_until([&] { return answers(socket); }));
  struct stat environment {};
  REQUIRE(::stat(("/proc/" + std::to_string(holdfast.pid()) + "/environ").c_str(), &environment) == 0);
  CHECK(environment.st_uid == 0);  // the kernel gives to root what is not to be dumped
}
