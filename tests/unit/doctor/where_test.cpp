#include "doctor/where.hpp"

#include <doctest/doctest.h>

using namespace holdfast::doctor;

TEST_CASE("who logs in where is split from the port, an IPv6 address included") {
  const auto check = [](const char* text, const char* login, const char* port) {
    CAPTURE(text);
    const Where where = read_where(text);
    CHECK(where.login == login);
    CHECK(where.port == port);
  };
  check("me@relay.example:4649", "me@relay.example", "4649");
  check("me@relay.example", "me@relay.example", "");
  check("me@relay.example:", "me@relay.example", "");
  check("me@[2001:db8::1]:4649", "me@2001:db8::1", "4649");
  check("me@[2001:db8::1]", "me@2001:db8::1", "");
  check("me@2001:db8::1", "me@2001:db8::1", "");
  check(":4649", "", "4649");
  check("@relay.example:4649", "", "4649");
  check("me@:4649", "", "4649");
  check("me@-oProxyCommand=x:4649", "", "4649");
}

TEST_CASE("a port is from 1 to 65535") {
  CHECK(read_port("65535") == 65535);
  for (const char* none : {"", "0", "65536", "99999", "-1", "22x", " 22"}) {
    CAPTURE(none);
    CHECK_FALSE(read_port(none));
  }
}
