#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

/// Pure: the messages between a client and an SSH agent (draft-miller-ssh-agent), whole, with their lengths in front.
namespace holdfast::ssh {

struct AgentKey {
  std::string blob;  ///< the public key, or a certificate: RFC 4253, 6.6
  std::string comment;

  friend bool operator==(const AgentKey&, const AgentKey&) = default;
};

/// The longest answer of an agent, in bytes, its length in front included. libssh's request to sign has the key twice,
/// and both have to find room in a socket that nobody reads meanwhile (net.core.wmem_default, 208 KB).
inline constexpr std::size_t longest_agent_message = std::size_t{64} * 1024;

std::string list_keys_message();
std::string failure_message();
std::string keys_message(const std::vector<AgentKey>& keys);

/// What an agent answers to list_keys_message(); the error says why that is of no use.
tl::expected<std::vector<AgentKey>, std::string> keys_in(std::string_view answer);
/// The message among these that asks for a signature; empty if none does.
std::string sign_request_in(std::string_view messages);
/// The public key whose signature is asked for.
std::string key_of(std::string_view sign_request);
bool is_signature(std::string_view answer);

}  // namespace holdfast::ssh
