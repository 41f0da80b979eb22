// From the banner to the login.
#include <doctest/doctest.h>

#include <filesystem>

#include "lab/atlas/relays.hpp"

using namespace holdfast;
using namespace holdfast::lab;
using namespace std::chrono_literals;

namespace {

/// Something else than sshd at the relay's port.
struct Impostor {
  Impostor(Bedside& bedside, test::Conversation conversation) {
    bedside.relay.terminate();
    const InNetwork here(bedside.lab.relay());
    server.emplace(std::move(conversation), test::Listener::tcp_everywhere(Lab::ssh_port));
  }
  std::optional<test::TargetServer> server;
};

test::Conversation saying(std::string words) {
  return [words = std::move(words)](test::Socket& socket) {
    socket.receive();
    socket.send(words);
  };
}

std::string known_line(const std::string& private_key, const std::string& mark = "") {
  return mark + std::string(Lab::relay_name) + "," + Lab::relay_address + " " + test::read_file(private_key + ".pub");
}

}  // namespace

TEST_CASE("a web server answers in the relay's place") {
  Bedside bedside;
  const Impostor portal(bedside, saying("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
  const Seen seen = bedside.examine();
  check_answer(seen, "captive_portal", 10s);
  CHECK(mentions(seen.layers.at("banner"), "HTTP/1.1 400 Bad Request"));
  CHECK(seen.layers.at("authentication").result == "skip");
}

TEST_CASE("something that speaks TLS answers in the relay's place") {
  Bedside bedside;
  const Impostor proxy(bedside, saying(std::string("\x15\x03\x01\x00\x02\x02\x46", 7)));
  const Seen seen = bedside.examine();
  check_answer(seen, "protocol_mismatch", 10s);
  CHECK(mentions(seen.layers.at("banner"), "TLS"));
}

TEST_CASE("who answers says nothing") {
  Bedside bedside;
  const Impostor hole(bedside, silent());
  check_answer(bedside.examine(), "no_banner", 15s);
}

TEST_CASE("the relay speaks SSH 1 only") {
  Bedside bedside;
  const Impostor old(bedside, saying("SSH-1.5-OpenSSH_2.1\r\n"));
  check_answer(bedside.examine(), "relay_too_old", 15s);
}

TEST_CASE("the relay stalls behind its banner") {
  Bedside bedside;
  const Impostor stalled(bedside, [](test::Socket& socket) {
    socket.send("SSH-2.0-OpenSSH_9.2p1\r\n");
    socket.receive_all();
  });
  const Seen seen = bedside.examine();
  check_answer(seen, "phase_timed_out", 20s);
  CHECK(seen.answer == "key_exchange");
}

TEST_CASE("the relay takes nobody more (MaxStartups)") {
  Bedside bedside(with(configured({"MaxStartups 1"})));
  const InNetwork here(bedside.lab.relay());
  const test::Socket first = test::Socket::connect_tcp(Lab::relay_address, Lab::ssh_port);
  const Seen seen = bedside.examine();
  check_answer(seen, "relay_penalty", 10s);
  CHECK(seen.layers.at("banner").next_step.find("MaxStartups") != std::string::npos);
}

TEST_CASE("the relay takes nobody from this address for now (PerSourcePenalties)") {
  Bedside bedside;
  const Impostor penalty(bedside, saying("Not allowed at this time\r\n"));
  const Seen seen = bedside.examine();
  check_answer(seen, "relay_penalty", 10s);
  CHECK(seen.answer == "banner");
  CHECK(seen.layers.at("banner").next_step.find("PerSourcePenalties") != std::string::npos);
}

TEST_CASE("no key exchange is common") {
  Bedside bedside(with(configured({"KexAlgorithms curve25519-sha256"})));
  bedside.subject.settings().more = {"kex_algorithms: diffie-hellman-group18-sha512"};
  const Seen seen = bedside.examine();
  check_answer(seen, "no_common_algorithm", 10s);
  CHECK(mentions(seen.layers.at("key_exchange"), "the relay offers curve25519-sha256"));
  CHECK(mentions(seen.layers.at("key_exchange"), "we offer diffie-hellman-group18-sha512"));
}

TEST_CASE("the relay's host key is not the known one") {
  Bedside bedside;
  const test::TempDir dir;
  std::string cause;
  SUBCASE("nothing is known") {
    test::write_file(bedside.relay.known_hosts(), "");
    cause = "host_key_unknown";
  }
  SUBCASE("another one is") {
    test::write_file(bedside.relay.known_hosts(), known_line(new_key(dir, "other")));
    cause = "host_key_changed";
  }
  SUBCASE("it is revoked") {
    const std::string known = test::read_file(bedside.relay.known_hosts());
    test::write_file(bedside.relay.known_hosts(), "@revoked " + known);
    cause = "host_key_revoked";
  }
  SUBCASE("only one of another type is known") {
    test::write_file(bedside.relay.known_hosts(), known_line(new_key(dir, "other", "ecdsa")));
    cause = "host_key_of_another_type";
  }
  SUBCASE("another one is pinned") {
    bedside.subject.settings().more = {"host_key_fingerprint: SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"};
    cause = "host_key_not_pinned";
  }
  const Seen seen = bedside.examine();
  check_answer(seen, cause, 10s);
  CHECK(!seen.layers.at("key_exchange").measured.empty());
  CHECK(mentions(seen.layers.at("host_key"), "SHA256:"));
  CHECK(mentions(seen.layers.at("host_key"), std::string("connected to ") + Lab::relay_address));
  if (cause != "host_key_not_pinned") CHECK(mentions(seen.layers.at("host_key"), bedside.relay.known_hosts()));
}

TEST_CASE("the login is refused") {
  const test::TempDir dir;
  RelayOptions relay;
  std::string user;
  std::string identity;
  SUBCASE("no such user") {
    user = "nobody-there";
  }
  SUBCASE("a key that the account does not know") {
    identity = new_key(dir, "stranger");
  }
  SUBCASE("a key that may come from elsewhere only") {
    relay.key_options = "from=\"192.0.2.99\"";
  }
  SUBCASE("an account that may not") {
    relay.config = {"DenyUsers tunnel"};
  }
  Bedside bedside(with(relay));
  if (!user.empty()) bedside.subject.settings().user = user;
  if (!identity.empty()) bedside.subject.settings().identity = identity;
  const Seen seen = bedside.examine();
  check_answer(seen, "authentication_refused", 10s);
  CHECK(mentions(seen.layers.at("authentication"), "SHA256:"));
  CHECK(mentions(seen.layers.at("authentication"), "offers publickey"));
  CHECK(mentions(seen.layers.at("authentication"), user.empty() ? "tunnel" : user));
}

TEST_CASE("the relay takes passwords only, and says why") {
  const test::TempDir dir;
  test::write_file(dir / "banner", "Keys are \x1b[31mnot\x1b[0m taken here\nAsk Bob\n", 0644);
  Bedside bedside(
      with(configured({"PubkeyAuthentication no", "PasswordAuthentication yes", "Banner " + (dir / "banner")})));
  const Seen seen = bedside.examine();
  check_answer(seen, "login_method_missing", 10s);
  CHECK(mentions(seen.layers.at("authentication"), "offers password"));
  CHECK(mentions(seen.layers.at("authentication"), "the relay says: Keys are ?[31mnot?[0m taken here"));
  CHECK(mentions(seen.layers.at("authentication"), "the relay says: Ask Bob"));
}

TEST_CASE("the relay takes the key, and asks for a password too") {
  Bedside bedside(with(configured({"PasswordAuthentication yes", "AuthenticationMethods publickey,password"})));
  const Seen seen = bedside.examine();
  check_answer(seen, "authentication_refused", 10s);
  CHECK(mentions(seen.layers.at("authentication"), "the relay offers password after a partial success"));
  CHECK(seen.layers.at("authentication").next_step.find("AuthenticationMethods") != std::string::npos);
}

TEST_CASE("the account has expired") {
  Bedside bedside;
  bedside.lab.relay().run({"sed", "-i", "s/^tunnel:.*/tunnel:*:1:::::2:/", "/etc/shadow"});
  const Seen seen = bedside.examine();
  check_answer(seen, "authentication_refused", 10s);
  CHECK(bedside.relay.log().find("has expired") != std::string::npos);
  CHECK(seen.layers.at("authentication").next_step.find("the account and the relay's log") != std::string::npos);
}

TEST_CASE("the certificate has expired") {
  const test::TempDir dir;
  const std::string authority = new_key(dir, "authority");
  const std::string key = new_key(dir, "key");
  test::run_checked(
      {.argv = {"ssh-keygen", "-q", "-s", authority, "-I", "device", "-n", "tunnel", "-V", "-2d:-1d", key + ".pub"}});
  Bedside bedside(with(configured({"TrustedUserCAKeys " + authority + ".pub"})));
  bedside.subject.settings().identity = key;
  const Seen seen = bedside.examine();
  check_answer(seen, "certificate_expired", 10s);
  CHECK(mentions(seen.layers.at("authentication"), "has expired"));
}

TEST_CASE("the key that the running session logged in with is gone") {
  Bedside bedside;
  const test::TempDir dir;
  const std::string key = dir / "key";
  test::write_file(key, test::read_file(bedside.subject.settings().identity));
  bedside.subject.settings().identity = key;
  bedside.establish();
  std::filesystem::remove(key);
  const Seen seen = bedside.examine();
  check_answer(seen, "identity_unusable", 10s);
  CHECK(seen.exit_status == 1);
  CHECK(seen.layers.at("authentication").result == "warn");
  CHECK(mentions(seen.layers.at("authentication"), key));
}

TEST_CASE("there is no key that can be used") {
  Bedside bedside;
  const test::TempDir dir;
  const std::string key = dir / "key";
  test::run_checked({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key}});
  bedside.subject.settings().identity = key;
  std::string cause;
  SUBCASE("the file needs a passphrase") {
    cause = "identity_unusable";
  }
  SUBCASE("nor is there an agent") {
    bedside.subject.settings().more = {"identity_agent: /nowhere/agent"};
    cause = "agent_unusable";
  }
  check_answer(bedside.examine(), cause, 10s);
}

TEST_CASE("there is an agent, and it gives no signature") {
  Bedside bedside;
  const test::TempDir dir;
  const test::Process agent({.argv = {"ssh-agent", "-D", "-a", dir / "agent"}});
  REQUIRE(test::wait_until([&] { return std::filesystem::exists(dir / "agent"); }));
  test::write_file(dir / "ask", "#!/bin/sh\necho secret\n", 0700);
  const auto add = [&](std::vector<std::string> argv, const std::string& ask = "/bin/false") {
    argv.insert(argv.begin(), "ssh-add");
    test::run_checked(
        {.argv = std::move(argv),
         .env = {{"SSH_AUTH_SOCK", dir / "agent"}, {"SSH_ASKPASS", ask}, {"SSH_ASKPASS_REQUIRE", "force"}}});
  };
  std::string words;
  SUBCASE("it is locked") {
    add({"-q", bedside.relay.identity()});
    add({"-x"}, dir / "ask");
    words = "it holds none, or is locked";
  }
  SUBCASE("it holds no key") {
    words = "it holds none, or is locked";
  }
  SUBCASE("somebody has to confirm, and nobody is there") {
    add({"-q", "-c", bedside.relay.identity()});
    words = "it refuses to sign";
  }
  const std::string encrypted = dir / "key";
  test::run_checked({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", encrypted}});
  bedside.subject.settings().identity = encrypted;
  bedside.subject.settings().more = {"identity_agent: " + (dir / "agent")};
  const Seen seen = bedside.examine();
  INFO(seen.text);
  check_answer(seen, "agent_unusable", 10s);
  CHECK(mentions(seen.layers.at("authentication"), words));
  CHECK(seen.layers.at("authentication").next_step.find("unlocked") != std::string::npos);
}
