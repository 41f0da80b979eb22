#include "holdfast/failure.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace holdfast;

TEST_CASE("every cause has a name of its own and a remedy that ends as a sentence") {
  std::set<std::string_view> names;
  for (int value = 0; value <= static_cast<int>(Cause::local_error); ++value) {
    const auto cause = static_cast<Cause>(value);
    CHECK(names.insert(to_string(cause)).second);
    REQUIRE(remedy(cause).size() > 20);
    CHECK(remedy(cause).back() == '.');
  }
}

TEST_CASE("where the relay is Dropbear no remedy names an option of sshd's, and the rest stays as it is") {
  for (int value = 0; value <= static_cast<int>(Cause::local_error); ++value) {
    const Failure failure{static_cast<Cause>(value), "", "", ""};
    CAPTURE(to_string(failure.cause));
    CHECK(with_remedy_for("SSH-2.0-OpenSSH_9.2p1 Debian-2", failure) == failure);
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

TEST_CASE("a failure reads as operation, subject, cause and detail") {
  CHECK(describe({Cause::host_key_changed, "verify host key of", "relay:22", "SHA256:abc"}) ==
        "verify host key of relay:22: host key changed (SHA256:abc)");
  CHECK(describe({Cause::connection_refused, "connect", "relay:22", "Connection refused"}) ==
        "connect relay:22: connection refused");
  CHECK(describe({Cause::relay_silent, "keep alive", "", ""}) == "keep alive: relay silent");
}
