#include "config/forward_syntax.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace holdfast::config;

namespace {

RemoteForward to_host(std::string bind_address, std::uint16_t port, std::string host, std::uint16_t host_port) {
  return {std::move(bind_address), port, TcpTarget{std::move(host), host_port}};
}

std::string error_of(std::string_view text) {
  const auto forward = parse_forward(text);
  return forward ? "no error: " + format_forward(*forward) : forward.error();
}

}  // namespace

TEST_CASE("forwards are read as after ssh -R") {
  CHECK(parse_forward("4649:localhost:22") == to_host("localhost", 4649, "localhost", 22));
  CHECK(parse_forward("0:localhost:22") == to_host("localhost", 0, "localhost", 22));
  CHECK(parse_forward("127.0.0.1:4649:10.0.0.2:22") == to_host("127.0.0.1", 4649, "10.0.0.2", 22));
  CHECK(parse_forward("relay.example:4649:h:22") == to_host("relay.example", 4649, "h", 22));
  CHECK(parse_forward("*:4649:localhost:22") == to_host("", 4649, "localhost", 22));
  CHECK(parse_forward(":4649:localhost:22") == to_host("", 4649, "localhost", 22));
  CHECK(parse_forward("[::1]:4649:[fe80::1%eth0]:22") == to_host("::1", 4649, "fe80::1%eth0", 22));
  CHECK(parse_forward("[127.0.0.1]:1:[h]:2") == to_host("127.0.0.1", 1, "h", 2));
  CHECK(parse_forward("4649:/run/app.sock") == RemoteForward{"localhost", 4649, UnixTarget{"/run/app.sock"}});
  CHECK(parse_forward("[::]:1:/run/a:b") == RemoteForward{"::", 1, UnixTarget{"/run/a:b"}});
  CHECK(parse_forward("65535:h:65535") == to_host("localhost", 65535, "h", 65535));
}

TEST_CASE("forwards are read as after RemoteForward in ssh_config") {
  CHECK(parse_forward("4649 localhost:22") == to_host("localhost", 4649, "localhost", 22));
  CHECK(parse_forward("[::1]:4649 \t [::1]:22") == to_host("::1", 4649, "::1", 22));
  CHECK(parse_forward("*:4649 /run/app.sock") == RemoteForward{"", 4649, UnixTarget{"/run/app.sock"}});
}

TEST_CASE("what is no forward is refused with the reason") {
  const std::string missing = "a target is missing, as in 4649:localhost:22";
  CHECK(error_of("4649") == missing);
  CHECK(error_of("4649:localhost") == missing);
  CHECK(error_of("4649:22") == "the target's host is missing, as in 4649:localhost:22");
  CHECK(error_of("4649 ") == "the target is host:port or /socket, with IPv6 in brackets");
  CHECK(error_of("4649 localhost") == "the target is host:port or /socket, with IPv6 in brackets");
  CHECK(error_of("1:2:3:4:5") == "the relay's side is [bind_address:]port, with IPv6 in brackets");
  CHECK(error_of("4649:::1:22") == "the relay's side is [bind_address:]port, with IPv6 in brackets");
  CHECK(error_of("/run/r.sock:localhost:22") == missing);
  CHECK(error_of("/run/r.sock localhost:22") == "the relay's side can't be a socket path");
  CHECK(error_of("65536:h:22") == "'65536' is not a port from 0 to 65535");
  CHECK(error_of("-1:h:22") == "'-1' is not a port from 0 to 65535");
  CHECK(error_of("ssh:h:22") == "'ssh' is not a port from 0 to 65535");
  CHECK(error_of("1:h:ssh") == "'ssh' is not a port from 1 to 65535");
  CHECK(error_of("1:h:0") == "'0' is not a port from 1 to 65535");
  CHECK(error_of("1:h:") == "'' is not a port from 1 to 65535");
  CHECK(error_of("1:h:2x") == "'2x' is not a port from 1 to 65535");
  CHECK(error_of("1::22") == "the target host is empty");
  CHECK(error_of("1:${TARGET}:22") == "'${TARGET}' is not a target host: nothing is expanded here; write it out");
  CHECK(error_of("$BIND:1:h:22") == "'$BIND' is not a bind address: nothing is expanded here; write it out");
  CHECK(error_of("1:%h:22") == "'%h' is not a target host: nothing is expanded here; write it out");
  CHECK(error_of("1:/run/${NAME}.sock") == "variables are not expanded; write the path out");
  CHECK(error_of("1:h!:22") == "'h!' is not a target host");
  CHECK(error_of("1:user@h:22") == "'user@h' is not a target host");
  CHECK(error_of("a@b:1:h:22") == "'a@b' is not a bind address");
  CHECK(error_of("[::1:1:h:22") == "']' is missing");
  CHECK(error_of("[]:1:h:22") == "the brackets are empty");
  CHECK(error_of("[::1]1:h:22") == "expected ':' after ']'");
  CHECK(error_of("1 /run/a b") == "the socket's path contains a blank");
  CHECK(error_of("") == missing);
  CHECK(error_of("1:/" + std::string(107, 'a')) == "the socket's path is longer than 107 bytes");
}

TEST_CASE("a written forward reads back the same") {
  for (const std::string bind : {"localhost", "", "127.0.0.1", "::1", "::", "relay.example"})
    for (const Target& target :
         {Target{TcpTarget{"h", 1}}, Target{TcpTarget{"::1", 65535}}, Target{UnixTarget{"/a:b"}}})
      for (const std::uint16_t port : std::initializer_list<std::uint16_t>{0, 1, 65535}) {
        const RemoteForward forward{bind, port, target};
        CAPTURE(format_forward(forward));
        CHECK(parse_forward(format_forward(forward)) == forward);
      }
}

TEST_CASE("listeners collide when one address covers the other on the same port") {
  const auto collide = [](const std::string& one, const std::string& other) {
    const bool there = listeners_collide(to_host(one, 1, "h", 1), to_host(other, 1, "h", 2));
    CHECK(there == listeners_collide(to_host(other, 1, "h", 1), to_host(one, 1, "h", 2)));
    return there;
  };
  CHECK(collide("localhost", "localhost"));
  CHECK(collide("", "localhost"));
  CHECK(collide("", "10.0.0.1"));
  CHECK(collide("localhost", "127.0.0.1"));
  CHECK(collide("localhost", "::1"));
  CHECK(collide("0.0.0.0", "127.0.0.1"));
  CHECK(collide("::", "::1"));
  CHECK_FALSE(collide("127.0.0.1", "::1"));
  CHECK_FALSE(collide("0.0.0.0", "::1"));
  CHECK_FALSE(collide("::", "127.0.0.1"));
  CHECK_FALSE(collide("10.0.0.1", "127.0.0.1"));
  CHECK_FALSE(listeners_collide(to_host("", 1, "h", 1), to_host("", 2, "h", 1)));
  CHECK_FALSE(listeners_collide(to_host("", 0, "h", 1), to_host("", 0, "h", 1)));
}
