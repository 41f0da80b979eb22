#include "setup/words.hpp"

#include <doctest/doctest.h>

#include "config/load.hpp"

using namespace holdfast;
using namespace holdfast::setup;

namespace {

const PublicKey key{"ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIIk0"};
const RemoteForward forward{"localhost", 4649, TcpTarget{"localhost", 22}};

NewTunnel example() {
  return {"relay", {"tunnel", "relay.example", 22}, "/home/pi/.config/holdfast/id_ed25519", "", "", forward};
}

std::string again(const std::string& text) {
  const auto login = parse_login(text);
  return login ? to_string(*login) : login.error();
}

/// As if every file were there.
struct AnyFiles final : config::Files {
  Kind private_key(const std::string&) const override { return Kind::good; }
  Kind readable_file(const std::string&) const override { return Kind::good; }
  std::optional<std::string> credentials_directory() const override { return "/run/credentials/holdfast.service"; }
  std::string congestion_controls() const override { return {}; }
};

TunnelSpec read_back(const NewTunnel& tunnel) {
  const auto loaded = config::parse({{"main", main_yaml("")}, {"drop-in", tunnel_yaml(tunnel)}}, AnyFiles{});
  REQUIRE_MESSAGE(loaded, config::to_string(loaded.error().front()));
  REQUIRE(loaded->config.tunnels.size() == 1);
  return loaded->config.tunnels.front();
}

}  // namespace

TEST_CASE("the account on the relay is read with a name or an address, and with a port") {
  for (const char* good : {"tunnel@relay.example", "tunnel@relay.example:2222", "tunnel@192.0.2.7:2222",
                           "tunnel@[2001:db8::1]:2222", "tunnel@[2001:db8::1]", "a@b@relay.example"}) {
    CHECK(again(good) == good);
  }
  CHECK(again("tunnel@relay.example:22") == "tunnel@relay.example");
  CHECK(again("tunnel@2001:db8::1") == "tunnel@[2001:db8::1]");
  CHECK(again("ssh://tunnel@relay.example:2222") == "tunnel@relay.example:2222");
  CHECK(again("ssh://tunnel@[::1]:2222/") == "tunnel@[::1]:2222");
}

TEST_CASE("a wrong account is refused, with what to type instead") {
  const std::string no_user = " does not say which account on the relay: write USER@HOST, as tunnel@relay.example";
  CHECK(again("relay.example") == "'relay.example'" + no_user);
  CHECK(again("@relay.example") == "'@relay.example'" + no_user);
  CHECK(again("") == "''" + no_user);
  CHECK(again("tunnel@") == "'tunnel@' does not say which host: write USER@HOST, as tunnel@relay.example");
  CHECK(again("-oProxyCommand=x@relay.example") ==
        "'-oProxyCommand=x' is no account's name: write USER@HOST, as tunnel@relay.example");
  CHECK(again("tun nel@relay.example") == "'tun nel' is no account's name: write USER@HOST, as tunnel@relay.example");
  const std::string form = "; write USER@HOST, USER@HOST:PORT or USER@[v6]:PORT";
  CHECK(again("tunnel@relay.example:0") == "'tunnel@relay.example:0': '0' is not a port from 1 to 65535" + form);
  CHECK(again("tunnel@relay.example:70000") ==
        "'tunnel@relay.example:70000': '70000' is not a port from 1 to 65535" + form);
  CHECK(again("tunnel@relay.example:ssh").ends_with("'ssh' is not a port from 1 to 65535" + form));
  CHECK(again("tunnel@::1:2222") ==
        "'tunnel@::1:2222' may be an address, or one with a port: write tunnel@[::1:2222] or tunnel@[::1]:2222");
  CHECK(again("tunnel@[2001:db8::1").ends_with("']' is missing" + form));
}

TEST_CASE("a tunnel's file says only what differs from the defaults, and reads back") {
  CHECK(tunnel_yaml(example()) ==
        "# Made by 'holdfast init'. Whatever is not said here has its default: holdfast.yaml(5).\n"
        "tunnels:\n"
        "  relay:\n"
        "    host_name: relay.example\n"
        "    user: tunnel\n"
        "    identity_file: /home/pi/.config/holdfast/id_ed25519\n"
        "    remote_forward:\n"
        "      - \"localhost:4649:localhost:22\"\n");
  const TunnelSpec spec = read_back(example());
  CHECK(spec.host_name == "relay.example");
  CHECK(spec.remote_forward == std::vector{forward});
  CHECK(spec.user_known_hosts_file == config::default_known_hosts);
}

TEST_CASE("what a tunnel's file has to quote reads back") {
  NewTunnel tunnel = example();
  tunnel.name = "true";
  tunnel.login = {"1e3", "2001:db8::", 2222};
  tunnel.identity_file = "${CREDENTIALS_DIRECTORY}/id_ed25519";
  tunnel.identity_comment = "systemd's copy of /etc/holdfast/id_ed25519";
  tunnel.known_hosts = "/home/a b/\"c\": #d/known_hosts";
  tunnel.forward.target = TcpTarget{"::1", 22};
  const TunnelSpec spec = read_back(tunnel);
  CHECK(spec.name == tunnel.name);
  CHECK(spec.user == tunnel.login.user);
  CHECK(spec.host_name == tunnel.login.host);
  CHECK(spec.port == 2222);
  CHECK(spec.identity_file == std::vector<std::string>{"/run/credentials/holdfast.service/id_ed25519"});
  CHECK(spec.user_known_hosts_file == tunnel.known_hosts);
  CHECK(spec.remote_forward == std::vector{tunnel.forward});
}

TEST_CASE("a tunnel may have any name, whatever YAML takes it for") {
  for (const char* name : {"null", "Null", "true", "yes", "no", "on", "y", "7", "0x1f", "0o7", "1e3", "1_000", "1.5",
                           "2026-01-01", "relay", "gateway-7", "a.b", "_"}) {
    CAPTURE(name);
    NewTunnel tunnel = example();
    tunnel.name = name;
    CHECK(read_back(tunnel).name == name);
  }
  NewTunnel tunnel = example();
  tunnel.name = "null";
  tunnel.login.host = "192.0.2.7";
  CHECK(tunnel_yaml(tunnel).find("\n  \"null\":\n") != std::string::npos);
  CHECK(tunnel_yaml(tunnel).find("host_name: 192.0.2.7\n") != std::string::npos);
}

TEST_CASE("the relay's line restricts the key to its one listener, and its comment can't break out") {
  const std::string line =
      "restrict,port-forwarding,permitlisten=\"localhost:4649\",permitopen=\"localhost:4649\" "
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIk0";
  CHECK(authorized_keys_line({forward}, key, "gateway-7.site_2") == line + " gateway-7.site_2");
  CHECK(authorized_keys_line({forward}, key, "a'\n; b") == line + " a----b");
  CHECK(authorized_keys_line({forward}, key, "") == line);
  CHECK(install_script({forward}, key, "it's").starts_with("line='" + line + " it-s' "));
}

TEST_CASE("all listeners of a key stand in its one line") {
  const RemoteForward wide{"", 4650, TcpTarget{"localhost", 80}};
  const RemoteForward six{"::1", 0, TcpTarget{"localhost", 80}};
  CHECK(key_options({forward, wide, six}) ==
        "restrict,port-forwarding,permitlisten=\"localhost:4649\",permitlisten=\"*:4650\",permitlisten=\"[::1]:*\","
        "permitopen=\"localhost:4649\",permitopen=\"localhost:4650\",permitopen=\"[::1]:*\"");
  for (const RemoteForward& each : {forward, wide, six}) CHECK(permits(key_options({forward, wide, six}), each));
  CHECK_FALSE(permits(key_options({wide, six}), forward));
}

TEST_CASE("it is seen whether a line that is there permits a listener") {
  const std::string rest = " ssh-ed25519 AAAA permitlisten=\"localhost:4649\"";
  for (const char* good :
       {"restrict,port-forwarding", "permitlisten=\"4649\"", "permitlisten=\"*:4649\"", "permitlisten=\"localhost:*\"",
        "PermitListen=\"localhost:1\",permitlisten=\"localhost:4649\"", "command=\"a \\\"b\\\", restrict\"",
        "restrict,command=\"exec /bin/sh x\",port-forwarding,permitlisten=\"localhost:4649\""}) {
    CAPTURE(good);
    CHECK(permits(good + rest, forward));
  }
  CHECK(permits("  ssh-ed25519 AAAA", forward));
  for (const char* bad : {"restrict", "no-port-forwarding", "port-forwarding,restrict", "permitlisten=\"localhost:1\"",
                          "permitlisten=\"127.0.0.1:4649\"", "permitlisten=\"none\""}) {
    CAPTURE(bad);
    CHECK_FALSE(permits(bad + rest, forward));
  }
}

TEST_CASE("the difference of two texts is the lines that the other lacks") {
  CHECK(difference("a\nb\n", "a\nc\n") == "-b\n+c\n");
  CHECK(difference("a\n", "a\n").empty());
}
