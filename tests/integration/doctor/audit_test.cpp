#include "doctor/audit.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>

#include "integration/doctor/laptop.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

/// Each "PREFIX TEXT" as the script on the relay prints it.
std::string said(const std::vector<std::string>& lines) {
  std::string text = "Welcome!\n";
  for (const std::string& line : lines) text += std::string{doctor::audit_mark} + line + "\n";
  return text + std::string{doctor::audit_mark} + "done\n";
}

struct Judged {
  Judged(const std::string& banner, std::vector<std::string> lines) {
    lines.insert(lines.begin(), {"user me", "account tunnel:x:1001:1001::/home/tunnel:/usr/sbin/nologin"});
    seen = doctor::read_audit(said(lines), "tunnel");
    seen.banner = banner;
    remarks = doctor::judge_relay(seen);
  }

  /// The result, and the words if they are there: "fail ClientAliveInterval 0".
  bool has(CheckResult result, const std::string& about, const std::string& words = "") const {
    return std::any_of(remarks.begin(), remarks.end(), [&](const doctor::Remark& remark) {
      std::string text = remark.what;
      for (const std::string& line : remark.change) text += " | " + line;
      return remark.result == result && remark.about == about && text.find(words) != std::string::npos;
    });
  }

  doctor::RelaySeen seen;
  std::vector<doctor::Remark> remarks;
};

const char* const new_sshd = "OpenSSH_10.0p2 Debian-7";
const char* const old_sshd = "OpenSSH_9.2p1 Debian-2+deb12u7";

}  // namespace

TEST_CASE("relay audit: an sshd as it comes, and an account that may do anything") {
  const Sshd relay;
  const Laptop laptop{relay};
  const Finished seen = laptop.doctor({"--relay", "relay.test", "--account", relay.user()});
  check(seen, 1,
        {" ok    version      OpenSSH_", " ok    dead session evicted by the lease", " warn  rights",
         "AllowAgentForwarding no", " warn  keys", "without permitlisten (listen at each port)",
         "Match User " + relay.user(), "restrict,port-forwarding,permitlisten=\"localhost:4649\""});
}

TEST_CASE("relay audit: a relay as docs/relay.md has it") {
  SshdOptions options;
  options.config = {"ClientAliveInterval 15",        "ClientAliveCountMax 3", "AllowAgentForwarding no",
                    "AllowStreamLocalForwarding no", "X11Forwarding no",      "PermitTTY no"};
  const std::string key = public_key(client_key());
  // The script that sees it needs a shell: this is who looks, and the devices' options without "command" are theirs.
  options.authorized_keys = {"restrict,port-forwarding,permitlisten=\"localhost:4649\",permitopen=\"localhost:4649\" " +
                             key};
  const Sshd relay{options};
  const Laptop laptop{relay};
  write_file(laptop.dir / "device.pub", key + " me@device\n");
  const Finished seen =
      laptop.doctor({"--relay", "relay.test:4700", "--account", relay.user(), "--key", (laptop.dir / "device.pub")});
  check(seen, 1,
        {" ok    dead session a dead device's listener is free after", " ok    rights",
         "1 key; whoever steals one can do more than hold a tunnel: 1 without command (a shell)",
         "permitlisten=\"localhost:4700\"", key.substr(0, key.rfind(' '))});
}

TEST_CASE("relay audit: an account's files that are no files are left alone") {
  const Sshd relay;
  const Laptop laptop{relay};
  const std::string planted = relay.home() + "/.ssh/authorized_keys2";
  std::filesystem::create_directories(relay.home() + "/.ssh");
  SUBCASE("a pipe that nobody writes to") {
    REQUIRE(::mkfifo(planted.c_str(), 0666) == 0);
  }
  SUBCASE("a device that never ends") {
    std::filesystem::create_symlink("/dev/zero", planted);
  }
  const Finished seen = laptop.doctor({"--relay", "relay.test", "--account", relay.user()});
  CHECK(seen.output.find(" ok    version") != std::string::npos);
  CHECK(seen.output.find("authorized_keys2") == std::string::npos);
}

TEST_CASE("relay audit: what ends or keeps sessions, and what keeps devices out") {
  SshdOptions options;
  options.config = {"AllowTcpForwarding no", "ClientAliveInterval 600"};
  if (sshd_knows("UnusedConnectionTimeout 60")) options.config.emplace_back("UnusedConnectionTimeout 60");
  const Sshd relay{options};
  const Laptop laptop{relay};
  const Finished seen = laptop.doctor({"--relay", "relay.test", "--account", relay.user()});
  check(seen, 2, {" FAIL  forwarding", "AllowTcpForwarding yes"});
  if (options.config.size() > 2) check(seen, 2, {" warn  timeouts", "UnusedConnectionTimeout none"});
}

TEST_CASE("relay audit: no login, no such account, no good account's name") {
  SshdOptions options;
  options.authorized_keys = std::vector<std::string>{};
  const Sshd closed{options};
  const Laptop stranger{closed};
  check(stranger.doctor({"--relay", "relay.test"}), 2, {" FAIL  login", "Permission denied", "ssh relay.test"});
  const Sshd relay;
  const Laptop laptop{relay};
  check(laptop.doctor({"--relay", "relay.test", "--account", "nobody-has-it"}), 2,
        {" FAIL  account", "useradd --create-home --shell /bin/sh nobody-has-it"});
  for (const char* name : {"a;b", "-x", "$(id)", ""}) {
    const Finished refused = laptop.doctor({"--relay", "relay.test", "--account", name});
    CHECK(refused.status.code == 2);
    CHECK(refused.output.empty());
  }
}

TEST_CASE("relay audit: dead sessions that nobody ends") {
  const Judged kept{new_sshd, {"effective", "line clientaliveinterval 0", "line tcpkeepalive yes"}};
  CHECK(kept.has(CheckResult::fail, "dead session", "held for up to 2 h 11 min"));
  CHECK(kept.has(CheckResult::fail, "dead session", "| ClientAliveInterval 15"));
  CHECK(Judged{new_sshd, {"effective", "line clientaliveinterval 0", "line tcpkeepalive no"}}.has(
      CheckResult::fail, "dead session", "for ever"));
  const std::vector<std::string> asked{"effective", "line clientaliveinterval 60", "line clientalivecountmax 3"};
  CHECK(Judged{new_sshd, asked}.has(CheckResult::pass, "dead session", "after 240 s"));
  CHECK(Judged{old_sshd, asked}.has(CheckResult::warn, "dead session", "after 480 s, twice"));
  CHECK(Judged{"OpenSSH_9.5p1", asked}.has(CheckResult::pass, "dead session", "after 240 s"));
  CHECK(Judged{new_sshd, {"effective", "line unusedconnectiontimeout 60"}}.has(CheckResult::fail, "timeouts"));
  CHECK_FALSE(Judged{new_sshd, {"effective", "line unusedconnectiontimeout none"}}.has(CheckResult::fail, "timeouts"));
}

TEST_CASE("relay audit: a fleet behind one address") {
  std::vector<std::string> lines{"effective", "line maxstartups 10:30:100", "peer 7 077100CB", "peer 5 087100CB"};
  const Judged fleet{new_sshd, lines};
  CHECK(fleet.has(CheckResult::warn, "fleet", "7 from 203.0.113.7"));
  CHECK(fleet.has(CheckResult::warn, "fleet", "| PerSourcePenaltyExemptList 203.0.113.7"));
  CHECK(fleet.has(CheckResult::warn, "fleet", "| MaxStartups 100:30:300"));
  CHECK_FALSE(Judged{old_sshd, lines}.has(CheckResult::warn, "fleet", "PerSourcePenalt"));
  lines.emplace_back("line persourcepenaltyexemptlist 203.0.113.7");
  CHECK_FALSE(Judged{new_sshd, lines}.has(CheckResult::warn, "fleet", "PerSourcePenalt"));
  CHECK(
      Judged{new_sshd, {"effective", "line maxstartups 10:30:100", "peer 2 077100CB"}}.has(CheckResult::pass, "fleet"));
}

TEST_CASE("relay audit: from files, a Match block for the account wins, and what can't be judged is said") {
  const Judged judged{
      new_sshd,
      {"file /etc/ssh/sshd_config", "line Include /etc/ssh/sshd_config.d/*.conf", "line ClientAliveInterval 0",
       "line X11Forwarding yes", "line Match Group fleet", "line AllowTcpForwarding no", "line Match User other",
       "line PermitTTY no", "line match user tun*,!tunnel2", "line X11Forwarding no",
       "file /etc/ssh/sshd_config.d/a.conf", "line ClientAliveInterval = \"1m\"", "line ClientAliveInterval 2m",
       "unread /etc/ssh/sshd_config.d/b.conf"}};
  CHECK(judged.seen.settings.at("clientaliveinterval") == "1m");
  CHECK(judged.seen.settings.at("x11forwarding") == "no");
  CHECK_FALSE(judged.seen.settings.contains("allowtcpforwarding"));
  CHECK_FALSE(judged.seen.settings.contains("permittty"));
  CHECK(judged.has(CheckResult::skip, "settings", "not judged: /etc/ssh/sshd_config.d/b.conf"));
  CHECK(judged.has(CheckResult::skip, "settings", "not judged: Match Group fleet"));
  CHECK(judged.has(CheckResult::skip, "settings", "| sshd -T -C user=tunnel,host=x,addr=127.0.0.1"));
  CHECK(Judged{new_sshd, {}}.has(CheckResult::skip, "settings", "| sshd -T -C user=tunnel"));
}

TEST_CASE("relay audit: keys, and servers of another kind or age") {
  const std::string bound = "key restrict,port-forwarding,permitlisten=\"localhost:1\",permitopen=\"localhost:1\",";
  CHECK(Judged{new_sshd, {"keys /k", bound + "command=\"exec /bin/sh script a,b\" ssh-ed25519 AAAA a"}}.has(
      CheckResult::pass, "keys", "1 key"));
  const Judged open{new_sshd, {"keys /k", "key ssh-ed25519 AAAA restrict,command=", "key restrict ssh-rsa AAAA"}};
  CHECK(open.has(CheckResult::warn, "keys", "2 keys; whoever"));
  CHECK(open.has(CheckResult::warn, "keys", "1 without restrict"));
  CHECK(open.has(CheckResult::warn, "keys", "2 without command"));
  CHECK(Judged{new_sshd, {}}.has(CheckResult::skip, "keys"));
  CHECK(Judged{"dropbear_2022.83", {}}.has(CheckResult::warn, "version", "not OpenSSH"));
  CHECK(Judged{"OpenSSH_7.4", {}}.has(CheckResult::fail, "version", "permitlisten"));
  CHECK(Judged{old_sshd, {}}.has(CheckResult::pass, "version", "twice ClientAliveInterval"));
  CHECK(
      doctor::banner_of("debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1 D\r\ndebug1: x") ==
      "OpenSSH_9.2p1 D");
}

TEST_CASE("relay audit: the block to paste is the one that is installed with the package") {
  std::istringstream lines{read_file(ETC_RELAY "/sshd_config.d/holdfast.conf")};
  std::string settings;
  for (std::string line; std::getline(lines, line);) {
    const auto begin = line.find_first_not_of(' ');
    if (begin != std::string::npos && line[begin] != '#') settings += line + "\n";
  }
  CHECK(doctor::match_block("tunnel") == settings);
}
