#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace holdfast::config {

/// sshd_config(5), TIME FORMATS: a sequence of numbers, each with a unit out of s, m, h, d, w in either case, none
/// meaning seconds; the parts add up. The error says what is wrong with the text, without repeating it.
tl::expected<std::chrono::seconds, std::string> parse_duration(std::string_view text);

/// The shortest form that parse_duration() reads back: "90" seconds are "1m30s", none is "0".
std::string format_duration(std::chrono::seconds duration);

/// ssh_config(5), RekeyLimit: bytes, with an optional K, M or G for powers of 1024.
tl::expected<std::uint64_t, std::string> parse_size(std::string_view text);

std::string format_size(std::uint64_t bytes);

}  // namespace holdfast::config
