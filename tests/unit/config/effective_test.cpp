#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "fake_files.hpp"

using namespace holdfast;
using namespace holdfast::config;
using namespace std::chrono_literals;

namespace {

Config parsed(const std::string& text, const Files& files = FakeFiles{}) {
  auto loaded = examined(text, files);
  REQUIRE_MESSAGE(loaded, problems_of(text, files));
  return std::move(loaded->config);
}

TunnelSpec tunnel(const std::string& lines, const std::string& defaults = "") {
  return parsed(defaults +
                "tunnels:\n"
                "  relay:\n"
                "    host_name: relay.example\n"
                "    user: device\n"
                "    identity_file: /etc/holdfast/key\n"
                "    remote_forward: 4649:localhost:22\n" +
                lines)
      .tunnels.at(0);
}

/// Draws configurations that parse() can produce, of every shape.
class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}

  std::size_t below(std::size_t limit) { return std::uniform_int_distribution<std::size_t>{0, limit - 1}(engine_); }
  bool coin() { return below(2) == 0; }
  std::uint16_t port() { return static_cast<std::uint16_t>(1 + below(65535)); }
  Duration seconds(std::size_t limit) { return std::chrono::seconds{1 + below(limit)}; }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return *(values.begin() + below(values.size()));
  }
  std::string text_of(const char* alphabet, std::size_t longest) {
    const std::string letters = alphabet;
    std::string text;
    for (std::size_t n = 1 + below(longest); n > 0; --n) text += letters[below(letters.size())];
    return text;
  }
  /// Everything that YAML could take for something else is in it.
  std::string path() { return "/" + text_of("aZ09._-:#'\"\\ ,[]{}&*!|>%@`~=?", 20) + "x"; }
  std::vector<std::string> paths() {
    std::vector<std::string> all(below(4));
    std::generate(all.begin(), all.end(), [this] { return path(); });
    return all;
  }
  std::string algorithms() { return coin() ? "" : "a" + text_of("abc-@.123", 8) + ",z" + text_of("abc-@.123", 8); }

  BackoffSchedule schedule() {
    const Duration first = seconds(3600);
    return {first, first + seconds(3600)};
  }

  RemoteForward forward(std::uint16_t port) {
    const Target target = coin()
                              ? Target{TcpTarget{one_of<std::string>({"localhost", "::1", "10.0.0.1"}), this->port()}}
                              : Target{UnixTarget{"/run/" + text_of("abc:[]*#", 10)}};
    return {one_of<std::string>({"", "localhost", "::1", "0.0.0.0", "relay"}), port, target};
  }

  void make_list(TunnelSpec& spec) {
    spec.host_name.clear();
    for (const char* const name : {"relay.example", "192.0.2.1", "2001:db8::1"}) {
      if (!spec.relays.empty() && coin()) continue;
      spec.relays.push_back(
          {name, coin() ? spec.port : port(), coin() ? spec.user_known_hosts_file : path(), spec.host_key_fingerprint});
    }
  }

  TunnelSpec tunnel(std::size_t number) {
    TunnelSpec spec;
    spec.name = "a" + text_of("abcXYZ019-_", 10) + "." + std::to_string(number);
    spec.host_name = one_of<std::string>({"relay.example", "192.0.2.1", "2001:db8::1", "true", "null.example", "12"});
    spec.port = port();
    spec.user = one_of<std::string>({"device", "no", "1e3", "u@domain", "dev:ice", "null", "~"});
    if (coin()) spec.device_id = text_of("abcXYZ019-_.", 64);
    spec.identity_file = paths();
    spec.certificate_file = paths();
    spec.identity_agent = spec.identity_file.empty() || coin() ? path() : "";
    spec.user_known_hosts_file = path();
    spec.strict_host_key_checking =
        one_of({StrictHostKeyChecking::yes, StrictHostKeyChecking::accept_new, StrictHostKeyChecking::no});
    if (coin()) spec.host_key_fingerprint = {"SHA256:uNiVztksCsDhcc0u9e8BrsbKxqRTJOHQ+BRv1NdMRL0"};
    if (coin()) make_list(spec);
    spec.relay_selection = one_of({RelaySelection::ordered, RelaySelection::hash});
    spec.fail_back_after = coin() ? seconds(86400) : 0s;
    for (std::size_t n = 1 + below(3); n > 0; --n)
      spec.remote_forward.push_back(forward(static_cast<std::uint16_t>(number * 100 + n)));
    if (coin()) spec.remote_forward.push_back(forward(0));
    spec.liveness = {coin() ? seconds(86400) : 0s, static_cast<unsigned>(below(101)), 1};
    spec.exit_on_forward_failure = coin();
    spec.connect_timeout = seconds(3600);
    spec.drain_timeout = coin() ? seconds(3600) : 0s;
    spec.address_family = one_of({AddressFamily::any, AddressFamily::inet});
    if (coin()) spec.bind_address = "192.0.2.7";
    if (coin()) spec.bind_interface = text_of("abc0.-_", 15);
    if (coin()) spec.congestion_control = text_of("abc019_", 15);
    spec.tcp_keep_alive = coin();
    const bool probed = spec.liveness.server_alive_interval != 0s && spec.liveness.server_alive_count_max != 0;
    if (spec.tcp_keep_alive && probed) spec.liveness.intervals_per_probe = static_cast<unsigned>(1 + below(100));
    spec.lease = coin();
    spec.ciphers = algorithms();
    spec.kex_algorithms = algorithms();
    spec.macs = algorithms();
    spec.host_key_algorithms = algorithms();
    spec.rekey_limit = {coin() ? 0 : 65536 + below(1U << 30U), coin() ? 0s : seconds(86400)};
    spec.log_level = one_of({LogLevel::quiet, LogLevel::fatal, LogLevel::error, LogLevel::info, LogLevel::verbose,
                             LogLevel::debug, LogLevel::debug2, LogLevel::debug3});
    spec.max_buffer = (8U << 20U) + below((1U << 30U) - (8U << 20U));
    spec.max_connections = static_cast<std::uint32_t>(1 + below(100'000));
    spec.backoff = {schedule(), schedule(), schedule(), schedule(), coin() ? seconds(86400) : 0s};
    return spec;
  }

  Config config() {
    Config config;
    for (std::size_t n = 1 + below(3); n > 0; --n) config.tunnels.push_back(tunnel(n));
    config.status_socket = {path(), coin() ? "adm" : ""};
    return config;
  }

 private:
  std::mt19937 engine_;
};

}  // namespace

TEST_CASE("the effective configuration reads back as the same") {
  for (unsigned seed = 0; seed < 100; ++seed) {
    const Config config = Dice(seed).config();
    const std::string text = to_yaml(config);
    CAPTURE(seed);
    CAPTURE(text);
    const auto again = examined(text);
    REQUIRE_MESSAGE(again, problems_of(text));
    REQUIRE(again->config == config);
  }
}

TEST_CASE("a tunnel that gives only what it must has the documented defaults") {
  TunnelSpec expected;
  expected.name = "relay";
  expected.host_name = "relay.example";
  expected.user = "device";
  expected.identity_file = {"/etc/holdfast/key"};
  expected.user_known_hosts_file = "/var/lib/holdfast/known_hosts";
  expected.remote_forward = {{"localhost", 4649, TcpTarget{"localhost", 22}}};
  CHECK(tunnel("") == expected);
  CHECK(parsed("tunnels: {a: {host_name: h, user: u, identity_agent: /a, remote_forward: 1:h:1}}").status_socket ==
        StatusSocketSpec{});
}

TEST_CASE("tunnels start from the defaults and override them key by key") {
  const std::string defaults =
      "defaults:\n"
      "  port: 2222\n"
      "  certificate_file: [/a, /b]\n"
      "  server_alive_interval: 1m30s\n"
      "  backoff: {network: {first: 5, cap: 5m}, reset_after: 2m}\n";
  CHECK(tunnel("", defaults).port == 2222);
  CHECK(tunnel("", defaults).certificate_file == std::vector<std::string>{"/a", "/b"});
  CHECK(tunnel("", defaults).liveness == LivenessSpec{90s, 3});
  CHECK(tunnel("    port: 22\n", defaults).port == 22);
  CHECK(tunnel("    certificate_file: /c\n", defaults).certificate_file == std::vector<std::string>{"/c"});
  CHECK(tunnel("    certificate_file: []\n", defaults).certificate_file.empty());
  const BackoffSpec backoff = tunnel("    backoff: {network: {cap: 10m}}\n", defaults).backoff;
  CHECK(backoff.network == BackoffSchedule{5s, 10min});
  CHECK(backoff.listener == BackoffSpec{}.listener);
  CHECK(backoff.reset_after == 2min);
}

TEST_CASE("defaults may stand after the tunnels") {
  const Config config = parsed(
      "tunnels:\n"
      "  a: {host_name: h, remote_forward: 1:h:1}\n"
      "  b: {host_name: h, remote_forward: 2:h:1, user: other}\n"
      "defaults: {user: device, identity_file: /k}\n");
  CHECK(config.tunnels.at(0).user == "device");
  CHECK(config.tunnels.at(1).user == "other");
  CHECK(config.tunnels.at(1).identity_file == std::vector<std::string>{"/k"});
}

TEST_CASE("values are understood in every spelling that ssh's users know") {
  for (const char* const yes : {"yes", "true", "on", "YES", "True", "\"yes\""})
    CHECK(tunnel("    exit_on_forward_failure: " + std::string(yes) + "\n").exit_on_forward_failure);
  for (const char* const no : {"no", "false", "off", "No"})
    CHECK_FALSE(tunnel("    exit_on_forward_failure: " + std::string(no) + "\n").exit_on_forward_failure);
  const auto strict = [](const char* word) {
    return tunnel("    strict_host_key_checking: " + std::string(word) + "\n").strict_host_key_checking;
  };
  for (const char* const yes : {"yes", "true", "on"}) CHECK(strict(yes) == StrictHostKeyChecking::yes);
  for (const char* const no : {"no", "false", "off"}) CHECK(strict(no) == StrictHostKeyChecking::no);
  CHECK(strict("accept-new") == StrictHostKeyChecking::accept_new);
  for (const char* const level : {"DEBUG", "debug", "DEBUG1", "Debug1"})
    CHECK(tunnel("    log_level: " + std::string(level) + "\n").log_level == LogLevel::debug);
  CHECK(tunnel("    ciphers: [a, \"b,c\"]\n").ciphers == "a,b,c");
  CHECK(tunnel("    macs: a, b\n").macs == "a,b");
  CHECK(tunnel("    rekey_limit: default 1h\n").rekey_limit == RekeyLimit{0, 1h});
  CHECK(tunnel("    rekey_limit: 1G none\n").rekey_limit == RekeyLimit{1U << 30U, 0s});
  CHECK(tunnel("    rekey_limit: 512M\n").rekey_limit == RekeyLimit{512U << 20U, 0s});
  CHECK(tunnel("    port: \"22\"\n").port == 22);
  CHECK(tunnel("    host_key_fingerprint: SHA256:uNiVztksCsDhcc0u9e8BrsbKxqRTJOHQ+BRv1NdMRL0=\n")
            .host_key_fingerprint.at(0) == "SHA256:uNiVztksCsDhcc0u9e8BrsbKxqRTJOHQ+BRv1NdMRL0");
}

TEST_CASE("a forward is a text or a mapping, alone or in a list") {
  const auto forwards = [](const std::string& value) {
    return parsed("tunnels: {a: {host_name: h, user: u, identity_agent: /a, remote_forward: " + value + "}}")
        .tunnels.at(0)
        .remote_forward;
  };
  const std::vector<RemoteForward> one{{"localhost", 4649, TcpTarget{"localhost", 22}}};
  CHECK(forwards("4649:localhost:22") == one);
  CHECK(forwards("4649 localhost:22") == one);
  CHECK(forwards("[4649:localhost:22]") == one);
  CHECK(forwards("{listen: 4649, target: localhost:22}") == one);
  CHECK(forwards("[{target: localhost:22, listen: localhost:4649}]") == one);
  CHECK(forwards("{listen: \"*:80\", target: /run/s}").at(0) == RemoteForward{"", 80, UnixTarget{"/run/s"}});
}

TEST_CASE("host_name is a relay or a list of them, which take what they lack from the tunnel") {
  const std::string pin = "SHA256:uNiVztksCsDhcc0u9e8BrsbKxqRTJOHQ+BRv1NdMRL0";
  const auto relays = [](const std::string& list, const std::string& more) {
    const TunnelSpec spec = parsed("tunnels: {a: {host_name: " + list + ", user: u, identity_agent: /a, " + more +
                                   " user_known_hosts_file: /k, remote_forward: 1:h:1}}")
                                .tunnels.at(0);
    CHECK(spec.host_name == "");
    return spec.relays;
  };
  CHECK(relays("[r, r:443, 2001:db8::1, \"[2001:db8::1]:443\", \"[2001:db8::2]\"]", "port: 2222,") ==
        std::vector<RelaySpec>{{"r", 2222, "/k", {}},
                               {"r", 443, "/k", {}},
                               {"2001:db8::1", 2222, "/k", {}},
                               {"2001:db8::1", 443, "/k", {}},
                               {"2001:db8::2", 2222, "/k", {}}});
  CHECK(relays("[{host_name: r}, {host_name: s, port: 1, user_known_hosts_file: /s, host_key_fingerprint: " + pin +
                   "}, t]",
               "") == std::vector<RelaySpec>{{"r", 22, "/k", {}}, {"s", 1, "/s", {pin}}, {"t", 22, "/k", {}}});
  CHECK(relays("[r]", "host_key_fingerprint: " + pin + ",") == std::vector<RelaySpec>{{"r", 22, "/k", {pin}}});
}

TEST_CASE("a list of relays can be a default, and what a tunnel gives still counts for it") {
  const std::string defaults = "defaults: {host_name: [one, two:443], port: 2222}\n";
  const auto rest = [](const std::string& more) {
    return "tunnels: {a: {user: u, identity_agent: /a, user_known_hosts_file: /k, remote_forward: 1:h:1" + more + "}}";
  };
  CHECK(parsed(defaults + rest("")).tunnels.at(0).relays ==
        std::vector<RelaySpec>{{"one", 2222, "/k", {}}, {"two", 443, "/k", {}}});
  CHECK(parsed(defaults + rest(", port: 23")).tunnels.at(0).relays.at(0).port == 23);
  const TunnelSpec own = parsed(defaults + rest(", host_name: alone")).tunnels.at(0);
  CHECK(own.host_name == "alone");
  CHECK(own.relays.empty());
}

TEST_CASE("how relays are selected, and when the preferred one is returned to") {
  CHECK(tunnel("").relay_selection == RelaySelection::ordered);
  CHECK(tunnel("    relay_selection: hash\n").relay_selection == RelaySelection::hash);
  CHECK(tunnel("").fail_back_after == 10min);
  CHECK(tunnel("    fail_back_after: 0\n").fail_back_after == 0s);
}

TEST_CASE("the status socket is a path or a mapping") {
  const std::string rest = "tunnels: {a: {host_name: h, user: u, identity_agent: /a, remote_forward: 1:h:1}}\n";
  CHECK(parsed("status_socket: /run/s\n" + rest).status_socket == StatusSocketSpec{"/run/s", ""});
  CHECK(parsed("status_socket: {group: adm}\n" + rest).status_socket ==
        StatusSocketSpec{"/run/holdfast/status.sock", "adm"});
}

TEST_CASE("keys are found in systemd's credentials directory") {
  FakeFiles files;
  files.credentials = "/run/credentials/holdfast.service";
  const std::string text =
      "tunnels: {a: {host_name: h, user: u, identity_file: \"${CREDENTIALS_DIRECTORY}/key\", remote_forward: 1:h:1}}";
  CHECK(parsed(text, files).tunnels.at(0).identity_file ==
        std::vector<std::string>{"/run/credentials/holdfast.service/key"});
  files.files = {{"/run/credentials/holdfast.service/key", Files::Kind::exposed}};
  CHECK(problems_of(text, files) ==
        "h.yaml:1:53: tunnels.a.identity_file: private key '/run/credentials/holdfast.service/key' can be read by "
        "others; "
        "chmod 600 it\n");
}

TEST_CASE("an agent that the defaults name can be left out") {
  CHECK(tunnel("    identity_agent: none\n", "defaults: {identity_agent: /run/agent}\n").identity_agent == "");
}
