#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "fake_files.hpp"

using namespace holdfast::config;

namespace {

/// Six lines of a tunnel that is whole; what is added stands in line 7 and after.
const std::string whole =
    "tunnels:\n"
    "  relay:\n"
    "    host_name: relay.example\n"
    "    user: device\n"
    "    identity_file: /etc/holdfast/key\n"
    "    remote_forward: 4649:localhost:22\n";

/// The whole tunnel with one more line.
std::string with(const std::string& line) {
  return whole + "    " + line + "\n";
}

/// The whole tunnel with one of its lines written differently.
std::string instead(const std::string& key, const std::string& line) {
  std::string text = whole;
  const std::size_t begin = text.find("    " + key + ":");
  return text.replace(begin, text.find('\n', begin) - begin, "    " + line);
}

struct Broken {
  std::string text;
  std::string problems;
};

void check(const std::vector<Broken>& table) {
  for (const Broken& broken : table) {
    CAPTURE(broken.text);
    CHECK(problems_of(broken.text) == broken.problems);
  }
}

const std::string seven = "h.yaml:7:5: tunnels.relay.";

}  // namespace

TEST_CASE("the whole tunnel that the broken ones are made from is not broken") {
  CHECK(problems_of(whole) == "");
}

TEST_CASE("what is not one YAML document is refused at its first offence") {
  const std::string empty = "h.yaml: holds no tunnel; 'holdfast init' makes one, or write it under 'tunnels'\n";
  check({
      {"", empty},
      {"# nothing but a comment\n", empty},
      {"---\n", empty},
      {"\n\n\t\n", empty},
      {"tunnels:\n  re" + std::string(1, '\0') + "lay: 1\n", "h.yaml:2:5: not UTF-8 text\n"},
      {"\xff\xfetunnels", "h.yaml:1:1: not UTF-8 text\n"},
      {"\x7f"
       "ELF\x02\x01\x01",
       "h.yaml:1:1: not UTF-8 text\n"},
      {"tunnels:\n  b\xe4r: 1\n", "h.yaml:2:4: not UTF-8 text\n"},
      {"tunnels:\n  b\xc3\xa4r\xc0\xaf: 1\n", "h.yaml:2:6: not UTF-8 text\n"},
      {std::string(262'145, '#'), "h.yaml: larger than 256 KiB\n"},
      {whole + "---\ntunnels: {}\n", "h.yaml:7:1: a second document starts here; there can be only one\n"},
      {"tunnels:\n\trelay:\n", "h.yaml:2:7: YAML syntax: a tab can't indent; use spaces\n"},
      {"tunnels:\n  relay:\n\tport: 22\n", "h.yaml:3:2: YAML syntax: a tab can't indent; use spaces\n"},
      {"tunnels:\n  relay:\n    port: 22\n   user: u\n",
       "h.yaml:4:4: YAML syntax: the indentation does not fit the lines above\n"},
      {"tunnels:\n  relay:\n    port:22\n    user: u\n",
       "h.yaml:4:9: YAML syntax: a ': ' that does not belong here, or is missing in the line before\n"},
      {"tunnels: \"relay\n\n", "h.yaml:1:16: YAML syntax: the closing quote is missing\n"},
      {"tunnels: {relay: {port: 22\n", "h.yaml:1:1: YAML syntax: '}' is missing\n"},
      {with("host_key_fingerprint: @fp"),
       "h.yaml:7:27: YAML syntax: a value that begins with this character has to be quoted\n"},
      {instead("remote_forward", "remote_forward: *:4649:localhost:22"),
       "h.yaml:6:21: YAML syntax: an alias (*name) without its anchor; a value that begins with '*' has to be "
       "quoted\n"},
      {instead("remote_forward", "remote_forward: [::1]:4649:localhost:22"),
       "h.yaml:6:26: YAML syntax: the indentation does not fit the lines above; a value that begins with '[' has to be "
       "quoted\n"},
      {with("user: \"a\\qb\""), "h.yaml:7:15: YAML syntax: unknown escape character\n"},
      {with("user: \"\\UFFFFFFFF\""), "h.yaml:7:22: YAML syntax: invalid unicode\n"},
      {"%YAML s3cret\n---\n" + whole, "h.yaml:1:1: YAML syntax: bad YAML version\n"},
      {instead("user", "user: *s3cret"),
       "h.yaml:4:11: YAML syntax: an alias (*name) without its anchor; a value that begins with '*' has to be "
       "quoted\n"},
      {"%YAML 2.0\n---\n" + whole, "h.yaml:1:1: YAML syntax: YAML major version too large\n"},
      {"defaults: &shared\n  port: 22\n",
       "h.yaml:1:11: anchors (&name) are not supported; 'defaults' holds what tunnels share\n"},
      {"tunnels: !!map {}\n", "h.yaml:1:10: tags (!name) are not supported\n"},
      {"? [a, b]\n: 1\n", "h.yaml:1:3: a key has to be a plain word; quote a value that begins with '[' or '{'\n"},
      {"- - - - - - - - - - - - - - - - - 1\n", "h.yaml:1:33: nested too deeply\n"},
      {std::string(200'000, '['),
       "h.yaml:1:1: a key has to be a plain word; quote a value that begins with '[' or '{'\n"},
      {std::string(200'000, '{'),
       "h.yaml:1:1: a key has to be a plain word; quote a value that begins with '[' or '{'\n"},
  });
}

TEST_CASE("what has the wrong shape is refused at its place") {
  check({
      {"tunnels", "h.yaml:1:1: expected a mapping, found a single value\n"},
      {"- relay\n", "h.yaml:1:1: expected a mapping, found a list\n"},
      {"{}\n", "h.yaml:1:1: required key 'tunnels' is missing\n"},
      {"tunnels:\n", "h.yaml:1:1: tunnels: has no value\n"},
      {"tunnels: ~\n", "h.yaml:1:10: tunnels: has no value\n"},
      {"tunnels: {}\n", "h.yaml:1:10: tunnels: there is no tunnel in it\n"},
      {"tunnels: [relay]\n", "h.yaml:1:10: tunnels: expected a mapping, found a list\n"},
      {"tunnels:\n  relay:\n", "h.yaml:2:3: tunnels.relay: has no value\n"},
      {"tunnels:\n  relay: relay.example\n", "h.yaml:2:10: tunnels.relay: expected a mapping, found a single value\n"},
      {whole + "  relay: {}\n", "h.yaml:7:3: tunnels.relay: given twice; first in line 2\n"},
      {whole + "tunnels: {}\n", "h.yaml:7:1: tunnels: given twice; first in line 1\n"},
      {with("user: other"), seven + "user: given twice; first in line 4\n"},
      {with("port:"), seven + "port: has no value\n"},
      {with("port: \"\""), "h.yaml:7:11: tunnels.relay.port: is empty\n"},
      {with("port: [22]"), "h.yaml:7:11: tunnels.relay.port: expected a single value, found a list\n"},
      {with("port: {a: b}"), "h.yaml:7:11: tunnels.relay.port: expected a single value, found a mapping\n"},
      {with("? ''\n    : 1"), "h.yaml:7:7: tunnels.relay: a key is empty\n"},
      {with("\"a b\\tc\": 1"), seven + "'a b\\x09c': unknown key\n"},
      {with("\"a\\x9b\": 1"), seven + "'a\\xc2\\x9b': unknown key\n"},
      {with("backoff: 60"), "h.yaml:7:14: tunnels.relay.backoff: expected a mapping, found a single value\n"},
      {with("backoff: {network: 60}"),
       "h.yaml:7:24: tunnels.relay.backoff.network: expected a mapping, found a single value\n"},
  });
}

TEST_CASE("unknown keys name the one that was probably meant") {
  check({
      {with("prot: 22"), seven + "prot: unknown key; did you mean 'port'?\n"},
      {with("ServerAliveInterval: 60"),
       seven + "ServerAliveInterval: unknown key; did you mean 'server_alive_interval'?\n"},
      {with("server_alive_interval_max: 3"),
       seven + "server_alive_interval_max: unknown key; did you mean 'server_alive_interval'?\n"},
      {with("local_forward: 1:a:2"), seven + "local_forward: unknown key\n"},
      {with("password: hunter2"), seven + "password: unknown key\n"},
      {with("<<: {port: 22}"), seven + "<<: merge keys are not supported; 'defaults' holds what tunnels share\n"},
      {whole + "status_sock: /run/s\n", "h.yaml:7:1: status_sock: unknown key; did you mean 'status_socket'?\n"},
      {whole + "relay: {}\n",
       "h.yaml:7:1: relay: unknown key; known here: defaults, tunnels, status_socket, watchdog\n"},
      {with("backoff: {net: {}}"),
       "h.yaml:7:15: tunnels.relay.backoff.net: unknown key; known here: network, listener, refused, penalty, "
       "reset_after\n"},
      {with("backoff: {network: {frist: 1}}"),
       "h.yaml:7:25: tunnels.relay.backoff.network.frist: unknown key; did you mean 'first'?\n"},
      {"tunels:\n  relay:\n    prot: 99999\n",
       "h.yaml:1:1: tunels: unknown key; did you mean 'tunnels'?\n"
       "h.yaml:2:3: tunels.relay: required key 'host_name' is missing\n"
       "h.yaml:2:3: tunels.relay: required key 'user' is missing\n"
       "h.yaml:2:3: tunels.relay: required key 'remote_forward' is missing\n"
       "h.yaml:2:3: tunels.relay: required key 'identity_file' (or 'identity_agent') is missing\n"
       "h.yaml:3:5: tunels.relay.prot: unknown key; did you mean 'port'?\n"
       "h.yaml:3:11: tunels.relay.prot: '99999' is not a number from 1 to 65535\n"},
  });
}

TEST_CASE("values out of their range or set are refused with what is allowed") {
  const auto at = [](int column, const std::string& rest) {
    return "h.yaml:7:" + std::to_string(column) + ": tunnels.relay." + rest + "\n";
  };
  check({
      {with("port: 0"), at(11, "port: '0' is not a number from 1 to 65535")},
      {with("port: 65536"), at(11, "port: '65536' is not a number from 1 to 65535")},
      {with("port: -22"), at(11, "port: '-22' is not a number from 1 to 65535")},
      {with("port: 22.0"), at(11, "port: '22.0' is not a number from 1 to 65535")},
      {with("port: 0x16"), at(11, "port: '0x16' is not a number from 1 to 65535")},
      {with("port: ssh"), at(11, "port: 'ssh' is not a number from 1 to 65535")},
      {with("port: 18446744073709551638"), at(11, "port: '18446744073709551638' is not a number from 1 to 65535")},
      {with("server_alive_interval: soon"),
       at(28, "server_alive_interval: 'soon' is not a duration such as 90, 1m30s or 2h")},
      {with("server_alive_interval: -60"), at(28, "server_alive_interval: '-60' must not be negative")},
      {with("server_alive_interval: 2d"), at(28, "server_alive_interval: '2d' is too long; at most 1d")},
      {with("server_alive_interval: 99999999999999999999w"),
       at(28, "server_alive_interval: '99999999999999999999w' is too large")},
      {with("server_alive_count_max: 101"), at(29, "server_alive_count_max: '101' is not a number from 0 to 100")},
      {with("connect_timeout: 0"), at(22, "connect_timeout: '0' is too short; at least 1s")},
      {with("connect_timeout: none"), at(22, "connect_timeout: 'none' is not a duration such as 90, 1m30s or 2h")},
      {with("drain_timeout: 61m"), at(20, "drain_timeout: '61m' is too long; at most 1h")},
      {with("max_connections: 0"), at(22, "max_connections: '0' is not a number from 1 to 100000")},
      {with("max_buffer: plenty"), at(17, "max_buffer: 'plenty' is not a size such as 512M or 1G")},
      {with("max_buffer: 1M"), at(17, "max_buffer: '1M' is too small; at least 8M")},
      {with("max_buffer: 2G"), at(17, "max_buffer: '2G' is too large; at most 1G")},
      {with("exit_on_forward_failure: ja"), at(30, "exit_on_forward_failure: 'ja' is neither yes nor no")},
      {with("economy: 1"), at(14, "economy: '1' is neither yes, no nor a number from 2 to 100")},
      {with("economy: 101"), at(14, "economy: '101' is neither yes, no nor a number from 2 to 100")},
      {with("economy: often"), at(14, "economy: 'often' is neither yes, no nor a number from 2 to 100")},
      {with("tcp_keep_alive: 1"), at(21, "tcp_keep_alive: '1' is neither yes nor no")},
      {with("strict_host_key_checking: ask"), at(31, "strict_host_key_checking: 'ask' is none of yes, accept-new, no")},
      {with("strict_host_key_checking: accept_new"),
       at(31, "strict_host_key_checking: 'accept_new' is none of yes, accept-new, no; did you mean 'accept-new'?")},
      {with("address_family: inet4"),
       at(21, "address_family: 'inet4' is none of any, inet, inet6; did you mean 'inet'?")},
      {with("log_level: warning"),
       at(16, "log_level: 'warning' is none of quiet, fatal, error, info, verbose, debug, debug2, debug3")},
      {with("log_level: debgu"), at(16,
                                    "log_level: 'debgu' is none of quiet, fatal, error, info, verbose, debug, debug2, "
                                    "debug3; did you mean 'debug'?")},
      {with("rekey_limit: 1X"), at(18, "rekey_limit: '1X' is not a size such as 512M or 1G")},
      {with("rekey_limit: 16"), at(18, "rekey_limit: '16' is too small; at least 64K")},
      {with("rekey_limit: 1G soon"), at(18, "rekey_limit: 'soon' is not a duration such as 90, 1m30s or 2h")},
      {with("rekey_limit: 1G 1h 1m"), at(18, "rekey_limit: '1G 1h 1m' is not a size and a duration such as '1G 1h'")},
      {with("ciphers: +aes128-ctr"), at(14,
                                        "ciphers: '+aes128-ctr': a list that changes the default (+, -, ^) is not "
                                        "supported; name every algorithm")},
      {with("macs: hmac-*"), at(11, "macs: 'hmac-*' is not the name of an algorithm; patterns are not supported")},
      {with("kex_algorithms: [curve25519-sha256, \"\"]"), at(41, "kex_algorithms[1]: is empty")},
      {with("host_key_algorithms: ssh-ed25519,,rsa-sha2-512"), at(26, "host_key_algorithms: a name is empty")},
      {with("host_key_fingerprint: MD5:aa:bb"),
       at(27,
          "host_key_fingerprint: 'MD5:aa:bb' is not SHA256: and 43 base64 characters, as ssh-keygen -l prints them")},
      {with("host_key_fingerprint: SHA256:uNiVztksCsDhcc0u9e8BrsbKxqRTJOHQ+BRv1NdMRL0"), ""},
      {with("host_key_fingerprint: SHA256:uNiVztksCsDhcc0u9e8BrsbKxqRTJOHQ+BRv1NdMRL1"),
       at(27,
          "host_key_fingerprint: 'SHA256:uNiVztksCsDhcc0u9e8BrsbKxqRTJOHQ+BRv1NdMRL1' is not SHA256: and 43 base64 "
          "characters, as ssh-keygen -l prints them")},
      {with("bind_address: eth0"), at(19, "bind_address: 'eth0' is not a numeric address of this device")},
      {with("bind_address: \"[::1]\""), at(19, "bind_address: '[::1]' is not a numeric address of this device")},
      {with("bind_interface: abcdefghijklmnop"),
       at(21, "bind_interface: 'abcdefghijklmnop': an interface's name has at most 15 characters")},
      {with("congestion_control: abcdefghijklmno"), ""},
      {with("congestion_control: abcdefghijklmnop"),
       at(25, "congestion_control: 'abcdefghijklmnop' is not the name of a TCP congestion control such as bbr")},
      {with("congestion_control: bbr,cubic"),
       at(25, "congestion_control: 'bbr,cubic' is not the name of a TCP congestion control such as bbr")},
      {with("congestion_control: \"\""), at(25, "congestion_control: is empty")},
      {with("bind_interface: wwan/0"), at(21, "bind_interface: 'wwan/0' is not the name of an interface")},
      {with("backoff: {network: {first: 0}}"), at(32, "backoff.network.first: '0' is too short; at least 1s")},
      {with("backoff: {network: {first: 2m}}"), at(24, "backoff.network: 'cap' is shorter than 'first'")},
      {with("backoff: {reset_after: 1y}"),
       at(28, "backoff.reset_after: '1y' is not a duration such as 90, 1m30s or 2h")},
  });
}

TEST_CASE("hosts, accounts and forwards are refused with what is wrong about them") {
  check({
      {instead("host_name", "host_name: device@relay.example"),
       "h.yaml:3:16: tunnels.relay.host_name: 'device@relay.example': the account belongs into 'user'\n"},
      {instead("host_name", "host_name: relay.example:22"), ""},
      {instead("host_name", "host_name: relay.example:22\n    port: 22"),
       "h.yaml:3:16: tunnels.relay.host_name: 'relay.example:22': 'port' is given too; leave one of the two out\n"},
      {instead("host_name", "host_name: \"[2001:db8::1]\""), ""},
      {instead("host_name", "host_name: \"[fe80::1%eth0]:22\""), ""},
      {instead("host_name", "host_name: \"fe80::1%\""),
       "h.yaml:3:16: tunnels.relay.host_name: 'fe80::1%': 'fe80::1%' is not a host's name or address\n"},
      {instead("host_name", "host_name: relay example"),
       "h.yaml:3:16: tunnels.relay.host_name: 'relay example': 'relay example' is not a host's name or address\n"},
      {instead("host_name", "host_name: ${RELAY_HOST}"),
       "h.yaml:3:16: tunnels.relay.host_name: '${RELAY_HOST}': '${RELAY_HOST}' is not a host's name or address: "
       "nothing is expanded here; write it out\n"},
      {instead("user", "user: ${USER}"),
       "h.yaml:4:11: tunnels.relay.user: '${USER}' is not a name of an account: nothing is expanded here; write it "
       "out\n"},
      {with("device_id: $(hostname)"),
       "h.yaml:7:16: tunnels.relay.device_id: '$(hostname)' is not a name of a device (1 to 64 letters, digits, '.', "
       "'-' or '_'): nothing is expanded here; write it out\n"},
      {"defaults: {host_name: relay.example:22}\n" + whole,
       "h.yaml:1:23: defaults.host_name: a default's port belongs into 'port'\n"},
      {instead("user", "user: -oProxyCommand=x"),
       "h.yaml:4:11: tunnels.relay.user: '-oProxyCommand=x' is not a name of an account\n"},
      {instead("user", "user: a;b"), "h.yaml:4:11: tunnels.relay.user: 'a;b' is not a name of an account\n"},
      {instead("user", "user: 'DOMAIN\\'"),
       "h.yaml:4:11: tunnels.relay.user: 'DOMAIN\\' is not a name of an account\n"},
      {instead("user", "user: \"de\\nvice\""),
       "h.yaml:4:11: tunnels.relay.user: a text of 7 bytes is not a name of an account\n"},
      {with("device_id: site 17"),
       "h.yaml:7:16: tunnels.relay.device_id: 'site 17' is not a name of a device (1 to 64 "
       "letters, digits, '.', '-' or '_')\n"},
      {instead("remote_forward", "remote_forward: 4649"),
       "h.yaml:6:21: tunnels.relay.remote_forward: '4649': a target is missing, as in "
       "4649:localhost:22\n"},
      {instead("remote_forward", "remote_forward: 70000:localhost:22"),
       "h.yaml:6:21: tunnels.relay.remote_forward: '70000:localhost:22': '70000' is not a port from 0 to 65535\n"},
      {instead("remote_forward", "remote_forward: 4649:::1:22"),
       "h.yaml:6:21: tunnels.relay.remote_forward: '4649:::1:22': the relay's side is [bind_address:]port, with IPv6 "
       "in "
       "brackets\n"},
      {instead("remote_forward", "remote_forward: [1:a:1, {listen: x, target: y}]"),
       "h.yaml:6:38: tunnels.relay.remote_forward[1].listen: 'x': 'x' is not a port from 0 to 65535\n"
       "h.yaml:6:49: tunnels.relay.remote_forward[1].target: 'y': the target is host:port or /socket, with IPv6 in "
       "brackets\n"},
      {instead("remote_forward", "remote_forward: {listen: 1, bind_address: x}"),
       "h.yaml:6:21: tunnels.relay.remote_forward: required key 'target' is missing\n"
       "h.yaml:6:33: tunnels.relay.remote_forward.bind_address: unknown key; known here: listen, target\n"},
      {instead("remote_forward", "remote_forward: []"),
       "h.yaml:6:21: tunnels.relay.remote_forward: the list is empty; a tunnel holds at least one forward\n"},
      {instead("remote_forward", "remote_forward: [4649:a:1, 4650:a:1, \"*:4649:b:2\"]"),
       "h.yaml:6:42: tunnels.relay.remote_forward[2]: listener *:4649 collides with localhost:4649 of this tunnel in "
       "line 6\n"},
      {whole + "  other:\n    host_name: relay.example\n    user: second\n    identity_agent: /run/agent\n"
               "    remote_forward: localhost:4649:localhost:80\n",
       "h.yaml:11:21: tunnels.other.remote_forward: listener localhost:4649 collides with localhost:4649 of tunnel "
       "relay "
       "in line 6\n"},
      {with("bind_address: 192.0.2.1\n    address_family: inet6"),
       "h.yaml:7:19: tunnels.relay.bind_address: '192.0.2.1' contradicts address_family inet6\n"},
      {with("economy: yes\n    server_alive_interval: 0"),
       "h.yaml:7:14: tunnels.relay.economy: there is nothing to save with server_alive_interval '0'\n"},
      {with("economy: yes\n    server_alive_count_max: 0"),
       "h.yaml:7:14: tunnels.relay.economy: an acknowledgement can be lost, and server_alive_count_max '0' waits for "
       "none\n"},
      {with("economy: 8\n    tcp_keep_alive: no"),
       "h.yaml:7:14: tunnels.relay.economy: lives on TCP's keepalives, and tcp_keep_alive is 'no'\n"},
      {with("readiness: verified\n    verify_interval: 0"),
       "h.yaml:7:16: tunnels.relay.readiness: 'verified' never comes true with verify_interval '0'\n"},
  });
}

TEST_CASE("a list of relays is refused with the item that is wrong") {
  const auto list = [](const std::string& items) { return instead("host_name", "host_name: [" + items + "]"); };
  const auto at = [](int column, const std::string& problem) {
    return "h.yaml:3:" + std::to_string(column) + ": tunnels.relay.host_name" + problem + "\n";
  };
  const std::string other = "  other:\n    host_name: [elsewhere, two]\n    user: u\n    identity_agent: /run/agent\n";
  check({
      {list("one, two:443, \"[::1]:22\""), ""},
      {list(""), at(16, ": the list is empty; a tunnel needs at least one relay")},
      {list("one, two:0"), at(22, "[1]: 'two:0': '0' is not a port from 1 to 65535")},
      {list("one, two:65536"), at(22, "[1]: 'two:65536': '65536' is not a port from 1 to 65535")},
      {list("one, two:ssh"), at(22, "[1]: 'two:ssh': 'ssh' is not a port from 1 to 65535")},
      {list("one, \"two:\""), at(22, "[1]: 'two:': '' is not a port from 1 to 65535")},
      {list("one, \":22\""), at(22, "[1]: ':22': the host's name or address is empty")},
      {list("one, \"\""), at(22, "[1]: is empty")},
      {list("one, two:22:23"), at(22, "[1]: 'two:22:23': 'two:22:23' is not a host's name or address")},
      {list("one, \"[fe80::1%eth0]:22\""), ""},
      {list("one, {host_name: \"[fe80::1%eth0]:22\"}"), ""},
      {list("one, {host_name: two:23, port: 24}"),
       at(34, "[1].host_name: 'two:23': 'port' is given too; leave one of the two out")},
      {list("one, \"[two]:22\""), at(22, "[1]: '[two]:22': 'two' is not an IPv6 address")},
      {list("one, \"[::1:22\""), at(22, "[1]: '[::1:22': ']' is missing")},
      {list("one, u@two"), at(22, "[1]: 'u@two': the account belongs into 'user'")},
      {list("one, /two"), at(22, "[1]: '/two': '/two' is not a host's name or address")},
      {list("one, [two]"), at(22, "[1]: expected a single value, found a list")},
      {list("one, {port: 23}"), at(22, "[1]: required key 'host_name' is missing")},
      {list("one, {host_name: two:23}"), ""},
      {list("one, {host_name: two, port: 0}"), at(45, "[1].port: '0' is not a number from 1 to 65535")},
      {list("{host_name: one, user: u}"),
       at(34, "[0].user: unknown key; known here: host_name, port, user_known_hosts_file, host_key_fingerprint")},
      {list("one, one"), at(22, "[1]: one:22 is in the list twice; first in line 3")},
      {list("one, two, ONE:22"), at(27, "[2]: ONE:22 is in the list twice; first in line 3")},
      {instead("host_name", "host_name: {host_name: one}"), at(16, ": expected a single value, found a mapping")},
      {list("one, two") + other + "    remote_forward: 4649:localhost:80\n",
       "h.yaml:11:21: tunnels.other.remote_forward: listener localhost:4649 collides with localhost:4649 of tunnel "
       "relay in line 6\n"},
      {list("one, two:23") + other + "    remote_forward: 4649:localhost:80\n", ""},
      {list("one, two") + "    remote_forward: [1:h:1, 1:h:2]\n",
       "h.yaml:7:5: tunnels.relay.remote_forward: given twice; first in line 6\n"},
      {with("relay_selection: random"),
       seven.substr(0, 9) + "22: tunnels.relay.relay_selection: 'random' is none of ordered, hash\n"},
      {with("fail_back_after: 2d"),
       seven.substr(0, 9) + "22: tunnels.relay.fail_back_after: '2d' is too long; at most 1d\n"},
  });
}

TEST_CASE("a listener that leads to a socket of holdfast's own is refused, however that is spelled") {
  const std::string refused = " is a socket of holdfast's own: not for whoever reaches the listener\n";
  check({
      {instead("remote_forward", "remote_forward: 4649:/run/holdfast/status.sock"),
       "h.yaml:6:21: tunnels.relay.remote_forward: '/run/holdfast/status.sock'" + refused},
      {instead("remote_forward", "remote_forward: 4649:/var/run/holdfast/../holdfast//status.sock"),
       "h.yaml:6:21: tunnels.relay.remote_forward: '/var/run/holdfast/../holdfast//status.sock'" + refused},
      {"status_socket: /srv/s\n" + instead("remote_forward", "remote_forward: 4649:/srv/s"),
       "h.yaml:7:21: tunnels.relay.remote_forward: '/srv/s'" + refused},
      {"status_socket: /srv/s\n" + instead("remote_forward", "remote_forward: 4649:/run/holdfast/status.sock"), ""},
      {instead("remote_forward", "remote_forward: 4649:/run/holdfast/only/relay/status.sock"),
       "h.yaml:6:21: tunnels.relay.remote_forward: '/run/holdfast/only/relay/status.sock'" + refused},
      {instead("remote_forward", "remote_forward: 4649:/run/holdfast/other/status.sock"), ""},
      {instead("remote_forward", "remote_forward: 4649:/run/holdfast/status.sock.control"),
       "h.yaml:6:21: tunnels.relay.remote_forward: '/run/holdfast/status.sock.control'" + refused},
      {instead("remote_forward", "remote_forward: 4649:/var/run//holdfast/only/relay/status.sock.control"),
       "h.yaml:6:21: tunnels.relay.remote_forward: '/var/run//holdfast/only/relay/status.sock.control'" + refused},
      {"status_socket: /srv/s\n" + instead("remote_forward", "remote_forward: 4649:/srv/s.control"),
       "h.yaml:7:21: tunnels.relay.remote_forward: '/srv/s.control'" + refused},
      {"status_socket: /srv/s\n" + instead("remote_forward", "remote_forward: 4649:/srv/t.control"), ""},
  });
}

TEST_CASE("no status socket is where another's control socket would be") {
  check({
      {"status_socket: /srv/s.control\n" + whole,
       "h.yaml:1:16: status_socket: '/srv/s.control' ends as a control socket's path does: name it otherwise\n"},
      {"status_socket: {path: /srv/s.control}\n" + whole,
       "h.yaml:1:23: status_socket.path: '/srv/s.control' ends as a control socket's path does: name it otherwise\n"},
  });
}

TEST_CASE("a tunnel needs somebody to log in as, and something to log in with") {
  const std::string nothing =
      "h.yaml:2:3: tunnels.relay: required key 'identity_file' (or 'identity_agent') is missing\n";
  check({
      {instead("identity_file", "port: 22"), nothing},
      {instead("identity_file", "identity_file: []"), nothing},
      {instead("identity_file", "identity_agent: none"), nothing},
      {instead("identity_file", "identity_file: []\n    identity_agent: none"), nothing},
      {instead("identity_file", "identity_file: []\n    identity_agent: /run/agent"), ""},
      {instead("identity_file", "identity_agent: agent"),
       "h.yaml:5:21: tunnels.relay.identity_agent: 'agent' is a relative path; write it from / on\n"},
      {instead("user", "port: 22"), "h.yaml:2:3: tunnels.relay: required key 'user' is missing\n"},
      {instead("host_name", "port: 22"), "h.yaml:2:3: tunnels.relay: required key 'host_name' is missing\n"},
      {instead("remote_forward", "port: 22"), "h.yaml:2:3: tunnels.relay: required key 'remote_forward' is missing\n"},
  });
}

TEST_CASE("paths are absolute, and keys are there and private") {
  FakeFiles files;
  files.files = {{"/gone", Files::Kind::missing},
                 {"/dir", Files::Kind::not_a_file},
                 {"/locked", Files::Kind::unreadable},
                 {"/open", Files::Kind::exposed}};
  const std::vector<Broken> table{
      {"identity_file: id_ed25519", ": 'id_ed25519' is a relative path; write it from / on"},
      {"identity_file: ~/.ssh/id", ": '~/.ssh/id': '~' is not expanded; write the path from / on"},
      {"identity_file: $HOME/id", ": '$HOME/id': variables are not expanded; write the path from / on"},
      {"identity_file: ${CREDENTIALS_DIRECTORY}/id",
       ": CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with LoadCredential=; elsewhere set it to the "
       "directory of the key"},
      {"identity_file: /gone", ": private key '/gone' does not exist"},
      {"identity_file: /dir", ": private key '/dir' is not a regular file"},
      {"identity_file: /locked", ": private key '/locked' can't be read by this user"},
      {"identity_file: /open", ": private key '/open' can be read by others; chmod 600 it"},
      {"identity_file: /id.pub", ": '/id.pub' is the public key; name the private one"},
      {"certificate_file: /gone", ": certificate '/gone' does not exist"},
      {"certificate_file: /dir", ": certificate '/dir' is not a regular file"},
      {"certificate_file: /locked", ": certificate '/locked' can't be read by this user"},
      {"certificate_file: /open", ": certificate '/open' can be read by others; chmod 600 it"},
      {"identity_agent: SSH_AUTH_SOCK", ": 'SSH_AUTH_SOCK' is a relative path; write it from / on"},
      {"identity_agent: /" + std::string(107, 'a'), ": a text of 108 bytes is longer than 107 bytes"},
      {"user_known_hosts_file: known_hosts", ": 'known_hosts' is a relative path; write it from / on"},
  };
  for (const Broken& broken : table) {
    const std::string key = broken.text.substr(0, broken.text.find(':'));
    const bool replaces = key == "identity_file";
    const std::string text = replaces ? instead(key, broken.text) : with(broken.text);
    std::string expected;
    if (!broken.problems.empty()) {
      expected = replaces ? "h.yaml:5:" : "h.yaml:7:";
      expected += std::to_string(key.size() + 7);
      expected += ": tunnels.relay.";
      expected += key;
      expected += broken.problems;
      expected += "\n";
    }
    CAPTURE(text);
    CHECK(problems_of(text, files) == expected);
  }
}

TEST_CASE("a key pasted in place of its path is not repeated in the message") {
  const std::string secret = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";
  const std::string pem = "|\n      -----BEGIN OPENSSH PRIVATE KEY-----\n      " + secret + "\n";
  for (const char* const key :
       {"identity_file", "identity_agent", "user_known_hosts_file", "host_key_fingerprint", "ciphers", "bind_address",
        "port", "log_level", "rekey_limit", "remote_forward", "drain_timeout", "tcp_keep_alive", "bind_interface",
        "congestion_control", "password"}) {
    for (const std::string& value : {pem, secret}) {
      const std::string problems = problems_of(with(std::string(key) + ": " + value));
      CAPTURE(problems);
      CHECK((!problems.empty() || std::string(key) == "ciphers"));  // any word might name a cipher
      CHECK(problems.find("b3Blb") == std::string::npos);
    }
  }
}

TEST_CASE("a tunnel's name is fit for a URL and a log field") {
  for (const std::string name : {"a b", "\"a\\tb\"", "relé", "a/b", "..", "-x", ".x", "a:b", "\"a%2f\""}) {
    const std::string text = "tunnels:\n  " + name + ": {}\n";
    CAPTURE(text);
    CHECK(problems_of(text).find(
              "a tunnel's name has 1 to 64 letters, digits, '_', '.' or '-', the last two not in front\n") !=
          std::string::npos);
  }
  CHECK(problems_of("tunnels:\n  " + std::string(65, 'a') + ": {}\n").find("a tunnel's name has") != std::string::npos);
  CHECK(problems_of("tunnels:\n  " + std::string(64, 'a') + ": {}\n").find("a tunnel's name has") == std::string::npos);
}

TEST_CASE("all problems of a file come at once, in the file's order") {
  CHECK(problems_of("status_socket: run/status.sock\n"
                    "tunnels:\n"
                    "  a b:\n"
                    "    port: 0\n"
                    "    usr: device\n"
                    "    remote_forward:\n"
                    "      - 4649:localhost:22\n"
                    "      - 4649:localhost:23\n"
                    "      - 4650\n"
                    "defaults:\n"
                    "  remote_forward: 1:a:1\n"
                    "  connect_timeout: never\n") ==
        "h.yaml:1:16: status_socket: 'run/status.sock' is a relative path; write it from / on\n"
        "h.yaml:3:3: tunnels.'a b': a tunnel's name has 1 to 64 letters, digits, '_', '.' or '-', the last two not in "
        "front\n"
        "h.yaml:3:3: tunnels.'a b': required key 'host_name' is missing\n"
        "h.yaml:3:3: tunnels.'a b': required key 'identity_file' (or 'identity_agent') is missing\n"
        "h.yaml:4:11: tunnels.'a b'.port: '0' is not a number from 1 to 65535\n"
        "h.yaml:5:5: tunnels.'a b'.usr: unknown key; did you mean 'user'?\n"
        "h.yaml:8:9: tunnels.'a b'.remote_forward[1]: listener localhost:4649 collides with localhost:4649 of this "
        "tunnel in line 7\n"
        "h.yaml:9:9: tunnels.'a b'.remote_forward[2]: '4650': a target is missing, as in "
        "4649:localhost:22\n"
        "h.yaml:11:19: defaults.remote_forward: can't be a default: the relay gives a listener to one tunnel only\n"
        "h.yaml:12:20: defaults.connect_timeout: 'never' is not a duration such as 90, 1m30s or 2h\n");
}

TEST_CASE("of very many problems the first hundred are shown and the rest counted") {
  std::string text = "tunnels:\n  relay:\n";
  for (int n = 0; n < 150; ++n) text += "    zzzzzzzzzzz" + std::to_string(n) + ": 1\n";
  const auto loaded = parse(text, "h.yaml", FakeFiles{});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().size() == 101);
  CHECK(to_string(loaded.error().back()) == "h.yaml: and 54 more problems");
}

TEST_CASE("columns are counted in characters, and a byte order mark is no character") {
  CHECK(problems_of("\xEF\xBB\xBFtunnels: {relé: {}, b: 1}\n").find("h.yaml:1:24: tunnels.b: expected a mapping") !=
        std::string::npos);
}
