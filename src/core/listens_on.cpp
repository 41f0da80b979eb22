#include "holdfast/listens_on.hpp"

#include <algorithm>
#include <cstdlib>

#include "holdfast/enumerators.hpp"

namespace holdfast {
namespace {

constexpr std::size_t as_many_as_are_told = 5;
constexpr std::size_t digits_of_ipv4 = 8;

/// Which kinds of addresses listen at one port.
struct Seen {
  bool any4 = false;
  bool any6 = false;
  bool loopback4 = false;
  bool other = false;

  bool beyond_loopback() const { return any4 || any6 || other; }
};

/// The kernel prints the words of an address in the relay's own byte order.
void note(Seen& seen, std::string_view address) {
  const bool zero = address.find_first_not_of('0') == std::string_view::npos;
  const std::string_view word = address.substr(address.size() - digits_of_ipv4);
  const bool rest_is_zero = address.substr(0, address.size() - word.size()).find_first_not_of('0') == std::string::npos;
  if (address.size() == digits_of_ipv4) {
    const bool loopback = word.starts_with("7F") || word.ends_with("7F");
    (zero ? seen.any4 : loopback ? seen.loopback4 : seen.other) = true;
  } else {
    const bool loopback = rest_is_zero && (word == "01000000" || word == "00000001");
    if (!loopback) (zero ? seen.any6 : seen.other) = true;
  }
}

ListensOn of_both(bool ipv4, bool ipv6) {
  if (ipv4 && ipv6) return ListensOn::as_asked;
  return ipv4 ? ListensOn::ipv4_only : ListensOn::ipv6_only;
}

}  // namespace

std::string_view to_string(ListensOn where) {
  return spelling(where).name;
}

std::string_view in_words(ListensOn where) {
  switch (where) {
    case ListensOn::unknown:
    case ListensOn::as_asked:
      return "";
    case ListensOn::loopback_only:
      return "listens on loopback only (GatewayPorts)";
    case ListensOn::ipv6_only:
      return "listens on IPv6 only";
    case ListensOn::ipv4_only:
      return "listens on IPv4 only";
    case ListensOn::everywhere:
      return "listens on every address (GatewayPorts yes)";
  }
  std::abort();
}

std::string_view remedy(ListensOn where) {
  switch (where) {
    case ListensOn::unknown:
    case ListensOn::as_asked:
    case ListensOn::ipv4_only:
      return "";
    case ListensOn::loopback_only:
      return "Set GatewayPorts clientspecified (or yes) in the relay's sshd_config, or ask for localhost.";
    case ListensOn::ipv6_only:
      return "On the relay, look who has this port for IPv4 (ss -tlnp), and at AddressFamily.";
    case ListensOn::everywhere:
      return "Set GatewayPorts clientspecified (or no) in the relay's sshd_config, if only the relay is to reach it.";
  }
  std::abort();
}

bool is_narrower(ListensOn where) {
  return where == ListensOn::loopback_only || where == ListensOn::ipv6_only;
}

bool asks_beyond_loopback(std::string_view bind_address) {
  return bind_address != "localhost" && bind_address != "::1" && !bind_address.starts_with("127.");
}

ListensOn listens_on(std::string_view bind_address, const std::vector<std::string>& sockets) {
  if (sockets.empty() || sockets.size() >= as_many_as_are_told) return ListensOn::unknown;
  Seen seen;
  for (const std::string& socket : sockets) {
    const std::string_view address = std::string_view{socket}.substr(0, socket.find(':'));
    if (address.size() < digits_of_ipv4) return ListensOn::unknown;
    note(seen, address);
  }
  if (!asks_beyond_loopback(bind_address)) {
    if (seen.any4 || seen.any6) return ListensOn::everywhere;
    return bind_address == "localhost" && !seen.loopback4 ? ListensOn::ipv6_only : ListensOn::as_asked;
  }
  if (!seen.beyond_loopback()) return ListensOn::loopback_only;
  const bool any = bind_address.empty() || bind_address == "*";
  return any && (seen.any4 || seen.any6) ? of_both(seen.any4, seen.any6) : ListensOn::as_asked;
}

}  // namespace holdfast
