#include "holdfast/listens_on.hpp"

#include <doctest/doctest.h>

using namespace holdfast;

namespace {

using Sockets = std::vector<std::string>;

const std::string lo4 = "0100007F:1229";
const std::string lo6 = "00000000000000000000000001000000:1229";
const std::string any4 = "00000000:1229";
const std::string any6 = "00000000000000000000000000000000:1229";
const std::string public4 = "077100CB:1229";  // 203.0.113.7

}  // namespace

TEST_CASE("more than the loopback was asked for, in any spelling, and GatewayPorts grants only that") {
  for (const char* const address : {"", "*", "0.0.0.0", "::", "203.0.113.7", "2001:db8::7", "relay.example"}) {
    CAPTURE(address);
    CHECK(listens_on(address, {lo4, lo6}) == ListensOn::loopback_only);
    CHECK(listens_on(address, {lo4}) == ListensOn::loopback_only);
    CHECK(listens_on(address, {any4, any6}) == ListensOn::as_asked);
    CHECK(asks_beyond_loopback(address));
  }
  CHECK(is_narrower(ListensOn::loopback_only));
}

TEST_CASE("a relay of the other byte order is understood") {
  CHECK(listens_on("*", {"7F000001:1229", "00000000000000000000000000000001:1229"}) == ListensOn::loopback_only);
}

TEST_CASE("an address of the relay's own is what was asked for") {
  CHECK(listens_on("203.0.113.7", {public4}) == ListensOn::as_asked);
  CHECK(listens_on("203.0.113.7", {lo4, public4}) == ListensOn::as_asked);
  CHECK(listens_on("::", {any6}) == ListensOn::as_asked);
  CHECK(listens_on("0.0.0.0", {any4}) == ListensOn::as_asked);
}

TEST_CASE("one family of two is told") {
  CHECK(listens_on("", {any4}) == ListensOn::ipv4_only);
  CHECK(listens_on("*", {any6}) == ListensOn::ipv6_only);
  CHECK(listens_on("localhost", {lo6}) == ListensOn::ipv6_only);
  CHECK(listens_on("localhost", {lo4}) == ListensOn::as_asked);
  CHECK(listens_on("::1", {lo6}) == ListensOn::as_asked);
  CHECK(is_narrower(ListensOn::ipv6_only));
  CHECK_FALSE(is_narrower(ListensOn::ipv4_only));
}

TEST_CASE("only the loopback was asked for, and GatewayPorts yes opens it to everybody") {
  for (const char* const address : {"localhost", "127.0.0.1", "::1"}) {
    CAPTURE(address);
    CHECK(listens_on(address, {any4, any6}) == ListensOn::everywhere);
    CHECK(listens_on(address, {lo4, lo6}) == ListensOn::as_asked);
    CHECK_FALSE(asks_beyond_loopback(address));
  }
}

TEST_CASE("one family that is open to everybody is enough") {
  CHECK(listens_on("localhost", {any4, lo6}) == ListensOn::everywhere);
  CHECK(listens_on("localhost", {lo4, any6}) == ListensOn::everywhere);
}

TEST_CASE("an IPv6 address that ends as the loopback does is not the loopback") {
  const std::string public6 = "B80D0120000000000000000001000000:1229";  // 2001:db8::1
  CHECK(listens_on("2001:db8::1", {public6}) == ListensOn::as_asked);
  CHECK(listens_on("80::1", {"80000000000000000000000001000000:1229"}) == ListensOn::as_asked);
}

TEST_CASE("where nothing can be seen, or not all, nothing is said") {
  CHECK(listens_on("*", {}) == ListensOn::unknown);
  CHECK(listens_on("*", {lo4, lo4, lo4, lo4, lo4}) == ListensOn::unknown);
  CHECK(listens_on("*", {lo4, lo4, lo4, lo4}) == ListensOn::loopback_only);
  CHECK(in_words(ListensOn::unknown).empty());
}
