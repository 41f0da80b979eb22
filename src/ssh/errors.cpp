#include "ssh/errors.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "holdfast/tunnel.hpp"

namespace holdfast::ssh {
namespace {

constexpr std::size_t longest_text = 200;

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// What stands behind `marker`, or the whole text.
std::string_view after(std::string_view text, std::string_view marker) {
  const auto at = text.find(marker);
  return at == std::string_view::npos ? text : text.substr(at + marker.size());
}

/// RFC 4253, 5.1: 1.99 speaks both.
bool speaks_ssh_2(std::string_view banner) {
  return banner.starts_with("SSH-2.") || banner.starts_with("SSH-1.99-");
}

std::string it_said(std::string_view line) {
  return "it said \"" + first_words(line) + "\"";
}

bool broken_packet(std::string_view error) {
  return holds(error, "HMAC error") || holds(error, "Decryption error") || holds(error, "Packet len too high") ||
         holds(error, "left to be read < 0") || holds(error, "read padding") || holds(error, "Invalid padding") ||
         holds(error, "sequence number overflow");
}

Failure lost(const Death& death, Failure failure) {
  failure.cause = Cause::connection_lost;
  const bool closed = holds(death.error, "disconnected");
  failure.detail = closed ? "the relay closed the connection" : sanitize(after(death.error, "Socket error: "));
  if (death.progress != Progress::banner) return failure;
  if (death.spoke) {
    failure.cause = Cause::protocol_mismatch;
    failure.detail = death.first_line.empty() ? "it sent no SSH banner" : it_said(death.first_line);
    // OpenSSH's way to say no before the protocol begins (sshd.c, drop_connection).
    if (holds(death.first_line, "Exceeded MaxStartups")) failure.cause = Cause::relay_disconnected;
    // From 9.8 on it says this instead, and also to whoever has a penalty.
    if (holds(death.first_line, "Not allowed at this time")) failure.cause = Cause::relay_penalty;
  } else if (closed) {
    failure.detail = "the relay closed the connection without a banner: a ban, MaxStartups, or a firewall between";
  }
  return failure;
}

}  // namespace

std::string sanitize(std::string_view text) {
  std::string clean{text.substr(0, longest_text)};
  for (char& letter : clean) {
    if (letter < 0x20 || letter > 0x7e) letter = '?';
  }
  if (text.size() > longest_text) clean.replace(longest_text - 3, 3, "...");
  return clean;
}

std::vector<std::string> sanitized_lines(std::string_view text) {
  constexpr std::size_t most_lines = 8;
  std::vector<std::string> lines;
  while (!text.empty() && lines.size() < most_lines) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    if (end > 0) lines.push_back(sanitize(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string first_words(std::string_view line) {
  const bool tls = line.size() >= 2 && (line[0] == 0x15 || line[0] == 0x16) && line[1] == 0x03;  // RFC 8446, 5.1
  return tls ? "a TLS record" : sanitize(line);
}

std::vector<std::string> both_lists(std::string_view error) {
  constexpr std::size_t longest_list = 1000;
  std::vector<std::string> lists;
  const std::string_view what = after(error, "no match for method ");
  const std::string kind{what.substr(0, what.find(':'))};
  for (const auto& [marker, words] :
       {std::pair{"server [", " the relay offers "}, std::pair{"client [", " we offer "}}) {
    if (!holds(what, marker)) continue;
    const std::string_view list = after(what, marker);
    std::string text{list.substr(0, std::min(list.find(']'), longest_list))};
    for (char& letter : text) letter = letter < 0x20 || letter > 0x7e ? '?' : letter;
    lists.push_back("of " + sanitize(kind) + words + text);
  }
  return lists;
}

std::string_view operation_name(Progress progress) {
  switch (progress) {
    case Progress::banner:
      return operation_of(OpeningPhase::banner);
    case Progress::key_exchange:
      return operation_of(OpeningPhase::key_exchange);
    case Progress::authentication:
      return operation_of(OpeningPhase::authenticate);
    case Progress::established:
      return "hold the session with";
  }
  std::abort();
}

Failure explain(const Death& death, const TunnelSpec& spec) {
  const std::string_view error = death.error;
  Failure failure{Cause::connection_lost, std::string{operation_name(death.progress)}, relay_name(spec), ""};
  // What libssh says of this depends on its version, and on what else came.
  if (!death.banner.empty() && !speaks_ssh_2(death.banner)) {
    return {Cause::protocol_mismatch, std::string{operation_name(Progress::banner)}, relay_name(spec),
            it_said(death.banner)};
  }
  if (holds(error, "SSH_MSG_DISCONNECT")) {
    const bool too_many =
        death.progress == Progress::authentication && holds(error, "Too many authentication failures");
    failure.cause = too_many ? Cause::authentication_refused : Cause::relay_disconnected;
    if (too_many) {
      failure.remedy =
          "The relay's sshd takes no more tries than MaxAuthTries (6): leave only the key that it knows in "
          "identity_file, or in the agent.";
    }
    failure.detail = sanitize(after(after(error, "SSH_MSG_DISCONNECT: "), ":"));
    return failure;
  }
  if (holds(error, "no match for method")) {
    failure.cause = Cause::no_common_algorithm;
    failure.detail = sanitize(after(error, "no match for method "));
    return failure;
  }
  // Whatever libssh says of a connection that was reset behind that.
  const bool said_no = death.progress == Progress::banner && !death.first_line.empty();
  const bool reset = death.progress == Progress::banner && holds(error, "reset by peer");
  if (holds(error, "Socket error") || said_no || reset) return lost(death, std::move(failure));

  failure.detail = sanitize(error);
  if (death.progress == Progress::banner || holds(error, "Packet filter")) {
    failure.cause = Cause::protocol_mismatch;
  } else if (death.progress == Progress::key_exchange) {
    failure.cause = Cause::key_exchange_failed;
  } else if (broken_packet(error)) {
    failure.cause = Cause::integrity_failed;
  }
  return failure;
}

}  // namespace holdfast::ssh
