#include "holdfast/config.hpp"

#include <doctest/doctest.h>

using namespace holdfast;

TEST_CASE("addresses are written as ssh writes them, IPv6 literals in brackets") {
  CHECK(listener_name({"localhost", 4649, {}}) == "localhost:4649");
  CHECK(listener_name({"", 80, {}}) == "*:80");
  CHECK(listener_name({"::1", 0, {}}) == "[::1]:0");
  CHECK(target_name(TcpTarget{"fe80::1%eth0", 22}) == "[fe80::1%eth0]:22");
  CHECK(target_name(TcpTarget{"camera", 80}) == "camera:80");
  CHECK(target_name(UnixTarget{"/run/app.sock"}) == "/run/app.sock");
  TunnelSpec spec;
  spec.host_name = "2001:db8::1";
  spec.port = 2222;
  CHECK(relay_name(spec) == "[2001:db8::1]:2222");
}
