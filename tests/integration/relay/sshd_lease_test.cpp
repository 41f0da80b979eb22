// The script below a real OpenSSH server, started by real clients.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>

#include "lease_fixture.hpp"
#include "relay/lease_protocol.hpp"
#include "relay/script.hpp"
#include "support/keys.hpp"
#include "support/net.hpp"
#include "support/skip.hpp"
#include "support/sshd.hpp"
#include "support/wait.hpp"

using namespace holdfast;
using namespace holdfast::test;
namespace fs = std::filesystem;

namespace {

std::string unique_marker() {
  static std::atomic<int> count{0};
  return "HOLDFAST_TEST_RELAY=" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

class Relay {
 public:
  explicit Relay(std::optional<std::vector<std::string>> authorized_keys = {}, const std::string& config = "")
      : marker_(unique_marker()),
        sshd({.config = {"SetEnv " + marker_, config}, .authorized_keys = std::move(authorized_keys)}) {}

  /// A client that asks for these options and runs the script as holdfast does.
  Conversation session(std::vector<std::string> options = {}) const {
    return run(std::move(options), relay::exec_command(true));
  }
  Conversation holder(std::uint16_t port) const {
    return session({"-o", "ExitOnForwardFailure=yes", "-R", std::to_string(port) + ":127.0.0.1:9"});
  }
  Conversation run(std::vector<std::string> options, const std::string& command) const {
    options.insert(options.begin(), "-T");
    return Conversation(Command{sshd.ssh_command(options, command)});
  }
  std::vector<pid_t> processes() const { return processes_with(marker_); }
  std::string records() { return sshd.account().home() + "/.holdfast"; }

 private:
  std::string marker_;

 public:
  Sshd sshd;
};

void greet(Conversation& session, const std::string& hello = "hello 1 60 device") {
  const std::string answer = session.ask(hello);
  REQUIRE_MESSAGE(answer.starts_with("holdfast 1 "), answer);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("a frozen client's listener is evicted from a real sshd, and the next one gets the port") {
  Relay relay;
  const std::uint16_t port = free_port();
  const std::string listener = "localhost " + std::to_string(port);
  Conversation stale = relay.holder(port);
  greet(stale);
  REQUIRE(stale.ask("hold " + listener) == "held");
  REQUIRE(is_listening(port));
  stale.process().signal(SIGSTOP);

  Conversation next = relay.session();
  greet(next);
  const auto start = std::chrono::steady_clock::now();
  CHECK(next.ask("evict " + listener) == "free");
  std::cerr << "a real sshd: evicted after " << seconds_since(start) << " s\n";
  CHECK_FALSE(is_listening(port));
  Conversation successor = relay.holder(port);
  greet(successor);
  CHECK(successor.ask("hold " + listener) == "held");
  CHECK(is_listening(port));
  CHECK(next.ask("").empty());
}

TEST_CASE("a session of the same account without a lease is told by its uid and left alone") {
  Relay relay;
  const std::uint16_t port = free_port();
  Conversation old = relay.run({"-N", "-R", std::to_string(port) + ":127.0.0.1:9"}, "");
  REQUIRE(wait_until([&] { return is_listening(port); }));
  Conversation next = relay.session();
  greet(next);
  CHECK(next.ask("evict localhost " + std::to_string(port)) ==
        "unknown " + std::to_string(::geteuid() == 0 ? 64022 : ::geteuid()));
  CHECK(is_listening(port));
}

TEST_CASE("a frozen client's listener is let go by the relay itself") {
  Relay relay;
  const std::uint16_t port = free_port();
  Conversation session = relay.holder(port);
  greet(session, "hello 1 2 device");
  REQUIRE(session.ask("hold localhost " + std::to_string(port)) == "held");
  const auto start = std::chrono::steady_clock::now();
  session.process().signal(SIGSTOP);
  CHECK(wait_until([&] { return !is_listening(port); }));
  std::cerr << "a real sshd: a silence of 2 s was over after " << seconds_since(start) << " s\n";
  CHECK(wait_until([&] { return relay.processes().empty(); }));
  CHECK(fs::is_empty(relay.records()));
}

TEST_CASE("neither a client's end nor sshd's leaves anything behind") {
  Relay relay;
  {
    Conversation session = relay.session();
    greet(session);
    REQUIRE(session.ask("hold localhost 4649") == "held");
    REQUIRE_FALSE(relay.processes().empty());
    session.hang_up();
    CHECK(session.ended());
  }
  CHECK(wait_until([&] { return relay.processes().empty(); }));
  CHECK(fs::is_empty(relay.records()));
  Conversation session = relay.session();
  greet(session);
  REQUIRE(session.ask("hold localhost 4649") == "held");
  relay.sshd.stop();
  CHECK(wait_until([&] { return relay.processes().empty(); }));
}

TEST_CASE("any login shell hands the script on") {
  Relay relay;
  for (const std::string shell : {"/bin/dash", "/bin/bash", "/usr/bin/zsh", "/usr/bin/tcsh", "/usr/bin/bsd-csh",
                                  "/usr/bin/fish", "/usr/bin/mksh"}) {
    CAPTURE(shell);
    if (!fs::exists(shell)) {
      skipped(shell + " is not installed");
      continue;
    }
    relay.sshd.account().set_shell(shell);
    Conversation session = relay.session();
    greet(session);
    CHECK(session.ask("hold localhost 4649") == "held");
    CHECK(session.ask("evict localhost 4649") == "own");
    CHECK(session.ask("drop localhost 4649") == "dropped");
    CHECK(session.ask("$(id)") == "error");
  }
}

TEST_CASE("a login shell's noise comes before the greeting and is skipped") {
  Relay relay;
  relay.sshd.account().set_shell("/bin/bash");
  relay.sshd.account().write("home/.bashrc", "echo Welcome; echo held; echo oops >&2\n", 0644);
  Conversation session = relay.session();
  CHECK(session.ask("hello 1 60 device") == "Welcome");
  relay::AnswerStream stream;
  CHECK(stream.feed(session.line() + "\n").empty());
  const auto answers = stream.feed(session.line() + "\n");
  REQUIRE(answers.size() == 1);
  CHECK(std::holds_alternative<relay::answer::Greeting>(answers.front()));
}

TEST_CASE("an account without a shell ends the channel without a greeting") {
  Relay relay;
  for (const std::string shell : {"/usr/sbin/nologin", "/bin/false"}) {
    CAPTURE(shell);
    relay.sshd.account().set_shell(shell);
    Conversation session = relay.session();
    relay::AnswerStream stream;
    std::string seen;
    for (std::string line = session.ask("hello 1 60 device"); !line.ends_with("(end)"); line = session.line()) {
      CHECK(stream.feed(line + "\n").empty());
      seen += line + "|";
    }
    REQUIRE(session.ended());
    std::cerr << shell << ": \"" << seen << "\", exit " << session.process().wait()->code << "\n";
  }
}

TEST_CASE("another forced command answers without a greeting") {
  for (const std::string command : {"cat", "true", "echo held"}) {
    CAPTURE(command);
    Relay relay(std::vector<std::string>{"command=\"" + command + "\" " + public_key(client_key())});
    Conversation session = relay.session();
    relay::AnswerStream stream;
    session.send("hello 1 60 device\n");
    session.finish_sending();
    for (std::string line = session.line(); !line.ends_with("(end)"); line = session.line()) {
      CHECK(stream.feed(line + "\n").empty());
    }
  }
}

TEST_CASE("where sshd tells which key logged in, a session is evicted only by its own") {
  Relay relay({}, "ExposeAuthInfo yes");
  const std::uint16_t port = free_port();
  const std::string evict = "evict localhost " + std::to_string(port);
  Conversation stale = relay.holder(port);
  greet(stale);
  REQUIRE(stale.ask("hold localhost " + std::to_string(port)) == "held");
  Conversation stranger = relay.session({"-i", client_key(KeyType::ecdsa), "-o", "IdentitiesOnly=yes"});
  greet(stranger);
  CHECK(stranger.ask(evict).starts_with("other device "));
  Conversation next = relay.session();
  greet(next);
  CHECK(next.ask(evict) == "free");
}

TEST_CASE("the installed script as a forced command serves a key that may do nothing else") {
  std::string line;
  std::istringstream example(read_file(ETC_RELAY "/authorized_keys"));
  while (std::getline(example, line) && (line.empty() || line.front() == '#')) {
  }
  const auto replace = [&line](const std::string& what, const std::string& with) {
    const auto at = line.find(what);
    REQUIRE_MESSAGE(at != std::string::npos, what);
    line.replace(at, what.size(), with);
  };
  const TempDir dir;
  fs::permissions(dir.path(), fs::perms(0755));
  write_file(dir / "relay-script", relay::script(), 0644);
  const std::uint16_t port = free_port();
  replace("/usr/local/lib/holdfast/relay-script", dir / "relay-script");
  replace("4649", std::to_string(port));
  replace("4649", std::to_string(port));
  replace("ssh-ed25519 AAAA...", public_key(client_key()));

  const std::string other_key = client_key(KeyType::ecdsa);
  Relay relay(std::vector<std::string>{line, public_key(other_key)});
  Conversation stale = relay.holder(port);
  greet(stale);
  REQUIRE(stale.ask("hold localhost " + std::to_string(port)) == "held");
  stale.process().signal(SIGSTOP);
  Conversation next = relay.run({}, "anything at all");
  greet(next);
  CHECK(next.ask("evict localhost " + std::to_string(port)) == "free");
  Conversation elsewhere = relay.holder(free_port());
  CHECK(elsewhere.line() == "(end)");

  const std::string inside = "127.0.0.1:" + std::to_string(relay.sshd.port());
  Conversation free_to_look = relay.run({"-i", other_key, "-o", "IdentitiesOnly=yes", "-W", inside}, "");
  CHECK(free_to_look.line().starts_with("SSH-2.0-"));
  Conversation look = relay.run({"-W", inside}, "");
  CHECK(look.line() == "(end)");
}

TEST_CASE("permitlisten is about ports; AllowStreamLocalForwarding no keeps a key from making Unix sockets") {
  const std::string line = "restrict,port-forwarding,permitlisten=\"localhost:1\",command=\"echo in\" ";
  for (const bool allowed : {true, false}) {
    CAPTURE(allowed);
    Relay relay(std::vector<std::string>{line + public_key(client_key())},
                allowed ? "" : "AllowStreamLocalForwarding no");
    const std::string path = relay.sshd.account().home() + "/socket";
    Conversation session = relay.run({"-o", "ExitOnForwardFailure=yes", "-R", path + ":127.0.0.1:9"}, "");
    CHECK(session.line() == (allowed ? "in" : "(end)"));
    CHECK(fs::exists(path) == allowed);
  }
}

TEST_CASE("a revoked key gets no new session, and the one that it has lives until somebody ends it") {
  const TempDir dir;
  fs::permissions(dir.path(), fs::perms(0755));
  write_file(dir / "revoked", "", 0644);
  Relay relay({}, "RevokedKeys " + dir / "revoked");
  const std::uint16_t port = free_port();
  Conversation stolen = relay.holder(port);
  greet(stolen);
  write_file(dir / "revoked", public_key(client_key()) + "\n", 0644);

  Conversation again = relay.session();
  CHECK(again.line() == "(end)");
  Conversation other = relay.session({"-i", client_key(KeyType::ecdsa), "-o", "IdentitiesOnly=yes"});
  greet(other);
  CHECK(stolen.ask("").empty());
  CHECK(is_listening(port));
  for (const pid_t session : relay.sshd.sessions()) ::kill(session, SIGTERM);
  CHECK(wait_until([&] { return !is_listening(port); }));
}

TEST_CASE("sshd takes the drop-in") {
  const Account account;  // root's own sshd would want /run/sshd
  const std::string key = account.write("host_key", read_file(host_key(KeyType::ed25519)));
  const std::string drop_in = account.write("holdfast.conf", read_file(ETC_RELAY "/sshd_config.d/holdfast.conf"));
  const std::string config = account.write("config", "HostKey " + key + "\nInclude " + drop_in + "\n");
  const auto effective = [&](const std::string& user) {
    return run_checked(
        account.command({"/usr/sbin/sshd", "-T", "-f", config, "-C", "user=" + user + ",host=h,addr=127.0.0.1"}));
  };
  CHECK(effective("tunnel").find("clientaliveinterval 15\n") != std::string::npos);
  CHECK(effective("somebody").find("clientaliveinterval 0\n") != std::string::npos);
}
