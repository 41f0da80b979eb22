#include <doctest/doctest.h>

#include "lab/atlas/atlas.hpp"

using namespace holdfast::lab;
using namespace std::chrono_literals;

/// The device has to ask for the relay's name, of a name server that answers in some manner.
namespace {

struct Asked {
  explicit Asked(Manner manner, const std::string& address = Lab::relay_address, std::chrono::milliseconds delay = {}) {
    bedside.lab.forget_relay_name();
    resolver.emplace(bedside.lab.carrier(), address, manner, delay);
  }

  /// Those that the device is told to use.
  void name_servers(const std::vector<std::string>& addresses) const {
    std::string lines;
    for (const std::string& address : addresses) lines += "nameserver " + address + "\n";
    bedside.lab.device().run({"sh", "-c", "cat >/etc/resolv.conf"}, lines);
  }

  Bedside bedside;
  std::optional<Resolver> resolver;
};

void check_name(const Seen& seen, const std::string& cause) {
  INFO(seen.text);
  CHECK(seen.layers.at("name").cause == cause);
}

}  // namespace

TEST_CASE("a name server that knows the relay is no fault") {
  Asked asked(Manner::honest);
  const Seen seen = asked.bedside.examine();
  check_answer(seen, "", 10s);
  CHECK(seen.layers.at("name").measured == "relay.lab is 198.51.100.2");
}

TEST_CASE("the name server does not answer") {
  Asked asked(Manner::silent);
  check_answer(asked.bedside.examine(), "nameserver_silent", 15s);
}

TEST_CASE("nobody serves at the name server's address") {
  Bedside bedside;
  bedside.lab.forget_relay_name();
  const Seen seen = bedside.examine();
  check_answer(seen, "nameserver_refused", 10s);
  CHECK(seen.layers.at("name").measured.find("Connection refused") != std::string::npos);
}

TEST_CASE("the name server refuses") {
  Asked asked(Manner::refuses);
  const Seen seen = asked.bedside.examine();
  check_answer(seen, "nameserver_refused", 10s);
  CHECK(seen.layers.at("name").measured.find("REFUSED") != std::string::npos);
}

TEST_CASE("the name server fails") {
  Asked asked(Manner::fails);
  const Seen seen = asked.bedside.examine();
  check_answer(seen, "resolver_unavailable", 10s);
  CHECK(seen.layers.at("name").measured.find("SERVFAIL") != std::string::npos);
}

TEST_CASE("the name server says that there is no such name") {
  Asked asked(Manner::denies);
  check_answer(asked.bedside.examine(), "name_not_found", 10s);
}

TEST_CASE("a captive portal's name server leads every name to itself") {
  Asked asked(Manner::knows_all, Lab::resolver_address);
  const Seen seen = asked.bedside.examine();
  check_answer(seen, "nameserver_lies", 20s);
  CHECK(seen.layers.at("tcp").hidden_by == "name");
}

TEST_CASE("the name server takes three seconds") {
  Asked asked(Manner::honest, Lab::relay_address, 3s);
  check_name(asked.bedside.examine(), "nameserver_slow");
}

TEST_CASE("no name server is configured") {
  Bedside bedside;
  bedside.lab.forget_relay_name();
  bedside.lab.device().run({"sh", "-c", ": >/etc/resolv.conf"});
  check_answer(bedside.examine(), "nameserver_missing", 15s);
}

TEST_CASE("of two name servers the first one knows the relay, and the second one is bad") {
  Asked asked(Manner::honest);
  Manner manner{};
  std::string cause;
  SUBCASE("it is silent") {
    manner = Manner::silent;
    cause = "nameserver_silent";
  }
  SUBCASE("it refuses") {
    manner = Manner::refuses;
    cause = "nameserver_refused";
  }
  SUBCASE("it fails") {
    manner = Manner::fails;
    cause = "resolver_unavailable";
  }
  SUBCASE("it lies") {
    manner = Manner::knows_all;
    cause = "nameserver_lies";
  }
  asked.name_servers({Lab::resolver_address, Lab::relay_address});
  const Resolver second(asked.bedside.lab.relay(), Lab::resolver_address, manner);
  const Seen seen = asked.bedside.examine();
  check_answer(seen, cause, 15s);
  CHECK(seen.answer == "name");
  CHECK(seen.layers.at("name").result == "warn");
  CHECK(seen.layers.at("name").measured.starts_with(Lab::relay_address));
}

TEST_CASE("of two name servers the first one is bad, and the second one knows the relay") {
  Manner manner{};
  std::string cause;
  SUBCASE("it is silent") {
    manner = Manner::silent;
    cause = "nameserver_silent";
  }
  SUBCASE("it refuses") {
    manner = Manner::refuses;
    cause = "nameserver_refused";
  }
  SUBCASE("it fails") {
    manner = Manner::fails;
    cause = "resolver_unavailable";
  }
  Asked asked(manner);
  asked.name_servers({Lab::resolver_address, Lab::relay_address});
  const Resolver second(asked.bedside.lab.relay(), Lab::relay_address, Manner::honest);
  const Seen seen = asked.bedside.examine();
  check_answer(seen, cause, 15s);
  CHECK(seen.layers.at("name").result == "warn");
  CHECK(seen.layers.at("name").measured.starts_with(Lab::resolver_address));
  CHECK(seen.layers.at("authentication").result == "pass");
}

TEST_CASE("of two name servers the first one lies, and the second one knows the relay") {
  Asked asked(Manner::knows_all, Lab::resolver_address);
  asked.name_servers({Lab::resolver_address, Lab::relay_address});
  const Resolver second(asked.bedside.lab.relay(), Lab::relay_address, Manner::honest);
  const Seen seen = asked.bedside.examine();
  check_answer(seen, "nameserver_lies", 15s);
  CHECK(seen.layers.at("name").result == "fail");  // the system believes it
}

/// As systemd-resolved stands there: it asks the name server of its own file, and everybody else asks it.
TEST_CASE("the resolver behind 127.0.0.53") {
  Manner own{};
  Manner behind{};
  std::string cause;
  std::string whose;
  SUBCASE("fails, and whom it asks is right") {
    own = Manner::fails;
    behind = Manner::honest;
    cause = "resolver_unavailable";
    whose = "127.0.0.53";
  }
  SUBCASE("fails, for whom it asks is silent") {
    own = Manner::fails;
    behind = Manner::silent;
    cause = "nameserver_silent";
    whose = "10.64.0.1 (asked by 127.0.0.53)";
  }
  Asked asked(behind);
  asked.name_servers({"127.0.0.53"});
  const Resolver stub(asked.bedside.lab.device(), Lab::relay_address, own, {}, "127.0.0.53");
  asked.bedside.lab.device().run(
      {"sh", "-c", "mkdir -p /run/systemd/resolve && echo nameserver 10.64.0.1 >/run/systemd/resolve/resolv.conf"});
  const Seen seen = asked.bedside.examine();
  check_answer(seen, cause, 15s);
  CHECK(seen.layers.at("name").result == "fail");
  CHECK(seen.layers.at("name").measured.starts_with(whose));
}

TEST_CASE("the name leads elsewhere than where the relay was last right") {
  Asked asked(Manner::honest);
  asked.bedside.establish();
  asked.resolver.reset();
  asked.resolver.emplace(asked.bedside.lab.carrier(), "203.0.113.7", Manner::honest);
  const Seen seen = asked.bedside.examine();
  check_answer(seen, "", 10s);
  check_name(seen, "relay_moved");
  CHECK(seen.layers.at("name").measured.find("198.51.100.2") != std::string::npos);
}

TEST_CASE("the name server lies about a relay that is remembered, and the session stands") {
  Asked asked(Manner::honest);
  asked.bedside.establish();
  asked.resolver.reset();
  asked.resolver.emplace(asked.bedside.lab.carrier(), "192.168.1.1", Manner::honest);
  const Seen seen = asked.bedside.examine();
  check_answer(seen, "nameserver_lies", 10s);
  CHECK(seen.layers.at("name").result == "warn");
}

TEST_CASE("of two faults the gateway's silence hides the name server's") {
  Bedside bedside;
  bedside.lab.forget_relay_name();
  bedside.lab.plug_in_cable();
  bedside.lab.carrier().ip("link set wire0 arp off\n");
  bedside.lab.device().run({"sh", "-c", "echo nameserver 192.0.2.53 >/etc/resolv.conf"});
  const Seen seen = bedside.examine();
  check_answer(seen, "gateway_silent", 30s);
  CHECK(seen.layers.at("name").hidden_by == "neighbour");
}
