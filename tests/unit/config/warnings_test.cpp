#include <doctest/doctest.h>

#include "fake_files.hpp"

using namespace holdfast::config;

namespace {

std::string warnings_of(const std::string& lines, const Files& files = FakeFiles{}) {
  const std::string text =
      "tunnels:\n"
      "  relay:\n"
      "    host_name: relay.example\n"
      "    identity_file: /etc/holdfast/key\n" +
      lines + (lines.find("user:") == std::string::npos ? "    user: device\n" : "") +
      (lines.find("remote_forward:") == std::string::npos ? "    remote_forward: 4649:localhost:22\n" : "");
  const auto loaded = examined(text, files);
  REQUIRE_MESSAGE(loaded, problems_of(text, files));
  std::string warnings;
  for (const Problem& warning : loaded->warnings) warnings += to_string(warning) + "\n";
  return warnings;
}

const std::string five = "h.yaml:5:";

}  // namespace

TEST_CASE("an ordinary tunnel is not warned about") {
  CHECK(warnings_of("") == "");
  CHECK(warnings_of("    server_alive_interval: 15m\n    server_alive_count_max: 1\n") == "");
}

TEST_CASE("a watchdog that looks at proofs does not see a tunnel that is never proven") {
  const auto warnings = [](const std::string& interval) {
    const auto loaded = parse(
        "watchdog: verified\n"
        "tunnels:\n"
        "  relay: {host_name: relay.example, identity_file: /etc/holdfast/key, user: device,\n"
        "          remote_forward: 4649:localhost:22, verify_interval: " +
            interval + "}\n",
        "h.yaml", FakeFiles{});
    REQUIRE(loaded);
    return loaded->warnings;
  };
  CHECK(warnings("1h").empty());
  REQUIRE(warnings("0").size() == 1);
  CHECK(to_string(warnings("0").front()) ==
        "h.yaml:1:11: watchdog: 'verified' does not look at tunnel relay: its verify_interval is '0'");
}

TEST_CASE("a status socket beside which a control socket does not fit is told, and how long it may be") {
  const auto warnings = [](std::size_t length) {
    const auto loaded = parse("status_socket: /" + std::string(length - 1, 's') +
                                  "\ntunnels:\n  relay: {host_name: relay.example, identity_file: /etc/holdfast/key,\n"
                                  "          user: device, remote_forward: 4649:localhost:22}\n",
                              "h.yaml", FakeFiles{});
    REQUIRE(loaded);
    return loaded->warnings;
  };
  CHECK(warnings(99).empty());
  REQUIRE(warnings(100).size() == 1);
  CHECK(to_string(warnings(100).front()) ==
        "h.yaml:1:16: status_socket: 'holdfast reload' and 'reconnect' can't work: with '.control' the control "
        "socket's path is longer than 107 bytes; name a path of at most 99");
}

TEST_CASE("what will be regretted is allowed with a warning") {
  CHECK(warnings_of("    strict_host_key_checking: no\n") ==
        five +
            "31: tunnels.relay.strict_host_key_checking: 'no' trusts whoever answers, and whoever answers can take the "
            "forwards over; 'accept-new' costs nothing\n");
  CHECK(
      warnings_of("    server_alive_interval: 0\n") ==
      five +
          "28: tunnels.relay.server_alive_interval: '0' asks for no sign of life: a relay that goes silent is noticed "
          "late or never\n");
  CHECK(warnings_of("    server_alive_interval: 20m\n") ==
        five +
            "28: tunnels.relay.server_alive_interval: many carriers forget a connection that is idle for longer than a "
            "few minutes\n");
  CHECK(
      warnings_of("    server_alive_count_max: 0\n") ==
      five +
          "29: tunnels.relay.server_alive_count_max: '0' ends a session that is idle for one interval, without asking "
          "the relay\n");
  CHECK(warnings_of("    user: root\n") ==
        five +
            "11: tunnels.relay.user: whoever gets this device's key is root on the relay; an account of its own is "
            "enough\n");
  CHECK(warnings_of("    remote_forward: 80:localhost:80\n") ==
        five +
            "21: tunnels.relay.remote_forward: only root may listen below port 1024 on the relay, and localhost:80 is "
            "asked for as 'device'\n");
  CHECK(warnings_of("    user_known_hosts_file: /run/holdfast/known_hosts\n") ==
        five +
            "28: tunnels.relay.user_known_hosts_file: is gone after a reboot, and then any host key is accepted as "
            "new\n");
}

TEST_CASE("strict host key checking without a single known host is warned about") {
  FakeFiles files;
  files.files = {{"/var/lib/holdfast/known_hosts", Files::Kind::missing}};
  CHECK(warnings_of("    strict_host_key_checking: yes\n") == "");
  CHECK(warnings_of("    strict_host_key_checking: yes\n", files) ==
        "h.yaml:2:3: tunnels.relay: '/var/lib/holdfast/known_hosts' does not exist: with strict_host_key_checking "
        "'yes' no "
        "relay is trusted; fill it with ssh-keyscan\n");
  CHECK(warnings_of("    strict_host_key_checking: yes\n"
                    "    host_key_fingerprint: SHA256:uNiVztksCsDhcc0u9e8BrsbKxqRTJOHQ+BRv1NdMRL0\n",
                    files) == "");
}

TEST_CASE("a relay of a list that has a known_hosts file of its own is warned about in its place") {
  FakeFiles files;
  files.files = {{"/var/lib/holdfast/two", Files::Kind::missing}};
  const auto warnings = [&](const std::string& rest) {
    const std::string text =
        "tunnels:\n  relay:\n    host_name: [one, {host_name: two, user_known_hosts_file: /var/lib/holdfast/two}]\n"
        "    user: u\n    identity_agent: /a\n    remote_forward: 4649:h:1\n" +
        rest;
    const auto loaded = examined(text, files);
    REQUIRE_MESSAGE(loaded, problems_of(text, files));
    std::string all;
    for (const Problem& warning : loaded->warnings) all += to_string(warning) + "\n";
    return all;
  };
  CHECK(warnings("") == "");
  CHECK(
      warnings("    strict_host_key_checking: yes\n") ==
      "h.yaml:3:22: tunnels.relay.host_name[1]: '/var/lib/holdfast/two' does not exist: with strict_host_key_checking "
      "'yes' no relay is trusted; fill it with ssh-keyscan\n");
}

TEST_CASE("a default that is regretted is warned about once") {
  const auto loaded = parse(
      "defaults: {user: device, identity_file: /k, strict_host_key_checking: no}\n"
      "tunnels:\n"
      "  a: {host_name: h, remote_forward: 2001:h:1}\n"
      "  b: {host_name: h, remote_forward: 2002:h:1}\n",
      "h.yaml", FakeFiles{});
  REQUIRE(loaded);
  REQUIRE(loaded->warnings.size() == 1);
  CHECK(to_string(loaded->warnings[0]).starts_with("h.yaml:1:71: defaults.strict_host_key_checking: 'no' trusts"));
}

TEST_CASE("a congestion control that the kernel does not have is warned about") {
  FakeFiles files;
  files.kernel_has = "reno cubic";
  CHECK(warnings_of("    congestion_control: cubic\n", files) == "");
  CHECK(warnings_of("    congestion_control: bbr\n") == "");
  for (const std::string name : {"bbr", "cub", "ubic", "CUBIC"})
    CHECK(warnings_of("    congestion_control: " + name + "\n", files) ==
          five + "25: tunnels.relay.congestion_control: the kernel has reno cubic now, not '" + name +
              "'; try 'modprobe tcp_" + name + "'\n");
}

TEST_CASE("what is found out later is told where it stands: the item, the setting, the default or the tunnel") {
  const auto loaded = parse(
      "defaults:\n"
      "  identity_file: [/k0, /k1]\n"
      "tunnels:\n"
      "  a: {host_name: a.example, user: device, remote_forward: 4649:localhost:22}\n"
      "  b: {host_name: b.example, user: device, remote_forward: 4649:localhost:22, identity_file: /k2}\n",
      "h.yaml", FakeFiles{});
  REQUIRE(loaded);
  const auto told = [&](const std::string& tunnel, const std::string& key, std::size_t item) {
    return to_string(loaded->problem_with(tunnel, key, item, "no good"));
  };
  CHECK(told("a", "identity_file", 1) == "h.yaml:2:24: defaults.identity_file[1]: tunnel a: no good");
  CHECK(told("b", "identity_file", 0) == "h.yaml:5:93: tunnels.b.identity_file: no good");
  CHECK(told("b", "user_known_hosts_file", 0) == "h.yaml:5:3: tunnels.b.user_known_hosts_file: no good");
}
