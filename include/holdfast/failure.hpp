#pragma once

#include <string>
#include <string_view>

#include "holdfast/cause.hpp"

namespace holdfast {

/// A failed operation: a value, not an exception, because a peer's failure is ordinary here.
struct Failure {
  Cause cause{};
  std::string operation;  ///< "connect to", "listen on relay", "authenticate to", ...
  std::string subject;    ///< what it was tried on: "relay.example:22", "localhost:4649", a file's path
  std::string detail;     ///< what the system or the library said; may be empty
  std::string remedy{};   ///< where that of the cause does not fit; else empty

  friend bool operator==(const Failure&, const Failure&) = default;
};

/// What the operator should try next; never empty.
std::string_view remedy(const Failure& failure);

/// With the remedy that fits the server which the relay says it is ("SSH-2.0-dropbear_2022.83").
Failure with_remedy_for(std::string_view server, Failure failure);

/// Does this server ask silent clients at twice ClientAliveInterval, as OpenSSH 9.2 to 9.4 do? "OpenSSH_9.2p1
/// Debian-2", with or without "SSH-2.0-" before it.
bool asks_at_twice_the_interval(std::string_view server);

/// "connect to relay.example:22: connection refused (detail)"; without the remedy.
std::string describe(const Failure& failure);

}  // namespace holdfast
