#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/public_key.hpp"

/// Pure: what `holdfast init` is told, and the texts that it writes.
namespace holdfast::setup {

/// The account on the relay.
struct Login {
  std::string user;
  std::string host;  ///< without brackets
  std::uint16_t port = 22;
};

/// "user@host", "user@host:port", "user@[v6]:port", with or without "ssh://" before it. The error says what is wrong
/// and what to type instead.
tl::expected<Login, std::string> parse_login(std::string_view text);
/// What parse_login() reads; no port if it is 22.
std::string to_string(const Login& login);

/// What is said of a tunnel, beside the defaults.
struct NewTunnel {
  std::string name;
  Login login;
  std::string identity_file;
  std::string identity_comment;  ///< behind it; empty: none
  std::string known_hosts;       ///< empty: the default
  RemoteForward forward;
};

/// A file of conf.d that holds this tunnel alone.
std::string tunnel_yaml(const NewTunnel& tunnel);
/// A main file, for tunnels that are all in conf.d. `status_socket` empty: the default.
std::string main_yaml(const std::string& status_socket);

/// The options that let a key hold these listeners, and prove them: no more.
std::string key_options(const std::vector<RemoteForward>& forwards);
/// Whether a line of authorized_keys says it; `option` in lower case.
bool has_option(std::string_view line, std::string_view option);
/// Whether the options of a line of authorized_keys let its key hold this listener.
bool permits(std::string_view line, const RemoteForward& forward);
/// "restrict,... ssh-ed25519 AAAA... comment"; what is no plain letter in the comment becomes '-'. sshd takes the first
/// line of a key: all that the key is to hold in this account stands in one.
std::string authorized_keys_line(const std::vector<RemoteForward>& forwards, const PublicKey& key,
                                 std::string_view comment);

/// For a POSIX shell on the relay, which reads it from its standard input: adds the line to ~/.ssh/authorized_keys
/// unless a line there has this key. Prints install_mark and one word: "added", "there", "differs" and the first line
/// of the key (which is left as it is), or "failed" and why.
std::string install_script(const std::vector<RemoteForward>& forwards, const PublicKey& key, std::string_view comment);
inline constexpr std::string_view install_mark = "holdfast-init: ";

/// Lines of the one text that the other lacks: "-" before those of `there` only, "+" before those of `wanted` only.
std::string difference(std::string_view there, std::string_view wanted);

}  // namespace holdfast::setup
