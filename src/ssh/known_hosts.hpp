#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/public_key.hpp"

/// Pure: what a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT) says about a host and a key. libssh's own check
/// is not used. It ignores @revoked, takes a negated pattern for a match and calls a host unknown whose line it can't
/// parse.
namespace holdfast::ssh {

enum class HostKeyVerdict {
  known,       ///< a line for this host holds the key
  unknown,     ///< no line for this host
  changed,     ///< a line holds another key of the same type
  other_type,  ///< lines for this host hold keys of other types only
  revoked,     ///< a @revoked line holds the key
  unreadable,  ///< none of the above, and a line for this host can't be parsed
};

struct Judgement {
  HostKeyVerdict verdict{};
  int line = 0;       ///< that decided, from 1; 0 for `unknown`
  int authority = 0;  ///< the first @cert-authority line for this host, which is not obeyed; 0 if there is none

  friend bool operator==(const Judgement&, const Judgement&) = default;
};

/// A key stored under the bare name is good for any port, as it is to OpenSSH. Nothing else of such a line counts for
/// another port than 22, except @revoked.
Judgement judge_host_key(std::string_view known_hosts, const std::string& host, std::uint16_t port,
                         const PublicKey& key);

/// What the file says about a host before it has shown its key.
struct HostLines {
  std::vector<std::string> types;  ///< known_key_types()
  int unreadable = 0;              ///< the first line for it that can't be parsed; 0: there is none
};
HostLines lines_about(std::string_view known_hosts, const std::string& host, std::uint16_t port);

/// The key types that are stored for the host, without repetition, in the file's order.
std::vector<std::string> known_key_types(std::string_view known_hosts, const std::string& host, std::uint16_t port);

/// The key types of the lines that are not marked as learnt. A learnt key is good for a relay that shows no other any
/// more. It must not be asked for while one of these will do, or whoever told a wrong one could keep the device out
/// with it.
std::vector<std::string> own_key_types(std::string_view known_hosts, const std::string& host, std::uint16_t port);

/// What stands behind a key that the relay told.
inline constexpr std::string_view learnt_mark = " learnt from the relay ";

/// How many lines hold a key of the host.
std::size_t known_key_count(std::string_view known_hosts, const std::string& host, std::uint16_t port);

/// What stands behind the last newline: empty, unless a line broke off.
std::string_view last_line(std::string_view text);

/// How OpenSSH stores the host: "relay.example", or "[relay.example]:2222" when the port is not 22; lower case.
std::string known_hosts_name(const std::string& host, std::uint16_t port);

}  // namespace holdfast::ssh
