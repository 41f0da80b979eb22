#include "doctor/anonymous.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <regex>
#include <set>
#include <string>

using holdfast::doctor::Anonymous;

TEST_CASE("the same name or address becomes the same word everywhere, and keeps its kind") {
  Anonymous anonymous{{{"relay.customer.example", "relay"}, {"erika", "user"}, {"gateway-7", "device"}}};
  CHECK(anonymous("connect relay.customer.example:22 as erika@relay.customer.example (gateway-7)") ==
        "connect relay-1:22 as user-1@relay-1 (device-1)");
  CHECK(anonymous("203.0.113.9:22, 10.64.0.2, 100.70.1.1, 203.0.113.9, 169.254.3.4") ==
        "192.0.2.1:22, 10.0.0.1, 100.64.0.1, 192.0.2.1, 169.254.0.1");
  Anonymous nameless{std::vector<Anonymous::Name>{}};
  CHECK(nameless("to fd77::9: Network is unreachable; 10.1.2.3.") == "to fd00::1: Network is unreachable; 10.0.0.1.");
  CHECK(anonymous("[2a01:4f8::7]:22 fe80::1 fd12::3 2a01:4f8::7") == "[2001:db8::1]:22 fe80::1 fd00::1 2001:db8::1");
  CHECK(anonymous("localhost:4649:203.0.113.9:22") == "localhost:4649:192.0.2.1:22");
  CHECK(anonymous("lladdr de:ad:be:ef:00:01 DE:AD:BE:EF:00:02 de:ad:be:ef:00:01") ==
        "lladdr 02:00:00:00:00:01 02:00:00:00:00:02 02:00:00:00:00:01");
  CHECK(anonymous("SHA256:" + std::string(43, 'a') + " SHA256:" + std::string(43, 'b') +
                  " SHA256:" + std::string(43, 'a')) == "SHA256:key-1 SHA256:key-2 SHA256:key-1");
}

TEST_CASE("hardware addresses stay such, however many there are, and each keeps its own in any spelling") {
  Anonymous anonymous{{}};
  std::set<std::string> replaced;
  for (int number = 0; number < 300; ++number) {
    std::array<char, 18> text{};
    std::snprintf(text.data(), text.size(), "de:ad:be:ef:%02x:%02X", number / 256, number % 256);
    const std::string by = anonymous(text.data());
    CHECK(std::regex_match(by, std::regex{"02(:[0-9a-f]{2}){5}"}));
    replaced.insert(by);
  }
  CHECK(replaced.size() == 300);
  CHECK(anonymous("DE:AD:BE:EF:00:0A") == anonymous("de:ad:be:ef:00:0a"));
}

TEST_CASE("what identifies nobody stays: times, loopback, common accounts and words") {
  Anonymous anonymous{{{"tunnel", "user"}, {"root", "user"}, {"127.0.0.1", "relay"}, {"erika", "user"}}};
  for (const std::string text :
       {"2026-11-29T20:36:32+0100 the tunnel is up", "localhost:4649 127.0.0.1:22 [::1]:22 0.0.0.0",
        "erikas erika-2 x_erika 1.2.3 version 0.10.6"})
    CHECK(anonymous(text) == text);
}

TEST_CASE("a longer name is not taken for the shorter one that it begins with") {
  Anonymous anonymous{{{"relay.example", "relay"}, {"relay.example.org", "relay"}}};
  CHECK(anonymous("relay.example.org relay.example") == "relay-2 relay-1");
}
