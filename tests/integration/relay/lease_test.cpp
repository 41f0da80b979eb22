// The script under an sshd that is none: what it says, what it records, whom it ends, and that it leaves nothing.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <iostream>

#include "lease_fixture.hpp"
#include "support/net.hpp"
#include "support/skip.hpp"
#include "support/wait.hpp"

using namespace holdfast::test;

namespace {

const std::string hello = "hello 1 60 device";

pid_t greeted(Conversation& session, const std::string& line = hello) {
  const std::string answer = session.ask(line);
  REQUIRE_MESSAGE(answer.starts_with("holdfast 1 "), answer);
  return std::stoi(answer.substr(11));
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("the script finds the sshd that it runs under, whatever shells stand between") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation direct = relay.session();
    CHECK(greeted(direct) == direct.process().pid());
    Conversation below =
        relay.session({.below = {"sh", "-c", "\"$@\"; true", "sh", "bash", "-c", "\"$@\"; true", "bash"}});
    CHECK(greeted(below) == below.process().pid());
    Conversation newer = relay.session({.name = "sshd-session"});
    CHECK(greeted(newer) == newer.process().pid());
  });
}

TEST_CASE("a process that is only named much like an sshd is none") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    for (const std::string name :
         {"sshd2", "xsshd", "sshd-sessio", "sshd) S 1", "(sshd)", "sshd ", "ssh", "sshd\n", ") ("}) {
      CAPTURE(name);
      Conversation session = relay.session({.name = name});
      CHECK(session.ask(hello) == "unsupported no_sshd");
      CHECK(session.ended());
    }
    Conversation orphan = relay.script();
    CHECK(orphan.ask(hello) == "unsupported no_sshd");
    CHECK(orphan.ended());
    CHECK(wait_until([&] { return relay.processes().empty(); }));
  });
}

TEST_CASE("an empty line is echoed by an empty line") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation session = relay.session();
    greeted(session);
    for (int i = 0; i < 5; ++i) CHECK(session.ask("").empty());
  });
}

TEST_CASE("lines that come at once are answered in their order") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation session = relay.session();
    session.send(hello + "\nhold localhost 99999\n\nhold ::1 22\nnonsense\nevict localhost 99999\ndrop ::1 22\n");
    CHECK(session.line().starts_with("holdfast 1 "));
    for (const std::string expected : {"held", "", "held", "error", "own", "dropped"})
      CHECK(session.line() == expected);
  });
}

TEST_CASE("a held listener is recorded for this account's eyes only, and dropped again") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation session = relay.session();
    const pid_t pid = greeted(session);
    CHECK(session.ask("hold localhost 99999") == "held");
    CHECK(session.ask("hold * 80") == "held");
    const std::string name = "99999@localhost@" + std::to_string(pid);
    CHECK(relay.records() == std::vector<std::string>{"80@*@" + std::to_string(pid), name});
    CHECK(read_file(relay.records_dir() + "/" + name) == FakeRelay::record(pid, "device"));
    using std::filesystem::perms;
    CHECK(std::filesystem::status(relay.records_dir()).permissions() == perms::owner_all);
    CHECK(std::filesystem::status(relay.records_dir() + "/" + name).permissions() ==
          (perms::owner_read | perms::owner_write));
    CHECK(session.ask("drop localhost 99999") == "dropped");
    CHECK(relay.records().size() == 1);
    CHECK(session.ask("drop localhost 99999") == "dropped");
  });
}

TEST_CASE("when the channel closes, neither a record nor a process is left") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    {
      Conversation session = relay.session();
      greeted(session);
      REQUIRE(session.ask("hold localhost 99999") == "held");
      session.hang_up();
      CHECK(session.ended());
    }
    CHECK(wait_until([&] { return relay.processes().empty(); }));
    CHECK(relay.records().empty());
  });
}

TEST_CASE("when sshd is killed, neither a record nor a process is left") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation session = relay.session();
    const pid_t pid = greeted(session);
    REQUIRE(session.ask("hold localhost 99999") == "held");
    ::kill(pid, SIGKILL);
    CHECK(wait_until([&] { return relay.processes().empty(); }));
    CHECK(relay.records().empty());
  });
}

TEST_CASE("a script that gets a signal cleans up and ends with the next line at the latest") {
  with_each_shell([](const auto& shell) {
    for (const int signal : {SIGHUP, SIGINT, SIGTERM}) {
      FakeRelay relay(shell);
      Conversation session = relay.session();
      const pid_t sshd = greeted(session);
      REQUIRE(session.ask("hold localhost 99999") == "held");
      pid_t script = 0;
      for (const pid_t pid : relay.processes()) {
        if (parent_of(pid) == sshd) script = pid;
      }
      REQUIRE(script != 0);
      ::kill(script, signal);
      session.send("\n");
      CHECK(wait_until([&] { return relay.processes().empty(); }));
      CHECK(relay.records().empty());
    }
  });
}

TEST_CASE("an sshd whose predecessor holds the port ends it, and the port is free when it says so") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    const std::uint16_t port = free_port();
    const std::string listener = "localhost " + std::to_string(port);
    Conversation stale = relay.session({.port = port});
    const pid_t pid = greeted(stale);
    REQUIRE(stale.ask("hold " + listener) == "held");
    REQUIRE(is_listening(port));

    Conversation next = relay.session();
    greeted(next);
    const auto start = std::chrono::steady_clock::now();
    CHECK(next.ask("evict " + listener) == "free");
    std::cerr << shell.front() << ": evicted after " << seconds_since(start) << " s\n";
    CHECK_FALSE(is_listening(port));
    CHECK_FALSE(alive(pid));
    CHECK(next.ask("hold " + listener) == "held");
    // The predecessor's script has gone by itself and took nothing along of ours: sshd, shell, subshell, timeout, dd.
    CHECK(wait_until([&] { return relay.processes().size() <= 5; }));
    CHECK(relay.records().size() == 1);
    CHECK(next.ask("evict " + listener) == "own");
  });
}

TEST_CASE("a frozen predecessor is ended too") {
  FakeRelay relay({"dash"});
  Conversation stale = relay.session();
  const pid_t pid = greeted(stale);
  REQUIRE(stale.ask("hold localhost 99999") == "held");
  ::kill(pid, SIGSTOP);
  Conversation next = relay.session();
  greeted(next);
  CHECK(next.ask("evict localhost 99999") == "free");
  CHECK_FALSE(alive(pid));
}

TEST_CASE("another device's living session is named and left alone") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation theirs = relay.session();
    const pid_t pid = greeted(theirs, "hello 1 60 gateway-8");
    REQUIRE(theirs.ask("hold localhost 99999") == "held");
    Conversation ours = relay.session();
    greeted(ours);
    const std::string answer = ours.ask("evict localhost 99999");
    CHECK_MESSAGE(answer.starts_with("other gateway-8 "), answer);
    CHECK(std::stoi(answer.substr(16)) < 60);
    CHECK(alive(pid));
    CHECK(theirs.ask("").empty());
    CHECK(relay.records().size() == 1);
  });
}

TEST_CASE("who holds a port can be asked without ending anybody") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation theirs = relay.session();
    const pid_t pid = greeted(theirs);
    REQUIRE(theirs.ask("hold localhost 99999") == "held");
    CHECK(theirs.ask("who localhost 99999") == "own");
    Conversation ours = relay.session();
    greeted(ours);
    const std::string answer = ours.ask("who localhost 99999");
    CHECK_MESSAGE(answer.starts_with("other device "), answer);
    CHECK(ours.ask("who localhost 99998").starts_with("unknown"));
    CHECK(alive(pid));
    CHECK(theirs.ask("").empty());
    CHECK(relay.records().size() == 1);
  });
}

TEST_CASE("what other records show does not hide that the predecessor was ended") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation before = relay.session();
    const pid_t pid = greeted(before);
    REQUIRE(before.ask("hold localhost 99999") == "held");
    // One that is looked at later, for the names are sorted: of a process that is gone.
    relay.write_record("99999@localhost", 9'999'999, "1 boot 1 device .\n");
    Conversation next = relay.session();
    greeted(next);
    CHECK(next.ask("evict localhost 99999") == "free");
    CHECK_FALSE(alive(pid));
  });
}

TEST_CASE("a neighbour that records our listener keeps nobody from ending our own dead session") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    const FakeRelay::SessionOptions ours{.name = "sshd", .bound = "gateway-7"};
    const FakeRelay::SessionOptions theirs{.name = "sshd", .bound = "gateway-8"};
    // Whatever the order of their process numbers, in which they are looked at.
    Conversation earlier = relay.session(theirs);
    Conversation stale = relay.session(ours);
    Conversation later = relay.session(theirs);
    for (Conversation* session : {&earlier, &stale, &later}) {
      greeted(*session);
      REQUIRE(session->ask("hold localhost 99999") == "held");
    }
    Conversation next = relay.session(ours);
    greeted(next);
    CHECK(next.ask("evict localhost 99999") == "free");
    CHECK_FALSE(alive(stale.process().pid()));
    CHECK(next.ask("evict localhost 99999").starts_with("other gateway-8 "));
    CHECK(earlier.ask("").empty());
    CHECK(later.ask("").empty());
  });
}

TEST_CASE("a device whose name begins with ours is another device") {
  FakeRelay relay({"dash"});
  Conversation theirs = relay.session();
  const pid_t pid = greeted(theirs, "hello 1 60 device-10");
  REQUIRE(theirs.ask("hold localhost 99999") == "held");
  Conversation ours = relay.session();
  greeted(ours, "hello 1 60 device-1");
  CHECK(ours.ask("evict localhost 99999").starts_with("other device-10 "));
  CHECK(alive(pid));
}

TEST_CASE("two sessions that evict at once both find the port free, and nobody else is ended") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation stale = relay.session();
    greeted(stale);
    REQUIRE(stale.ask("hold localhost 99999") == "held");
    Conversation one = relay.session();
    Conversation two = relay.session();
    greeted(one);
    greeted(two);
    one.send("evict localhost 99999\n");
    two.send("evict localhost 99999\n");
    const std::string first = one.line();
    const std::string second = two.line();
    CHECK((first == "free" || second == "free"));
    for (const auto& answer : {first, second})
      CHECK_MESSAGE((answer == "free" || answer == "gone" || answer.starts_with("unknown")), answer);
    CHECK(one.ask("").empty());
    CHECK(two.ask("").empty());
  });
}

TEST_CASE("the uid of a listener that nobody recorded is told") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation session = relay.session();
    greeted(session);
    const Listener listener = Listener::tcp();
    CHECK(session.ask("evict localhost " + std::to_string(listener.port())) ==
          "unknown " + std::to_string(::geteuid()));
    CHECK(session.ask("evict localhost " + std::to_string(free_port())) == "unknown");
    if (skipped_without_ipv6()) return;
    const Listener six = Listener::tcp(0, true);
    CHECK(session.ask("evict localhost " + std::to_string(six.port())) == "unknown " + std::to_string(::geteuid()));
  });
}

TEST_CASE("a silent device's sshd is ended by its own script, and nothing is left") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    const std::uint16_t port = free_port();
    Conversation session = relay.session({.port = port});
    const pid_t pid = greeted(session, "hello 1 1 device");
    REQUIRE(session.ask("hold localhost 99999") == "held");
    const auto start = std::chrono::steady_clock::now();
    CHECK(wait_until([&] { return !alive(pid); }));
    std::cerr << shell.front() << ": a silence of 1 s was over after " << seconds_since(start) << " s\n";
    CHECK_FALSE(is_listening(port));
    CHECK(wait_until([&] { return relay.processes().empty(); }));
    CHECK(relay.records().empty());
  });
}

TEST_CASE("beats keep the session, however long") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation session = relay.session();
    const pid_t pid = greeted(session, "hello 1 2 device");
    for (int i = 0; i < 4; ++i) {
      CHECK(holds_for([&] { return alive(pid); }, 1s));
      CHECK(session.ask("").empty());
    }
  });
}

TEST_CASE("an unfinished line is no sign of life") {
  FakeRelay relay({"dash"});
  Conversation session = relay.session();
  const pid_t pid = greeted(session, "hello 1 1 device");
  session.send("hold localhost");
  CHECK(wait_until([&] { return !alive(pid); }));
}

TEST_CASE("an unfinished line at the end of the stream is not obeyed") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation stale = relay.session();
    const pid_t pid = greeted(stale);
    REQUIRE(stale.ask("hold localhost 99999") == "held");
    Conversation session = relay.session();
    greeted(session);
    session.send("evict localhost 99999");
    session.finish_sending();
    CHECK(session.ended());
    CHECK(alive(pid));
  });
}

TEST_CASE("what is no command is refused, and nothing of it is run") {
  using namespace std::string_literals;
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    const std::string canary = relay.account.home() + "/canary";
    Conversation session = relay.session();
    greeted(session);
    const std::string touch = "touch " + canary;
    const std::vector<std::string> lines = {"nonsense",
                                            "HOLD localhost 99999",
                                            "hold",
                                            "hold localhost",
                                            "hold localhost 99999 x",
                                            "hold localhost x",
                                            "hold localhost -1",
                                            "hold localhost 099999",
                                            "hold localhost 0",
                                            "hold localhost 1e3",
                                            "hold localhost 9999999999",
                                            "hold ../x 99999",
                                            "hold /etc/passwd 99999",
                                            "hold a;b 99999",
                                            "hold $HOME 99999",
                                            "evict ~ 99999",
                                            "drop {a,b} 99999",
                                            "hello",
                                            "hello 1",
                                            "hello 1 60",
                                            "hello 1 0 device",
                                            "hello 1 -1 device",
                                            "hello 1 060 device",
                                            "hello 1 x device",
                                            "hello 1 9999999999 device",
                                            "hello 1 60 de/vice",
                                            "hello 1 60 two words",
                                            "leave",
                                            "no x",
                                            "is_sshd 1",
                                            "stop 1 1",
                                            "obey hold",
                                            "exit",
                                            "hold?",
                                            "$(" + touch + ")",
                                            "`" + touch + "`",
                                            "; " + touch,
                                            "| " + touch,
                                            "& " + touch,
                                            "hold $(" + touch + ") 99999",
                                            "hold localhost $(" + touch + ")",
                                            "hold localhost a[$(" + touch + ")]",
                                            "hello 1 60 `" + touch + "`",
                                            "evict localhost '" + touch + "'",
                                            "hold local\\host 99999",
                                            "hold \"a\" 99999",
                                            "hold localhost\t99999 22",
                                            "held\r",
                                            "\xff\xfe\x80",
                                            "h\x01ld localhost 99999"};
    for (const auto& line : lines) {
      CAPTURE(line);
      CHECK(session.ask(line) == "error");
    }
    CHECK(session.ask("").empty());
    CHECK_FALSE(std::filesystem::exists(canary));
    CHECK(relay.records().empty());
  });
}

TEST_CASE("a star is an address and never a list of files") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation theirs = relay.session();
    const pid_t pid = greeted(theirs);
    REQUIRE(theirs.ask("hold localhost 99999") == "held");
    Conversation session = relay.session();
    greeted(session);
    CHECK(session.ask("evict * 99999") == "unknown");
    CHECK(session.ask("drop * 99999") == "dropped");
    CHECK(session.ask("*") == "error");
    CHECK(alive(pid));
    CHECK(relay.records().size() == 1);
  });
}

TEST_CASE("nothing but a greeting is taken before the greeting") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation session = relay.session();
    CHECK(session.ask("hold localhost 99999") == "error");
    CHECK(session.ask("evict localhost 99999") == "error");
    CHECK(session.ask("hold9 localhost 99999") == "error");
    CHECK(greeted(session) == session.process().pid());
    CHECK(relay.records().empty());
  });
}

TEST_CASE("the relay's time is told, once it is greeted") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation session = relay.session();
    CHECK(session.ask("clock") == "error");
    greeted(session);
    const std::int64_t before = std::time(nullptr);
    const std::string told = session.ask("clock");
    REQUIRE(told.starts_with("clock "));
    CHECK(std::stoll(told.substr(6)) >= before);
    CHECK(std::stoll(told.substr(6)) <= std::time(nullptr));
    CHECK(session.ask("clock 1") == "error");
  });
}

TEST_CASE("a device that speaks a later version is answered with the version that the script speaks") {
  FakeRelay relay({"dash"});
  Conversation session = relay.session();
  CHECK(session.ask("hello 7 60 device").starts_with("holdfast 1 "));
}

TEST_CASE("a line without an end ends the script, and takes neither its memory nor a processor") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    std::string flood(1, 'a');
    SUBCASE("after a greeting") {}
    SUBCASE("of all bytes there are but the one") {
      flood.clear();
      for (int i = 0; i < 65536; ++i) flood += static_cast<char>(i * 7919 >> 3);
      std::erase(flood, '\n');
    }
    Conversation session = relay.session();
    greeted(session, "hello 1 999999999 device");
    REQUIRE(session.ask("hold localhost 99999") == "held");
    // The reader is gone long before all of it is sent.
    while (flood.size() < std::size_t{4} * 1024 * 1024) flood += flood;
    try {
      session.send(flood);
    } catch (const std::system_error&) {
    }
    CHECK(session.ended());
    CHECK(wait_until([&] { return relay.processes().empty(); }));
    CHECK(relay.records().empty());
  });
}

TEST_CASE("the longest line that is allowed is obeyed in one piece or in many, and one byte more is not") {
  FakeRelay relay({"dash"});
  Conversation session = relay.session();
  greeted(session);
  CHECK(session.ask(std::string(160, 'a')) == "error");
  const std::string hold = "hold localhost 99999\n";
  for (const char letter : hold) session.send(std::string(1, letter));
  CHECK(session.line() == "held");
  session.send(hold + hold + "\n\ndrop localhost 99999\nhold local");
  CHECK(session.line() == "held");
  CHECK(session.line() == "held");
  CHECK(session.line().empty());
  CHECK(session.line().empty());
  CHECK(session.line() == "dropped");
  CHECK(session.ask("host 99999") == "held");
  session.send(std::string(161, 'a'));
  CHECK(session.ended());
}

TEST_CASE("a session has 256 records at most, and all of them go with it") {
  FakeRelay relay({"dash"});
  {
    Conversation session = relay.session();
    greeted(session);
    for (int port = 1; port <= 256; ++port) REQUIRE(session.ask("hold localhost " + std::to_string(port)) == "held");
    CHECK(session.ask("hold localhost 257") == "unsupported too_many");
    CHECK(session.ask("drop localhost 257") == "dropped");
    CHECK(session.ask("hold localhost 257") == "unsupported too_many");
    CHECK(session.ask("drop localhost 1") == "dropped");
    CHECK(session.ask("hold localhost 257") == "held");
    CHECK(relay.records().size() == 256);
    session.hang_up();
    CHECK(session.ended());
  }
  CHECK(wait_until([&] { return relay.processes().empty(); }));
  CHECK(relay.records().empty());
}

TEST_CASE("a device whose key is bound to a name can't take another's") {
  with_each_shell([](const auto& shell) {
    FakeRelay relay(shell);
    Conversation theirs = relay.session();
    const pid_t pid = greeted(theirs, "hello 1 60 gateway-8");
    REQUIRE(theirs.ask("hold localhost 99999") == "held");
    Conversation ours = relay.session({.name = "sshd", .bound = "gateway-7"});
    greeted(ours, "hello 1 60 gateway-8");
    CHECK(ours.ask("evict localhost 99999").starts_with("other gateway-8 "));
    CHECK(alive(pid));

    REQUIRE(ours.ask("hold localhost 88888") == "held");
    Conversation next = relay.session({.name = "sshd", .bound = "gateway-7"});
    greeted(next, "hello 1 60 whoever");
    CHECK(next.ask("evict localhost 88888") == "free");
  });
}

TEST_CASE("a device that stops reading and hangs up leaves nothing") {
  FakeRelay relay({"dash"});
  {
    Conversation session = relay.session();
    greeted(session);
    REQUIRE(session.ask("hold localhost 99999") == "held");
    session.send(std::string(100, '\n'));
    session.hang_up();
    CHECK(session.ended());
  }
  CHECK(wait_until([&] { return relay.processes().empty(); }));
  CHECK(relay.records().empty());
}
