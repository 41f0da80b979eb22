#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// What messages are made of.
namespace holdfast::config {

/// The value in single quotes, control characters escaped. What is long, has several lines or names a private key is
/// described instead of shown: a key pasted into the wrong place must not end up in a log.
std::string quote(std::string_view value);

/// For a command that somebody is to type: quoted where a POSIX shell would take it for more than itself.
std::string shell_word(std::string_view text);

/// Begins like key material rather than like the path of a file that holds it.
bool looks_like_key_material(std::string_view value);

/// The name that was probably meant: case and underscores don't count ("HostName" is "host_name"), beyond that about
/// one letter in three may be wrong.
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> names);

/// "; did you mean 'port'?" or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> names);

/// "yes, accept-new, no"
std::string join(std::span<const std::string_view> words);

/// The offset of the first byte that is no UTF-8 text: malformed, or a control character other than tab and newline.
std::optional<std::size_t> first_binary_byte(std::string_view text);

bool has_space_or_control(std::string_view text);

/// What a shell, ssh_config or systemd would replace: "${X}", "$X", "~", and "%h" where `text` is no IPv6 address.
bool asks_for_expansion(std::string_view text);
/// " is not a WHAT", and a word more where something was to be expanded.
std::string is_not(std::string_view text, std::string_view what);

}  // namespace holdfast::config
