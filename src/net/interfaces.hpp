#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/findings.hpp"

struct nlmsghdr;

namespace holdfast::net {

/// Links and addresses with all that tells why one does not serve; NetworkSnapshot has what a tunnel acts on.
class Interfaces {
 public:
  /// One message of a dump (rtnetlink(7)), as long as it says. What is malformed or about something else adds nothing.
  void take(const nlmsghdr& message);

  std::vector<LinkFindings::Link> links() const;
  /// Without those of the loopback.
  std::vector<AddressFindings::Address> addresses() const;

 private:
  using LinkIndex = std::uint32_t;
  struct Link {
    LinkFindings::Link found;
    LinkIndex below = 0;     ///< the link of this machine that carries it, as of a VLAN
    LinkIndex master = 0;    ///< the bridge or bond that it is a port of
    bool elsewhere = false;  ///< its other end is in another network namespace: the way out of a container
  };

  void take_link(const nlmsghdr& message);
  void take_address(const nlmsghdr& message);
  std::map<LinkIndex, bool> ways_out() const;

  std::map<LinkIndex, Link> links_;
  std::vector<std::pair<LinkIndex, AddressFindings::Address>> addresses_;
};

/// Asks for the interfaces as they are now, with a socket of its own; none if the kernel does not say.
std::optional<Interfaces> dump_interfaces();

}  // namespace holdfast::net
