#include "holdfast/failure.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "holdfast/enumerators.hpp"

using namespace holdfast;

TEST_CASE("every cause has a remedy that ends as a sentence") {
  for (const CauseFacts& facts : all_causes()) {
    REQUIRE(facts.remedy.size() > 20);
    CHECK(facts.remedy.back() == '.');
    CHECK(facts.sentence.back() != '.');
  }
}

TEST_CASE("each layer is found by its name, from the lowest to the highest") {
  for (const Layer layer : enumerators<Layer>) CHECK(named<Layer>(to_string(layer)) == layer);
  CHECK_FALSE(named<Layer>("transport"));
}

TEST_CASE("a host key is wrong where another one is known, and a login refused whatever the relay says of it") {
  std::vector<Cause> wrong;
  std::vector<Cause> refused;
  for (const CauseFacts& facts : all_causes()) {
    if (is_wrong_host_key(facts.cause)) wrong.push_back(facts.cause);
    if (is_refused_login(facts.cause)) refused.push_back(facts.cause);
  }
  CHECK(wrong == std::vector{Cause::host_key_changed, Cause::host_key_revoked, Cause::host_key_not_pinned,
                             Cause::host_key_of_another_type});
  CHECK(refused == std::vector{Cause::authentication_refused, Cause::login_method_missing, Cause::certificate_expired});
}

TEST_CASE("of two faults the one that lies lower is the answer") {
  CHECK(hides(Cause::unreachable, Cause::connection_timed_out));
  CHECK(hides(Cause::name_not_found, Cause::authentication_refused));
  CHECK(hides(Cause::path_mtu, Cause::relay_silent));
  CHECK(hides(Cause::forward_refused, Cause::path_broken));
  CHECK_FALSE(hides(Cause::connection_refused, Cause::connection_timed_out));
  CHECK_FALSE(hides(Cause::target_down, Cause::path_broken));
  CHECK(hides(Cause::no_carrier, Cause::name_not_found));
  CHECK_FALSE(hides(Cause::signal_weak, Cause::name_not_found));  // a warning
  CHECK_FALSE(hides(Cause::no_carrier, Cause::target_down));      // which is on the device
  CHECK_FALSE(hides(Cause::no_carrier, Cause::lease_unavailable));
}

TEST_CASE("where the relay is Dropbear no remedy names an option of sshd's, and the rest stays as it is") {
  for (const CauseFacts& facts : all_causes()) {
    const Failure failure{facts.cause, "", "", ""};
    CAPTURE(to_string(failure.cause));
    CHECK(with_remedy_for("SSH-2.0-OpenSSH_10.0p2 Debian-7", failure) == failure);
    CHECK(with_remedy_for("", failure) == failure);
    CHECK(remedy(failure) == remedy(failure.cause));
    const Failure at_dropbear = with_remedy_for("SSH-2.0-dropbear_2022.83", failure);
    CHECK(remedy(at_dropbear).back() == '.');
    for (const char* foreign : {"ClientAlive", "MaxStartups", "AllowTcp", "GatewayPorts", "sshd_config", "lease ("}) {
      CHECK(remedy(at_dropbear).find(foreign) == std::string_view::npos);
    }
  }
  CHECK(remedy(with_remedy_for("SSH-2.0-dropbear", {Cause::listener_held_stale, "", "", ""})).find("-K") !=
        std::string_view::npos);
}

TEST_CASE("OpenSSH 9.2 to 9.4 ask at twice the interval, and a silent holder's remedy says so of them alone") {
  const Failure stale{Cause::listener_held_stale, "", "", ""};
  for (const char* doubling : {"OpenSSH_9.2p1", "SSH-2.0-OpenSSH_9.3", "SSH-2.0-OpenSSH_9.4p1 Debian-1"}) {
    CHECK(asks_at_twice_the_interval(doubling));
    CHECK(remedy(with_remedy_for(doubling, stale)).find("after twice ClientAliveInterval") != std::string_view::npos);
  }
  for (const char* not_so :
       {"OpenSSH_9.1p1", "SSH-2.0-OpenSSH_9.5p1", "OpenSSH_9.20p1", "SSH-2.0-dropbear_2022.83", ""})
    CHECK_FALSE(asks_at_twice_the_interval(not_so));
  CHECK(remedy(with_remedy_for("SSH-2.0-OpenSSH_10.0p2", stale)) == remedy(Cause::listener_held_stale));
  CHECK(with_remedy_for("SSH-2.0-OpenSSH_9.2p1", {Cause::target_down, "", "", ""}).remedy.empty());
}

TEST_CASE("a failure reads as operation, subject, cause and detail") {
  CHECK(describe({Cause::host_key_changed, "verify the host key of", "relay:22", "SHA256:abc"}) ==
        "verify the host key of relay:22: host key changed (SHA256:abc)");
  CHECK(describe({Cause::connection_refused, "connect to", "relay:22", "Connection refused"}) ==
        "connect to relay:22: connection refused");
  CHECK(describe({Cause::relay_silent, "keep alive", "", ""}) == "keep alive: relay silent");
}
