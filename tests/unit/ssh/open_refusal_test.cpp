#include "ssh/open_refusal.hpp"

#include <doctest/doctest.h>

using namespace holdfast::ssh;

namespace {

OpenFailure reason_of(const std::string& words, int reason = 2) {
  const auto refusal =
      refusal_in("Channel opening failure: channel 43 error (" + std::to_string(reason) + ") " + words);
  REQUIRE(refusal);
  CHECK(refusal->words == words);
  return refusal->reason;
}

}  // namespace

TEST_CASE("the reason's number is what libssh says it is, whatever the relay's words are") {
  CHECK(reason_of("open failed", 1) == OpenFailure::prohibited);
  CHECK(reason_of("", 1) == OpenFailure::prohibited);
  CHECK(reason_of("Connection refused", 3) == OpenFailure::other);
  CHECK(reason_of("", 4) == OpenFailure::other);
  CHECK(reason_of("", 12) == OpenFailure::other);
  CHECK(reason_of("error (1) ", 2) == OpenFailure::not_connected);
  CHECK(reason_of("error (2) Connection refused", 1) == OpenFailure::prohibited);
  CHECK(reason_of("Channel opening failure: channel 44 error (1) ", 2) == OpenFailure::not_connected);
}

TEST_CASE("only a connection that was refused says that nobody listens") {
  for (const std::string words : {
           "Connection refused",                                                           // OpenSSH, Dropbear
           "connection refused",                                                           // Windows' C library
           "dial tcp 127.0.0.1:4649: connect: connection refused",                         // Go
           "No connection could be made because the target machine actively refused it.",  // Windows
           "Connection refused (os error 111)",                                            // Rust
       }) {
    CAPTURE(words);
    CHECK(reason_of(words) == OpenFailure::refused);
  }
}

TEST_CASE("every other text says nothing about the listener") {
  for (const std::string words : {
           "Name or service not known",  // glibc
           "Temporary failure in name resolution",
           "Non-recoverable failure in name resolution",
           "No address associated with hostname",
           "Address family for hostname not supported",
           "System error",
           "Name does not resolve",  // musl
           "Try again",
           "hostname nor servname provided, or not known",                        // BSD
           "nodename nor servname provided, or not known",                        // macOS
           "no address associated with name",                                     // OpenBSD
           "Error resolving 'localhost' port '4649'. Name or service not known",  // Dropbear
           "dial tcp: lookup localhost: no such host",                            // Go
           "dial tcp: lookup localhost on 192.0.2.1:53: read udp 192.0.2.7:4242->192.0.2.1:53: read: connection "
           "refused",
           "[Errno -2] Name or service not known",  // asyncssh
           "[Errno 111] Connect call failed ('127.0.0.1', 4649)",
           "unknown host",
           "open failed",  // older sshds
           "Connection timed out",
           "Too many open files",
           "",
       }) {
    CAPTURE(words);
    CHECK(reason_of(words) == OpenFailure::not_connected);
  }
}

TEST_CASE("another error of the session is no reason of a channel") {
  for (const std::string error :
       {"", "Global request keepalive@openssh.com failed", "Channel opening failure: channel ",
        "Channel opening failure: channel 43", "Channel opening failure: channel x error (1) open failed",
        "Received SSH_MSG_DISCONNECT: 2:Channel opening failure: channel 43 error (1) open failed"}) {
    CAPTURE(error);
    CHECK_FALSE(refusal_in(error));
  }
}

TEST_CASE("the relay's words are made fit for a log line") {
  const auto refusal = refusal_in("Channel opening failure: channel 43 error (2) a\nb\x1b[1m");
  REQUIRE(refusal);
  CHECK(refusal->words == "a?b?[1m");
}
