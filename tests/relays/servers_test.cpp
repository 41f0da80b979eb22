// The table "Servers" of docs/relays.md: whoever speaks SSH at the other end, and what stands before it.
#include <doctest/doctest.h>

#include "relays/programs.hpp"
#include "relays/row.hpp"
#include "support/dropbear.hpp"

using namespace holdfast::test;

namespace {

void openssh(const std::string& release) {
  if (const auto place = debian(release)) {
    Sshd relay({.place = *place});
    relay_row(relay);
  }
}

void dropbear(const std::string& release) {
  if (const auto place = debian(release)) {
    Dropbear relay({"-K", "1"}, *place);
    relay_row(relay, "`-K 1`");
  }
}

}  // namespace

TEST_CASE("OpenSSH of Debian 11") {
  openssh("11");
}
TEST_CASE("OpenSSH of Debian 12") {
  openssh("12");
}
TEST_CASE("OpenSSH of Debian 13") {
  openssh("13");
}
TEST_CASE("Dropbear of Debian 11") {
  dropbear("11");
}
TEST_CASE("Dropbear of Debian 12") {
  dropbear("12");
}
TEST_CASE("Dropbear of Debian 13") {
  dropbear("13");
}

TEST_CASE("Go x/crypto/ssh") {
  if (!installed({HOLDFAST_GO_RELAY})) return;
  RelayProgram relay({HOLDFAST_GO_RELAY, "-keepalive", "1s"});
  relay_row(relay, "keepalives every second");
}

TEST_CASE("AsyncSSH") {
  const std::string python = "/usr/bin/python3";
  if (run({{python, "-c", "import asyncssh"}}).status != success) {
    return skip("python3-asyncssh is missing (tools/install-packages relays)");
  }
  RelayProgram relay({python, HOLDFAST_ASYNCSSH_RELAY}, {"1"});
  relay_row(relay, "`keepalive_interval=1`");
}

TEST_CASE("OpenSSH behind sslh") {
  if (!installed({"sslh"})) return;
  Behind relay(sslh);
  relay_row(relay);
}
TEST_CASE("OpenSSH behind HAProxy") {
  if (!installed({"haproxy"})) return;
  Behind relay(haproxy("50s"));
  relay_row(relay);
}
TEST_CASE("OpenSSH behind socat") {
  if (!installed({"socat"})) return;
  Behind relay(socat);
  relay_row(relay);
}
