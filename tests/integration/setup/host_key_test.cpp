#include "setup/host_key.hpp"

#include <doctest/doctest.h>

#include "support/keys.hpp"
#include "support/net.hpp"
#include "support/skip.hpp"
#include "support/sshd.hpp"
#include "support/targets.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

struct Look {
  TempDir dir;
  std::string known_hosts = dir / "known_hosts";

  tl::expected<ShownHostKey, Failure> at(const std::string& host, std::uint16_t port,
                                         std::chrono::seconds limit = std::chrono::seconds{15}) const {
    TunnelSpec spec;
    spec.host_name = host;
    spec.port = port;
    spec.user = "tunnel";
    spec.user_known_hosts_file = known_hosts;
    return setup::look_at_relay(spec, limit);
  }
};

}  // namespace

TEST_CASE("the host key that a relay shows is seen without a login, and known once it is remembered") {
  const Sshd relay;
  const Look look;
  const auto shown = look.at(relay.host(), relay.port());
  REQUIRE_MESSAGE(shown, describe(shown.error()));
  CHECK(shown->type == "ssh-ed25519");
  CHECK(shown->fingerprint == fingerprint(host_key(KeyType::ed25519)));
  CHECK(relay.known_hosts().find(shown->line) != std::string::npos);
  write_file(look.known_hosts, "other.example ssh-ed25519 AAAA");  // without a newline behind it
  CHECK(setup::remember(look.known_hosts, shown->line).empty());
  CHECK(read_file(look.known_hosts) == "other.example ssh-ed25519 AAAA\n" + shown->line);
  const auto again = look.at(relay.host(), relay.port());
  REQUIRE(again);
  CHECK(again->line.empty());
  CHECK(again->known_line == shown->line);
}

TEST_CASE("a relay is seen by its IPv6 address") {
  if (skipped_without_ipv6()) return;
  const Sshd relay{{.ipv6 = true}};
  const auto shown = Look{}.at("::1", relay.port());
  REQUIRE(shown);
  CHECK(shown->line.starts_with("[::1]:" + std::to_string(relay.port()) + " ssh-ed25519 "));
}

TEST_CASE("a relay that shows another key than the known one is refused") {
  const Sshd relay;
  const Look look;
  write_file(look.known_hosts,
             "[127.0.0.1]:" + std::to_string(relay.port()) + " " + public_key(host_key(KeyType::ed25519, 1)) + "\n");
  const auto shown = look.at(relay.host(), relay.port());
  REQUIRE_FALSE(shown);
  CHECK(shown.error().cause == Cause::host_key_changed);
  CHECK(shown.error().detail.find(fingerprint(host_key(KeyType::ed25519))) != std::string::npos);
}

TEST_CASE("who is no relay is told by what is wrong") {
  const RefusingPort nobody;
  CHECK(Look{}.at("127.0.0.1", nobody.port()).error().cause == Cause::connection_refused);
  const TargetServer web{[](Socket& socket) {
    socket.receive_until("\n");
    socket.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  }};
  const auto shown = Look{}.at("127.0.0.1", web.port());
  REQUIRE_FALSE(shown);
  CHECK(shown.error().cause == Cause::protocol_mismatch);
}

TEST_CASE("a relay that says nothing is given up") {
  const TargetServer silent{sink()};
  const auto shown = Look{}.at("127.0.0.1", silent.port(), std::chrono::seconds{1});
  REQUIRE_FALSE(shown);
  CHECK(shown.error().cause == Cause::phase_timed_out);
}
