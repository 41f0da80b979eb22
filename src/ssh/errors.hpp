#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"

namespace holdfast::ssh {

/// What the relay said, made fit for a log line: control and non-ASCII bytes become '?', at most 200 bytes are kept.
std::string sanitize(std::string_view text);

/// Sanitizes a longer text line by line; 8 lines at most, and none that is empty.
std::vector<std::string> sanitized_lines(std::string_view text);
/// What came in the place of an SSH banner, made fit for a log line: "a TLS record", or its words.
std::string first_words(std::string_view line);
/// "for kex algos it offers: a, b" and what we do, of what libssh says where none is common.
std::vector<std::string> both_lists(std::string_view error);

/// How far a session came; decides what an error text of libssh means.
enum class Progress { banner, key_exchange, authentication, established };

/// "read the banner of", "exchange keys with", ...: the operation of a Failure.
std::string_view operation_name(Progress progress);

/// What is known about the end of a session.
struct Death {
  Progress progress{};
  std::string error;       ///< ssh_get_error()
  std::string banner;      ///< "SSH-2.0-OpenSSH_10.0"; empty before it came
  std::string first_line;  ///< the first that came from the relay; empty if libssh took it before it could be seen
  bool spoke = false;      ///< anything came from the relay; decides between silence and another protocol
};

Failure explain(const Death& death, const TunnelSpec& spec);

}  // namespace holdfast::ssh
