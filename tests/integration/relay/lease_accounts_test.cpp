// Relays and accounts on which part of the lease, or all of it, can't work: each is told in one word.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "lease_fixture.hpp"
#include "support/skip.hpp"
#include "support/wait.hpp"

using namespace holdfast::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* hello = "hello 1 60 device";
constexpr const char* hold = "hold localhost 99999";

/// No record can be made; all else works.
void check_only_the_record_is_missing(Conversation session, const std::string& reason) {
  REQUIRE(session.ask(hello).starts_with("holdfast 1 "));
  CHECK(session.ask(hold) == "unsupported " + reason);
  CHECK(session.ask("evict localhost 9").starts_with("unknown"));
  CHECK(session.ask("drop localhost 99999") == "dropped");
  CHECK(session.ask("").empty());
}

}  // namespace

TEST_CASE("a home that is missing, or not said, costs the record and not the guard") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    Command command = relay.session_command({});
    for (const std::string home : {"/nonexistent", ""}) {
      command.env["HOME"] = home;
      check_only_the_record_is_missing(Conversation(command), "no_home");
    }
    command.argv.insert(command.argv.begin(), {"env", "-u", "HOME"});
    check_only_the_record_is_missing(Conversation(command), "no_home");
    command.env["HOME"] = "/proc";
    command.argv.erase(command.argv.begin(), command.argv.begin() + 3);
    check_only_the_record_is_missing(Conversation(command), "denied");

    command.env["HOME"] = "/nonexistent";
    Conversation session(command);
    REQUIRE(session.ask("hello 1 1 device").starts_with("holdfast 1 "));
    const pid_t sshd = session.process().pid();
    CHECK(wait_until([&] { return !alive(sshd); }));
  });
}

TEST_CASE("a home that the account may not write to costs the record") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    fs::permissions(relay.account.home(), fs::perms::owner_read | fs::perms::owner_exec);
    check_only_the_record_is_missing(relay.session(), "denied");
    fs::permissions(relay.account.home(), fs::perms::owner_all);
  });
}

TEST_CASE("something else where the records should be costs the record, and stays") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    relay.account.write("home/.holdfast", "precious");
    check_only_the_record_is_missing(relay.session(), "denied");
    CHECK(read_file(relay.records_dir()) == "precious");
    if (skipped_without_root()) return;
    fs::remove(relay.records_dir());
    fs::create_directory(relay.records_dir());
    fs::permissions(relay.records_dir(), fs::perms::all);
    check_only_the_record_is_missing(relay.session(), "denied");
    CHECK(relay.records().empty());
  });
}

TEST_CASE("a directory in a record's place costs that record") {
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    Conversation session = relay.session();
    REQUIRE(session.ask(hello).starts_with("holdfast 1 "));
    relay.write_record("99999@localhost", session.process().pid(), "");
    const std::string path = relay.record_path("99999@localhost", session.process().pid());
    fs::remove(path);
    fs::create_directory(path);
    CHECK(session.ask(hold) == "unsupported denied");
    CHECK(session.ask("hold localhost 99998") == "held");
    fs::remove(path);
    fs::create_symlink("/dev/null", path);
    CHECK(session.ask(hold) == "held");
    CHECK_FALSE(fs::is_symlink(path));
  });
}

TEST_CASE("records that others could have written to are closed to them") {
  const FakeRelay relay({"dash"});
  relay.write_record("1@a", 1, "");
  fs::permissions(relay.records_dir(), fs::perms::all);
  Conversation session = relay.session();
  REQUIRE(session.ask(hello).starts_with("holdfast 1 "));
  CHECK(session.ask(hold) == "held");
  CHECK(fs::status(relay.records_dir()).permissions() == fs::perms::owner_all);
}

TEST_CASE("a read-only file system costs the record") {
  if (skipped_without_mounts()) return;
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    check_only_the_record_is_missing(relay.session_in_namespace("mount -t tmpfs -o ro,mode=777 t \"$HOME\""),
                                     "read_only");
    check_only_the_record_is_missing(
        relay.session_in_namespace("mount -t tmpfs t \"$HOME\"; mkdir -m 700 \"$HOME/.holdfast\"; "
                                   "chown \"$ACCOUNT\" \"$HOME/.holdfast\"; mount -o remount,ro \"$HOME\""),
        "read_only");
  });
}

TEST_CASE("a full disk costs the record, and leaves no piece of one") {
  if (skipped_without_mounts()) return;
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    const std::string disk =
        "mount -t tmpfs -o size=4k,mode=777 t \"$HOME\"; mkdir -m 700 \"$HOME/.holdfast\"; "
        "chown \"$ACCOUNT\" \"$HOME/.holdfast\"; ";
    check_only_the_record_is_missing(relay.session_in_namespace(disk + "head -c 4096 /dev/zero >\"$HOME/x\""),
                                     "disk_full");
    check_only_the_record_is_missing(
        relay.session_in_namespace("mount -t tmpfs -o nr_inodes=2,mode=777 t \"$HOME\"; touch \"$HOME/x\""),
        "disk_full");
  });
}

TEST_CASE("without /proc there is no lease") {
  if (skipped_without_mounts()) return;
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    for (const std::string setup : {"mount -t tmpfs t /proc", "mount -t tmpfs t /proc/sys/kernel"}) {
      Conversation session = relay.session_in_namespace(setup);
      CHECK(session.line() == "unsupported no_proc");
      CHECK(session.ended());
    }
  });
}

TEST_CASE("where hidepid hides the account's own sshd, there is no lease") {
  if (skipped_without_mounts()) return;
  with_each_shell([](const auto& shell) {
    const FakeRelay relay(shell);
    for (const std::string mode : {"1", "2"}) {
      Conversation session = relay.session_in_namespace("mount -o remount,hidepid=" + mode + " /proc");
      CHECK(session.ask(hello) == "unsupported hidepid");
      CHECK(session.ended());
    }
  });
}

TEST_CASE("without timeout(1) there is no lease") {
  if (skipped_without_mounts()) return;
  for (const auto& shell : {std::vector<std::string>{"dash"}, {"bash", "--posix"}}) {
    const FakeRelay relay(shell);
    Conversation session = relay.session_in_namespace("mount --bind /dev/null /usr/bin/timeout");
    CHECK(session.line() == "unsupported no_timeout");
    CHECK(session.ended());
  }
}
