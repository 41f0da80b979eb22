// Who the relay is, and who we are: each way in which the two do not trust each other.
#include <doctest/doctest.h>

#include <string>

#include "scenario.hpp"

using namespace holdfast::test;

namespace {

/// Down for this reason, with words that help, and nothing listens on the relay.
void check_refusal(const Holdfast& holdfast, const std::string& cause, std::uint16_t port) {
  REQUIRE(holdfast.wait_for_failure(cause));
  const Json error = holdfast.tunnel()["last_error"];
  CHECK(error["remedy"] != "");
  CHECK(error["operation"] != "");
  CHECK(error["subject"] != "");
  CHECK_FALSE(is_listening(port));
  CHECK(holdfast.says(error["remedy"].get<std::string>()));
}

std::size_t logins(const Sshd& relay) {
  const std::string log = relay.log();
  std::size_t count = 0;
  for (std::size_t at = 0; (at = log.find("Accepted publickey", at)) != std::string::npos; ++at) {
    ++count;
  }
  return count;
}

std::string fingerprint(KeyType type, int set = 0) {
  const std::string line = run_checked({{"ssh-keygen", "-l", "-E", "sha256", "-f", host_key(type, set) + ".pub"}});
  const std::size_t begin = line.find("SHA256:");
  return line.substr(begin, line.find(' ', begin) - begin);
}

}  // namespace

TEST_CASE("a host key that changed is refused until the old one is back, whether strict or accept-new") {
  std::string checking;
  SUBCASE("strict") {
    checking = "yes";
  }
  SUBCASE("accept-new") {
    checking = "accept-new";
  }
  Sshd relay;
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, 1)).set("strict_host_key_checking", checking));
  REQUIRE(holdfast.wait_for_up());
  relay.options().host_key_set = 1;
  relay.restart();
  check_refusal(holdfast, "host_key_changed", port);
  CHECK(logins(relay) == 1);  // our key was not offered to a stranger
  relay.options().host_key_set = 0;
  relay.restart();
  CHECK(holdfast.wait_for_up());
}

TEST_CASE("an unknown host key is refused by yes and written down by accept-new, for ever") {
  Sshd relay;
  const std::uint16_t port = free_port();
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, 1));
  tunnel.known_hosts = "";
  SUBCASE("yes") {
    const Holdfast holdfast(tunnel);
    check_refusal(holdfast, "host_key_unknown", port);
    CHECK(read_file(holdfast.known_hosts_file()).empty());
    write_file(holdfast.known_hosts_file(), relay.known_hosts());
    CHECK(holdfast.wait_for_up());
  }
  SUBCASE("accept-new") {
    const Holdfast holdfast(tunnel.set("strict_host_key_checking", "accept-new"));
    REQUIRE(holdfast.wait_for_up());
    CHECK(read_file(holdfast.known_hosts_file()).find("[127.0.0.1]:" + std::to_string(relay.port())) !=
          std::string::npos);
    relay.options().host_key_set = 1;
    relay.restart();
    check_refusal(holdfast, "host_key_changed", port);
  }
}

TEST_CASE("a revoked host key is refused, also where it is listed as good") {
  const Sshd relay;
  const std::uint16_t port = free_port();
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, 1));
  for (const KeyType type : {KeyType::ed25519, KeyType::ecdsa, KeyType::rsa}) {
    tunnel.known_hosts += "@revoked * " + public_key(host_key(type)) + "\n";
  }
  SUBCASE("strict") {}
  SUBCASE("accept-new") {
    tunnel.set("strict_host_key_checking", "accept-new");
  }
  const Holdfast holdfast(tunnel);
  check_refusal(holdfast, "host_key_revoked", port);
}

TEST_CASE("a line for the host that can't be read is no reason to trust a new key") {
  const Sshd relay;
  const std::uint16_t port = free_port();
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, 1)).set("strict_host_key_checking", "accept-new");
  tunnel.known_hosts = "[127.0.0.1]:" + std::to_string(relay.port()) + " ssh-ed25519 AAAAgarbage\n";
  const Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for([](const Json& now) { return !now["last_error"].is_null(); }));
  CHECK((holdfast.cause() == "known_hosts_unusable" || holdfast.cause() == "host_key_changed"));
  CHECK_FALSE(is_listening(port));
}

TEST_CASE("a pinned fingerprint decides, whatever known_hosts says") {
  const Sshd relay;
  const std::uint16_t port = free_port();
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, 1));
  SUBCASE("the relay's") {
    tunnel.set("host_key_fingerprint", fingerprint(KeyType::ed25519));
    const Holdfast holdfast(tunnel);
    CHECK(holdfast.wait_for_up());
  }
  SUBCASE("the relay's key of another type") {
    tunnel.set("host_key_fingerprint", "[" + fingerprint(KeyType::rsa) + ", " + fingerprint(KeyType::ecdsa) + "]")
        .set("host_key_algorithms", "rsa-sha2-512");
    const Holdfast holdfast(tunnel);
    CHECK(holdfast.wait_for_up());
  }
  SUBCASE("another's") {
    tunnel.set("host_key_fingerprint", fingerprint(KeyType::ed25519, 1));
    const Holdfast holdfast(tunnel);
    check_refusal(holdfast, "host_key_not_pinned", port);
  }
}

TEST_CASE("a key that the relay does not know is refused until it is authorized") {
  Sshd relay;
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, 1)).set("identity_file", stranger_key()));
  check_refusal(holdfast, "authentication_refused", port);
  CHECK(holdfast.tunnel()["last_error"]["detail"].get<std::string>().find("publickey") != std::string::npos);
  relay.options().authorized_keys = {{public_key(stranger_key())}};
  relay.restart();
  CHECK(holdfast.wait_for_up());
}

TEST_CASE("a locked account is refused until it is unlocked") {
  Sshd relay;
  const std::uint16_t port = free_port();
  relay.account().set_locked(true);
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, 1)));
  check_refusal(holdfast, "authentication_refused", port);
  relay.account().set_locked(false);
  CHECK(holdfast.wait_for_up());
}

TEST_CASE("a key with a passphrase and no agent is said to be just that, without a prompt") {
  const Sshd relay;
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, 1)).set("identity_file", encrypted_key()));
  check_refusal(holdfast, "identity_unusable", port);
  CHECK(holdfast.says("passphrase"));
}

TEST_CASE("each kind of key, a second one after a wrong one, a certificate, and an agent get in") {
  SshdOptions options;
  const std::uint16_t port = free_port();
  Tunnel tunnel;
  TempDir dir;
  std::optional<Process> agent;
  std::string keys;
  SUBCASE("ecdsa") {
    keys = client_key(KeyType::ecdsa);
  }
  SUBCASE("rsa") {
    keys = client_key(KeyType::rsa);
  }
  SUBCASE("two, the first unknown to the relay") {
    keys = "[" + stranger_key() + ", " + client_key() + "]";
  }
  SUBCASE("certificate") {
    options.authorized_keys = {"cert-authority " + public_key(ca_key())};
    keys = stranger_key();
  }
  SUBCASE("agent") {
    agent.emplace(Command{{"ssh-agent", "-D", "-a", dir / "agent"}});
    REQUIRE(wait_until([&] { return ::access((dir / "agent").c_str(), F_OK) == 0; }));
    run_checked({{"ssh-add", "-q", client_key()}, {{"SSH_AUTH_SOCK", dir / "agent"}}});
  }
  const Sshd relay(options);
  tunnel = Tunnel::to(relay).forward(to_local(port, 1));
  if (agent) {
    tunnel.keys.erase("identity_file");
    tunnel.set("identity_agent", dir / "agent");
  } else {
    tunnel.set("identity_file", keys);
  }
  if (options.authorized_keys) {
    tunnel.set("certificate_file", sign_certificate(stranger_key(), relay.user()));
  }
  const Holdfast holdfast(tunnel);
  CHECK(holdfast.wait_for_up());
  CHECK(holdfast.tunnel()["attempt"] == 1);
}

TEST_CASE("no common algorithm is said to be that") {
  const Sshd relay;
  const std::uint16_t port = free_port();
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, 1));
  SUBCASE("cipher") {
    tunnel.set("ciphers", "aes256-cbc");
  }
  SUBCASE("key exchange") {
    tunnel.set("kex_algorithms", "diffie-hellman-group1-sha1");
  }
  const Holdfast holdfast(tunnel);
  check_refusal(holdfast, "no_common_algorithm", port);
}
