// Records that are not what the script wrote: none of them may cost a process its life.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <map>

#include "lease_fixture.hpp"
#include "support/skip.hpp"
#include "support/temp_dir.hpp"
#include "support/wait.hpp"

using namespace holdfast::test;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

constexpr const char* listener = "99999@localhost";
constexpr const char* evict = "evict localhost 99999";

/// Somebody's living sshd, of the relay's own account: the one whom a forged record would have ended.
struct Victim {
  explicit Victim(const FakeRelay& relay) : process(relay.sshd()), pid(std::stoi(process.line())) {}
  Conversation process;
  pid_t pid;
};

std::string evict_over(const FakeRelay& relay) {
  Conversation session = relay.session();
  REQUIRE(session.ask("hello 1 60 device").starts_with("holdfast 1 "));
  const std::string answer = session.ask(evict);
  CHECK(session.ask("").empty());
  return answer;
}

}  // namespace

TEST_CASE("the record that all others here are made from does end its process") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    const Victim victim(relay);
    relay.write_record(listener, victim.pid, FakeRelay::record(victim.pid, "device"));
    CHECK(evict_over(relay) == "free");
    CHECK_FALSE(alive(victim.pid));
    CHECK(relay.records().empty());
  });
}

TEST_CASE("a record whose content is wrong ends nobody") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    const Victim victim(relay);
    const std::string start = start_time(victim.pid);
    const std::string right = FakeRelay::record(victim.pid, "device");
    const std::string other_boot = "00000000-0000-4000-8000-000000000000";
    const std::vector<std::string> contents = {
        "",
        "\n",
        "garbage\n",
        "\0\0\0\0"s,
        "\xff\xfe\xfd",
        std::string(100000, 'A'),
        std::string(4096, '\n') + right,
        " " + right,
        "\n" + right,
        "2" + right.substr(1),
        "11" + right.substr(1),
        right.substr(1),
        right + right,
        right + "x",
        right.substr(0, right.size() - 1) + " .\n",
        "1 " + other_boot + " " + start + " device .\n",
        "1  " + start + " device .\n",
        "1 " + boot_id() + " 0" + start + " device .\n",
        "1 " + boot_id() + " " + start + "0 device .\n",
        "1 " + boot_id() + " - device .\n",
        "1 " + boot_id() + "  device .\n",
        "1 " + boot_id() + " * device .\n",
        "1 " + boot_id() + " " + start + " device\n",
        "1 " + boot_id() + " " + start + " device  .\n",
        "1 " + boot_id() + " " + start + " DEVICE .\n",
        "1 " + boot_id() + " " + start + " * .\n",
        "1 " + boot_id() + " " + start + " device x .\n",
        "1 " + boot_id() + " " + start + " $(kill " + std::to_string(victim.pid) + ") .\n",
        "1 " + boot_id() + " " + start + " `kill " + std::to_string(victim.pid) + "` .\n",
        right.substr(0, 20) + "\0"s + right.substr(20) + "x"};
    for (const auto& content : contents) {
      CAPTURE(content);
      relay.write_record(listener, victim.pid, content);
      CHECK(evict_over(relay) != "free");
      CHECK(alive(victim.pid));
      fs::remove(relay.record_path(listener, victim.pid));
    }
  });
}

TEST_CASE("a record that is cut anywhere ends nobody") {
  const FakeRelay relay({"dash"});
  const Victim victim(relay);
  const std::string right = FakeRelay::record(victim.pid, "device");
  // Without its newline the record is whole: the dot is its end.
  for (std::size_t length = 0; length < right.size() - 1; ++length) {
    CAPTURE(length);
    relay.write_record(listener, victim.pid, right.substr(0, length));
    CHECK(evict_over(relay) == "unknown");
    REQUIRE(alive(victim.pid));
  }
}

TEST_CASE("a huge record is not read to its end") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    const Victim victim(relay);
    relay.write_record(listener, victim.pid, FakeRelay::record(victim.pid, "device").substr(0, 30));
    // 1 TiB, of which nothing is stored
    fs::resize_file(relay.record_path(listener, victim.pid), 1ULL << 40);
    CHECK(evict_over(relay) == "unknown");
    CHECK(alive(victim.pid));
  });
}

TEST_CASE("what is no file of ours is no record") {
  const std::map<std::string, std::function<void(const std::string&, const std::string&)>> disguises = {
      {"a symbolic link to a right record", [](auto& path, auto& right) { fs::create_symlink(right, path); }},
      {"a symbolic link to nothing", [](auto& path, auto&) { fs::create_symlink("/nonexistent", path); }},
      {"a symbolic link to an endless file", [](auto& path, auto&) { fs::create_symlink("/dev/zero", path); }},
      {"a FIFO that nobody writes to",
       [](auto& path, auto& right) {
         struct stat account {};
         REQUIRE(::stat(right.c_str(), &account) == 0);
         REQUIRE(::mkfifo(path.c_str(), 0666) == 0);
         REQUIRE(::chown(path.c_str(), account.st_uid, account.st_gid) == 0);
       }},
      {"a directory", [](auto& path, auto&) { fs::create_directory(path); }},
      {"unreadable",
       [](auto& path, auto& right) {
         fs::rename(right, path);
         fs::permissions(path, fs::perms::none);
       }},
      {"another user's file", [](auto& path, auto& right) {
         if (skipped_without_root()) return;
         fs::copy_file(right, path);
         REQUIRE(::chown(path.c_str(), 64023, 64023) == 0);
         fs::permissions(path, fs::perms(0666));
       }}};
  with_each_shell([&](const auto& shell) {
    const FakeRelay relay(shell);
    const Victim victim(relay);
    const std::string path = relay.record_path(listener, victim.pid);
    for (const auto& [name, disguise] : disguises) {
      INFO(name);
      relay.write_record(listener, victim.pid, "");
      fs::remove(path);
      disguise(path, relay.account.write("right", FakeRelay::record(victim.pid, "device")));
      CHECK(evict_over(relay) == "unknown");
      CHECK(alive(victim.pid));
      fs::remove_all(path);
    }
  });
}

TEST_CASE("a process that has the number of a recorded one, but is no sshd, is left alone") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    for (const std::string name : {"postgres", "sshd2", "sshd) S 1 1", "(sshd)"}) {
      CAPTURE(name);
      Conversation process = relay.sshd(name);
      const pid_t pid = std::stoi(process.line());
      relay.write_record(listener, pid, FakeRelay::record(pid, "device"));
      CHECK(evict_over(relay) == "mismatch");
      CHECK(alive(pid));
      CHECK(relay.records().empty());
    }
  });
}

TEST_CASE("a line break in the name of a process ends nobody") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    for (const std::string name : {") S\n", "sshd) S 1\n", "sshd\n", "\n"}) {
      CAPTURE(name);
      Conversation process = relay.sshd(name);
      const pid_t pid = std::stoi(process.line());
      relay.write_record(listener, pid, FakeRelay::record(pid, "device"));
      CHECK(evict_over(relay) == "gone");
      CHECK(alive(pid));
      CHECK(relay.records().empty());
    }
  });
}

TEST_CASE("another sshd that has the number of a recorded one is left alone") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    const Victim victim(relay);
    const std::string earlier = std::to_string(std::stoll(start_time(victim.pid)) - 1);
    relay.write_record(listener, victim.pid, "1 " + boot_id() + " " + earlier + " device .\n");
    CHECK(evict_over(relay) == "mismatch");
    CHECK(alive(victim.pid));
    CHECK(relay.records().empty());
  });
}

TEST_CASE("another account's sshd is left alone") {
  if (skipped_without_root()) return;
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    // Root's own, so that the kernel alone would not hold a script of root's back.
    const TempDir dir;
    write_file(dir / "sshd", read_file(FAKE_SSHD), 0700);
    Conversation process(Command{{dir / "sshd", "sshd", "0", "sh", "-c", "echo $PPID; exec cat"}});
    const pid_t pid = std::stoi(process.line());
    relay.write_record(listener, pid, FakeRelay::record(pid, "device"));
    CHECK(evict_over(relay) == "mismatch");
    CHECK(alive(pid));
  });
}

TEST_CASE("a record whose process has ended is removed") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    std::string right;
    pid_t pid = 0;
    {
      const Victim victim(relay);
      pid = victim.pid;
      right = FakeRelay::record(pid, "device");
    }
    relay.write_record(listener, pid, right);
    CHECK(evict_over(relay) == "gone");
    CHECK(relay.records().empty());
    CHECK(evict_over(relay) == "unknown");
  });
}

TEST_CASE("names that are no records lead nowhere") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    const Victim victim(relay);
    const std::string right = FakeRelay::record(victim.pid, "device");
    relay.write_record(listener, victim.pid, "");
    const std::string pid = std::to_string(victim.pid);
    const std::vector<std::string> tails = {"",  "self", "0" + pid, "+" + pid, " " + pid, pid + " ", "-1", "0",
                                            "1", "*",    "$$",      "..",      "sys",     "x\ny",    "-f"};
    for (const auto& tail : tails) {
      relay.account.write("home/.holdfast/" + std::string(listener) + "@" + tail, right);
    }
    CHECK_FALSE(evict_over(relay) == "free");
    CHECK(alive(victim.pid));
  });
}

TEST_CASE("of several records of one listener, the one that is right counts") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    const Victim dead(relay);
    const std::string record_of_dead = FakeRelay::record(dead.pid, "device");
    ::kill(dead.pid, SIGKILL);
    REQUIRE(wait_until([&] { return !alive(dead.pid); }));
    const Victim stale(relay);
    const Victim bystander(relay);
    relay.write_record(listener, dead.pid, record_of_dead);
    relay.write_record(listener, stale.pid, FakeRelay::record(stale.pid, "device"));
    relay.write_record("99999@::1", bystander.pid, FakeRelay::record(bystander.pid, "device"));
    relay.write_record("199999@localhost", bystander.pid, FakeRelay::record(bystander.pid, "device"));
    CHECK(evict_over(relay) == "free");
    CHECK_FALSE(alive(stale.pid));
    CHECK(alive(bystander.pid));
    CHECK(relay.records().size() == 2);
  });
}

TEST_CASE("a session never ends its own sshd, whatever the record says") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    Conversation session = relay.session();
    REQUIRE(session.ask("hello 1 60 device").starts_with("holdfast 1 "));
    const pid_t own = session.process().pid();
    relay.write_record(listener, own, FakeRelay::record(own, "device"));
    CHECK(session.ask(evict) == "own");
    relay.write_record(listener, own, FakeRelay::record(own, "gateway-8"));
    CHECK(session.ask(evict).starts_with("other gateway-8 "));
    CHECK(alive(own));
  });
}

TEST_CASE("a guard whose sshd is gone ends nobody in its place") {
  const FakeRelay relay({"dash"});
  Conversation session = relay.session({.below = {"setsid"}});
  REQUIRE(session.ask("hello 1 1 device").starts_with("holdfast 1 "));
  const pid_t own = session.process().pid();
  ::kill(own, SIGKILL);
  CHECK(wait_until([&] { return relay.processes().empty(); }));
}
