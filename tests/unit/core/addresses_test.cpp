#include "holdfast/addresses.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

using Literals = std::vector<std::string>;

const std::string v6 = "2001:db8::1";
const std::string v4 = "192.0.2.1";
const std::string other = "198.51.100.7";

/// One attempt that connects to the first address of the order and fails there. What failed() said.
bool fail(Addresses& addresses, const FoundAddresses& found, TimePoint now, Cause cause = Cause::connection_lost) {
  addresses.dial("relay.example");
  addresses.connected(addresses.found(found, now).addresses.at(0));
  return addresses.failed(cause, now);
}

SteppedTunnel dialled(const FoundAddresses& found) {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{}).session(PhaseCompleted{OpeningPhase::resolve, "", found});
  return tunnel;
}

SteppedTunnel& connect(SteppedTunnel& tunnel, const std::string& address) {
  return tunnel.session(PhaseCompleted{OpeningPhase::connect, "", {}, address});
}

SteppedTunnel& redial(SteppedTunnel& tunnel, const FoundAddresses& found, const std::string& address) {
  tunnel.wait().session(PhaseCompleted{OpeningPhase::resolve, "", found});
  return connect(tunnel, address);
}

Failure wrong_key() {
  return {Cause::host_key_changed, "verify the host key of", "relay.example:22", "it shows X"};
}

}  // namespace

// ---- the order ----------------------------------------------------------------------------------------------------

TEST_CASE("nothing failed: DNS's order, all of it racing, and behind it what is remembered besides") {
  const Addresses addresses;
  CHECK(addresses.order({{v6, v4}, {}}, TimePoint{}) == AddressOrder{{v6, v4}, 2});
  CHECK(addresses.order({{v6, v4}, {v4, other}}, TimePoint{}) == AddressOrder{{v6, v4, other}, 2});
  CHECK(addresses.order({{}, {v4, v6}}, TimePoint{}) == AddressOrder{{v4, v6}, 2});
}

TEST_CASE("an address that failed after TCP stood is second choice, also behind what is remembered, for an hour") {
  Addresses addresses;
  const FoundAddresses found{{v6, v4}, {other}};
  const TimePoint now{1h};
  CHECK(fail(addresses, found, now));
  CHECK(addresses.order(found, now) == AddressOrder{{v4, other, v6}, 1});
  CHECK(fail(addresses, found, now + 1s));
  CHECK(addresses.order(found, now + 1s) == AddressOrder{{other, v6, v4}, 1});
  CHECK_FALSE(fail(addresses, found, now + 2s));
  CHECK(addresses.order(found, now + 2s) == AddressOrder{{v6, v4, other}, 1});
  CHECK(addresses.order(found, now + 1h) == AddressOrder{{v6, v4, other}, 1});
  CHECK(addresses.order(found, now + 1h + 1s) == AddressOrder{{v6, v4, other}, 2});
  CHECK(addresses.order(found, now + 1h + 2s) == AddressOrder{{v6, v4, other}, 2});
}

TEST_CASE("a mark ends with a session that lasted there, and all of them with another network") {
  Addresses addresses;
  const FoundAddresses found{{v6, v4}, {}};
  fail(addresses, found, TimePoint{});
  SUBCASE("a session that lasted") {
    addresses.connected(v6);
    addresses.lasted();
  }
  SUBCASE("the network changed") {
    addresses.forgive();
  }
  CHECK(addresses.order(found, TimePoint{}) == AddressOrder{{v6, v4}, 2});
}

TEST_CASE("what the device or the relay itself says is not the address's fault, once the relay's key was right") {
  Addresses addresses;
  const FoundAddresses found{{v6, v4}, {}};
  for (const Cause cause : {Cause::identity_unusable, Cause::forward_refused, Cause::listener_held_live,
                            Cause::known_hosts_unusable, Cause::local_error}) {
    CAPTURE(to_string(cause));
    CHECK_FALSE(fail(addresses, found, TimePoint{}, cause));
  }
  addresses.connected(v6);
  addresses.key_was_right();
  CHECK_FALSE(addresses.failed(Cause::relay_disconnected, TimePoint{}));
  CHECK_FALSE(addresses.failed(Cause::authentication_refused, TimePoint{}));
  CHECK(addresses.order(found, TimePoint{}) == AddressOrder{{v6, v4}, 2});
  CHECK(addresses.failed(Cause::phase_timed_out, TimePoint{}));  // the way there may be
}

TEST_CASE("an attempt that did not connect marks nobody") {
  Addresses addresses;
  fail(addresses, {{v6, v4}, {}}, TimePoint{}, Cause::host_key_changed);
  addresses.dial("relay.example");
  addresses.found({{v6, v4}, {}}, TimePoint{});
  CHECK_FALSE(addresses.failed(Cause::connection_lost, TimePoint{}));
}

TEST_CASE("a name server that says fifty addresses, or new ones each time, hurries nobody for ever") {
  Addresses addresses;
  std::size_t longest = 0;
  const auto hasty = [&] {
    int times = 0;
    for (int attempt = 0; attempt < 50; ++attempt) {
      FoundAddresses found;
      for (int index = 0; index < 50; ++index)
        found.said.push_back("2001:db8:" + std::to_string(attempt) + "::" + std::to_string(index));
      longest = std::max(longest, addresses.order(found, TimePoint{}).addresses.size());
      times += fail(addresses, found, TimePoint{}) ? 1 : 0;
    }
    return times;
  };
  CHECK(hasty() == 16);
  CHECK(longest == 16);
  CHECK(hasty() == 0);
  addresses.forgive();
  CHECK(hasty() == 16);
  addresses.lasted();
  CHECK(hasty() == 16);
}

TEST_CASE("addresses that failed at the same moment stay in the order in which they were found") {
  Addresses addresses;
  const FoundAddresses found{{v6, v4}, {}};
  fail(addresses, found, TimePoint{});
  fail(addresses, found, TimePoint{});
  CHECK(addresses.order(found, TimePoint{}) == AddressOrder{{v6, v4}, 1});
}

TEST_CASE("of addresses that failed the one whose failure is longest ago comes first, whatever DNS says first") {
  Addresses addresses;
  const TimePoint now{1h};
  fail(addresses, {{v4, v6}, {}}, now);
  fail(addresses, {{v6}, {}}, now + 1s);
  CHECK(addresses.order({{v6, v4}, {}}, now + 1s) == AddressOrder{{v4, v6}, 1});
  fail(addresses, {{v4}, {}}, now + 2s);  // its last failure counts
  CHECK(addresses.order({{v6, v4}, {}}, now + 2s) == AddressOrder{{v6, v4}, 1});
}

TEST_CASE("an address that failed an hour ago is one that was not tried") {
  Addresses addresses;
  const FoundAddresses found{{v6, v4}, {}};
  const TimePoint now{1h};
  CHECK(fail(addresses, found, now));
  const auto fail_at_the_other = [&](TimePoint when) {
    addresses.dial("relay.example");
    addresses.found(found, when);
    addresses.connected(v4);
    return addresses.failed(Cause::connection_lost, when);
  };
  CHECK_FALSE(fail_at_the_other(now + 1h - 1ns));
  CHECK(fail_at_the_other(now + 1h));
}

TEST_CASE("an address beyond the first sixteen is none that could be tried") {
  std::vector<std::string> seventeen;
  for (int index = 0; index < 17; ++index) seventeen.push_back("2001:db8::" + std::to_string(index));
  FoundAddresses found;
  SUBCASE("of those that DNS says") {
    found.said = seventeen;
  }
  SUBCASE("of those that are remembered") {
    found.remembered = seventeen;
  }
  Addresses addresses;
  for (int attempt = 0; attempt < 15; ++attempt) CHECK(fail(addresses, found, TimePoint{}));
  CHECK_FALSE(fail(addresses, found, TimePoint{}));
}

TEST_CASE("no more than the last thirty-two addresses that failed are remembered") {
  Addresses addresses;
  const auto address = [](int number) { return "2001:db8::" + std::to_string(number); };
  const FoundAddresses first{{address(0), v4}, {}};
  for (int number = 0; number < 32; ++number) fail(addresses, {{address(number)}, {}}, TimePoint{});
  CHECK(addresses.order(first, TimePoint{}) == AddressOrder{{v4, address(0)}, 1});
  fail(addresses, {{address(32)}, {}}, TimePoint{});
  CHECK(addresses.order(first, TimePoint{}) == AddressOrder{{address(0), v4}, 2});
}

// ---- the tunnel ---------------------------------------------------------------------------------------------------

TEST_CASE("an address that failed after TCP stood is followed by the next one after a short pause, and is named") {
  const FoundAddresses found{{v6, v4}, {}};
  SteppedTunnel tunnel = dialled(found);
  CHECK(tunnel.actions == Actions{Connect{{{v6, v4}, 2}}});
  connect(tunnel, v6).session(SessionFailed{{Cause::connection_lost, "read the banner of", "relay.example:22", ""}});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
  CHECK(tunnel.lines.at(0).text.starts_with("read the banner of relay.example:22 [2001:db8::1]: connection lost;"));
  tunnel.wait().session(PhaseCompleted{OpeningPhase::resolve, "", found});
  CHECK(tunnel.actions == Actions{Connect{{{v4, v6}, 1}}});
}

TEST_CASE("a login that is refused waits as ever, whatever other addresses there are") {
  SteppedTunnel tunnel = dialled({{v6, v4}, {}});
  connect(tunnel, v6).session(PhaseCompleted{OpeningPhase::banner}).session(PhaseCompleted{OpeningPhase::key_exchange});
  tunnel.session(SessionFailed{{Cause::authentication_refused, "authenticate to", "relay.example:22", ""}});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 30s);
}

TEST_CASE("with another address to turn to, a silent one is left after three seconds") {
  SteppedTunnel alone = dialled({{v6}, {}});
  CHECK(connect(alone, v6).in<Opening>().deadline == alone.now + 30s);
  SteppedTunnel tunnel = dialled({{v6}, {v4}});
  CHECK(connect(tunnel, v6).in<Opening>().deadline == tunnel.now + 3s);
  redial(tunnel.wait(), {{v6}, {v4}}, v4);
  CHECK(tunnel.in<Opening>().deadline == tunnel.now + 30s);
}

TEST_CASE("an address where a young session was lost is still better than one that never gave any") {
  const FoundAddresses found{{v6, v4}, {}};
  SteppedTunnel tunnel = dialled(found);
  connect(tunnel, v6).session(SessionFailed{lost()});
  redial(tunnel, found, v4);
  for (const auto phase : {OpeningPhase::banner, OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  tunnel.session(ForwardAnswered{0, 4649});
  REQUIRE(tunnel.phase() == "established");
  tunnel.now += 20s;
  tunnel.session(SessionFailed{lost()});
  tunnel.wait().session(PhaseCompleted{OpeningPhase::resolve, "", found});
  CHECK(tunnel.actions == Actions{Connect{{{v4, v6}, 1}}});
}

TEST_CASE("another network, or somebody who asks for a reconnect, has every address tried as if none had failed") {
  const FoundAddresses found{{v6, v4}, {}};
  SteppedTunnel tunnel = dialled(found);
  connect(tunnel, v6).session(SessionFailed{lost()});
  SUBCASE("another network") {
    tunnel.after(NetworkChanged{});
  }
  SUBCASE("a reconnect") {
    tunnel.after(ReconnectRequested{});
  }
  tunnel.session(PhaseCompleted{OpeningPhase::resolve, "", found});
  CHECK(tunnel.actions == Actions{Connect{{{v6, v4}, 2}}});
}

TEST_CASE("who let us in is the relay, where no host key is asked for: what it says later is not its address's fault") {
  TunnelSpec spec = spec_with(1);
  spec.strict_host_key_checking = StrictHostKeyChecking::no;
  const FoundAddresses found{{v6, v4}, {}};
  SteppedTunnel tunnel{spec};
  tunnel.after(Start{}).session(PhaseCompleted{OpeningPhase::resolve, "", found});
  connect(tunnel, v6);
  for (const auto phase : {OpeningPhase::banner, OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  REQUIRE(tunnel.phase() == "requesting_forwards");
  tunnel.session(SessionFailed{{Cause::relay_disconnected, "hold the session with", "relay.example:22", ""}});
  tunnel.wait().session(PhaseCompleted{OpeningPhase::resolve, "", found});
  CHECK(tunnel.actions == Actions{Connect{{{v6, v4}, 2}}});
}

TEST_CASE("an address where a session lasted is first choice again, though it failed before") {
  const FoundAddresses found{{v6, v4}, {}};
  SteppedTunnel tunnel = dialled(found);
  connect(tunnel, v6).session(SessionFailed{lost()});
  redial(tunnel, found, v4).session(SessionFailed{lost()});
  redial(tunnel, found, v4);
  for (const auto phase : {OpeningPhase::banner, OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  tunnel.session(ForwardAnswered{0, 4649});
  tunnel.now += 60s;
  tunnel.session(Received{true}).session(SessionFailed{lost()});
  tunnel.wait().session(PhaseCompleted{OpeningPhase::resolve, "", found});
  CHECK(tunnel.actions == Actions{Connect{{{v4, v6}, 1}}});
}

TEST_CASE("the next address of a relay comes before the next relay") {
  TunnelSpec spec = spec_with(1);
  spec.relays = {{"a.example", 22, "/known", {}}, {"b.example", 22, "/known", {}}};
  SteppedTunnel tunnel{spec};
  tunnel.after(Start{}).session(PhaseCompleted{OpeningPhase::resolve, "", {{v6, v4}, {}}});
  connect(tunnel, v6).session(SessionFailed{lost()});
  CHECK(tunnel.in<BackingOff>().relay == 0);
  redial(tunnel, {{v6, v4}, {}}, v4).session(SessionFailed{lost()});
  CHECK(tunnel.in<BackingOff>().relay == 1);
}

TEST_CASE("the name of a relay that is an address is not said twice") {
  TunnelSpec spec = spec_with(1);
  spec.host_name = v6;
  SteppedTunnel tunnel{spec};
  tunnel.after(Start{}).session(PhaseCompleted{OpeningPhase::resolve, "", {{v6}, {}}});
  connect(tunnel, v6).session(SessionFailed{{Cause::connection_lost, "read the banner of", "[2001:db8::1]:22", ""}});
  CHECK(tunnel.in<BackingOff>().failure.subject == "[2001:db8::1]:22");
}

// ---- another box under the relay's name ---------------------------------------------------------------------------

TEST_CASE("a wrong key where DNS leads now and the relay is not known to be: the network's waits, and no rash advice") {
  const FoundAddresses found{{other}, {v4}, 20min + 5s};
  SteppedTunnel tunnel = dialled(found);
  CHECK(tunnel.actions == Actions{Connect{{{other, v4}, 1}}});
  connect(tunnel, other).session(SessionFailed{wrong_key()});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
  const Failure failure = tunnel.in<BackingOff>().failure;
  CHECK(failure.subject == "relay.example:22 [198.51.100.7]");
  CHECK(failure.detail == "it shows X; relay.example means 198.51.100.7 now, 192.0.2.1 was right until 20 min ago");
  CHECK(remedy(failure).find("delete") == std::string::npos);
  CHECK(remedy(failure).find("ssh-keygen -lf") != std::string::npos);
  // The address that was right does not answer, so that the stranger is met again.
  for (int attempt = 0; attempt < 20; ++attempt) redial(tunnel, found, other).session(SessionFailed{wrong_key()});
  CHECK(tunnel.in<BackingOff>().until <= tunnel.now + 30s);
  // And one step out of the hotel ends the wait.
  CHECK(tunnel.after(NetworkChanged{}).actions == Actions{Dial{}});
}

TEST_CASE("an address in place of a name leads to nobody else, and where nobody was connected there is no stranger") {
  Addresses literal;
  literal.dial("192.0.2.1");
  literal.found({{"192.0.2.1"}, {}}, TimePoint{});
  literal.connected("192.0.2.1");
  CHECK_FALSE(literal.is_stranger(Cause::host_key_changed));
  Addresses name;
  name.dial("relay.example");
  name.found({{v4}, {v6}}, TimePoint{});
  CHECK_FALSE(name.is_stranger(Cause::host_key_changed));
  name.connected(v4);
  CHECK(name.is_stranger(Cause::host_key_changed));
}

TEST_CASE("how long ago an address was right is told in whole minutes, and from an hour on in hours") {
  const auto words_after = [](Duration age) {
    SteppedTunnel tunnel = dialled({{other}, {v4}, age});
    connect(tunnel, other).session(SessionFailed{wrong_key()});
    const std::string detail = tunnel.in<BackingOff>().failure.detail;
    return detail.substr(detail.find("was right"));
  };
  CHECK(words_after(59s) == "was right until a moment ago");
  CHECK(words_after(60s) == "was right until 1 min ago");
  CHECK(words_after(60min - 1s) == "was right until 59 min ago");
  CHECK(words_after(60min) == "was right until 1 h 0 min ago");
}

TEST_CASE("that a name means what it meant is not told as if it had changed") {
  SteppedTunnel tunnel = dialled({{v4}, {v4}, 20min});
  connect(tunnel, v4).session(SessionFailed{wrong_key()});
  CHECK(tunnel.in<BackingOff>().failure.detail ==
        "it shows X; relay.example still means what it meant: 192.0.2.1 was right until 20 min ago");
}

TEST_CASE(
    "any wrong key, and a login refused by who has shown none, may be a stranger's; a lost connection tells nothing") {
  Addresses addresses;
  addresses.dial("relay.example");
  addresses.found({{other}, {v4}}, TimePoint{});
  addresses.connected(other);
  for (const Cause cause : {Cause::host_key_unknown, Cause::host_key_changed, Cause::host_key_revoked,
                            Cause::host_key_not_pinned, Cause::authentication_refused}) {
    CAPTURE(to_string(cause));
    CHECK(addresses.is_stranger(cause));
  }
  CHECK_FALSE(addresses.is_stranger(Cause::connection_lost));
  CHECK_FALSE(addresses.is_stranger(Cause::protocol_mismatch));
  // Without a memory there is nothing to compare with, but a key that was known.
  addresses.found({{other}, {}}, TimePoint{});
  CHECK_FALSE(addresses.is_stranger(Cause::host_key_unknown));
  CHECK_FALSE(addresses.is_stranger(Cause::authentication_refused));
  CHECK(addresses.is_stranger(Cause::host_key_changed));
}

TEST_CASE("what is known of a relay's addresses is said where who answers may be another one, and only there") {
  const auto detail_of = [](Cause cause) {
    SteppedTunnel tunnel = dialled({{v4}, {v4}, 20min});
    connect(tunnel, v4).session(SessionFailed{{cause, "read the banner of", "relay.example:22", "it says HTTP"}});
    return tunnel.in<BackingOff>().failure.detail;
  };
  const std::string known =
      "it says HTTP; relay.example still means what it meant: 192.0.2.1 was right until 20 min ago";
  for (const Cause cause : {Cause::host_key_unknown, Cause::host_key_changed, Cause::host_key_revoked,
                            Cause::host_key_not_pinned, Cause::protocol_mismatch}) {
    CAPTURE(to_string(cause));
    CHECK(detail_of(cause) == known);
  }
  CHECK(detail_of(Cause::connection_lost) == "it says HTTP");
}

TEST_CASE("a wrong key at the address that was right, and that DNS still names, waits for minutes") {
  SteppedTunnel tunnel = dialled({{v4}, {v4}, 20min});
  connect(tunnel, v4).session(SessionFailed{wrong_key()});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 30s);
  CHECK(tunnel.in<BackingOff>().failure.detail.ends_with("192.0.2.1 was right until 20 min ago"));
  redial(tunnel, {{v4}, {v4}, 20min}, v4).session(SessionFailed{wrong_key()});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 60s);
}

TEST_CASE(
    "a wrong key at a remembered address that DNS no longer names, or while DNS is silent, says nothing for long") {
  FoundAddresses found{{}, {v4}, 26h};
  std::string words = "; DNS does not say what relay.example means now, 192.0.2.1 was right until 1 d 2 h ago";
  SUBCASE("silent") {}
  SUBCASE("another one") {
    found.said = {other};
    words = "; relay.example means 198.51.100.7 now, 192.0.2.1 was right until 1 d 2 h ago";
  }
  SteppedTunnel tunnel = dialled(found);
  connect(tunnel, v4).session(SessionFailed{wrong_key()});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
  CHECK(tunnel.state.failover.here().addresses.is_stranger(Cause::host_key_changed));
  CHECK(tunnel.in<BackingOff>().failure.detail.ends_with(words));
}

TEST_CASE("a name without a line in known_hosts is the device's own lack, if the relay was never found before") {
  Failure unknown = wrong_key();
  unknown.cause = Cause::host_key_unknown;
  SteppedTunnel tunnel = dialled({{v4}, {}});
  connect(tunnel, v4).session(SessionFailed{unknown});
  CHECK_FALSE(tunnel.state.failover.here().addresses.is_stranger(Cause::host_key_unknown));
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 30s);
}

TEST_CASE("where no host key is asked for, a refused login may be anybody's") {
  TunnelSpec spec = spec_with(1);
  spec.strict_host_key_checking = StrictHostKeyChecking::no;
  bool strange = true;
  SUBCASE("at a new address") {}
  SUBCASE("with a pin, which was right") {
    spec.host_key_fingerprint = {"SHA256:x"};
    strange = false;
  }
  for (const Cause refused : {Cause::authentication_refused, Cause::login_method_missing, Cause::certificate_expired}) {
    SteppedTunnel tunnel{spec};
    tunnel.after(Start{}).session(PhaseCompleted{OpeningPhase::resolve, "", {{other}, {v4}, 20min}});
    connect(tunnel, other).session(PhaseCompleted{OpeningPhase::banner});
    tunnel.session(PhaseCompleted{OpeningPhase::key_exchange});
    tunnel.session(SessionFailed{{refused, "authenticate to", "relay.example:22", ""}});
    CHECK(tunnel.state.failover.here().addresses.is_stranger(refused) == strange);
    CHECK(tunnel.in<BackingOff>().until == tunnel.now + (strange ? Duration{500ms} : Duration{30s}));
  }
}

TEST_CASE("who is no SSH server is not the network's: the waits grow although the outage is young") {
  SteppedTunnel tunnel = dialled({{v4}, {}});
  for (int attempt = 0; attempt < 8; ++attempt) {
    connect(tunnel, v4)
        .session(SessionFailed{{Cause::protocol_mismatch, "read the banner of", "relay.example:22", ""}});
    if (attempt < 7) tunnel.wait().session(PhaseCompleted{OpeningPhase::resolve, "", {{v4}, {}}});
  }
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 30s);
}
