#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Pure: lists of algorithm names as in ssh_config.
namespace holdfast::ssh {

inline constexpr std::string_view default_host_key_algorithms =
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256";
inline constexpr std::string_view default_macs =
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";
inline constexpr std::string_view default_kex_algorithms =
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
    "diffie-hellman-group18-sha512,diffie-hellman-group16-sha512,diffie-hellman-group-exchange-sha256,"
    "diffie-hellman-group14-sha256";

/// The names of `wanted`, or those of `defaults` when it is empty. As in ssh_config(5) a leading '+' appends to the
/// defaults, '-' removes from them and '^' puts in front of them.
std::vector<std::string> resolve_algorithms(std::string_view wanted, std::string_view defaults);

/// `algorithms` with those first that a key of one of `key_types` ("ssh-rsa") can sign with, the order kept otherwise.
std::vector<std::string> prefer_key_types(std::vector<std::string> algorithms,
                                          const std::vector<std::string>& key_types);

/// Whether a key of one of `key_types` can sign with one of the algorithms.
bool any_signs(const std::vector<std::string>& algorithms, const std::vector<std::string>& key_types);
/// Is there an algorithm for a key of this type, as known_hosts names it ("ssh-rsa")?
bool allows_key_type(const std::vector<std::string>& algorithms, std::string_view key_type);

}  // namespace holdfast::ssh
