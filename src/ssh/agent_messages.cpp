#include "ssh/agent_messages.hpp"

#include <cstdint>

#include "ssh/wire.hpp"

namespace holdfast::ssh {
namespace {

constexpr char failure = 5;
constexpr char request_identities = 11;
constexpr char identities_answer = 12;
constexpr char sign_request = 13;
constexpr char sign_response = 14;

std::string message(char type, std::string_view rest = {}) {
  return to_wire(std::string{type}.append(rest));
}

/// The type of a whole message; 0 if it has none.
char type_of(std::string_view whole) {
  const auto payload = next_string(whole);
  return payload && !payload->empty() ? payload->front() : '\0';
}

}  // namespace

std::string list_keys_message() {
  return message(request_identities);
}

std::string failure_message() {
  return message(failure);
}

std::string keys_message(const std::vector<AgentKey>& keys) {
  std::string rest = to_wire(static_cast<std::uint32_t>(keys.size()));
  for (const AgentKey& key : keys) rest += to_wire(key.blob) + to_wire(key.comment);
  return message(identities_answer, rest);
}

tl::expected<std::vector<AgentKey>, std::string> keys_in(std::string_view answer) {
  if (type_of(answer) != identities_answer) return tl::unexpected<std::string>("it refuses to list its keys");
  auto fields = *next_string(answer);
  fields.remove_prefix(1);
  const auto count = next_integer<std::uint32_t>(fields);
  std::vector<AgentKey> keys;
  while (!fields.empty()) {
    const auto blob = next_string(fields);
    const auto comment = next_string(fields);
    if (!blob || !comment) break;
    keys.push_back({std::string{*blob}, std::string{*comment}});
  }
  if (!count || keys.size() != *count) return tl::unexpected<std::string>("its list of keys makes no sense");
  if (keys.empty()) return tl::unexpected<std::string>("it shows no key: it holds none, or is locked");
  return keys;
}

std::string sign_request_in(std::string_view messages) {
  while (const auto payload = next_string(messages)) {
    if (payload->starts_with(sign_request)) return to_wire(*payload);
  }
  return {};
}

std::string key_of(std::string_view request) {
  auto fields = next_string(request).value_or("");
  if (fields.empty()) return {};
  fields.remove_prefix(1);
  return std::string{next_string(fields).value_or("")};
}

bool is_signature(std::string_view answer) {
  return type_of(answer) == sign_response;
}

}  // namespace holdfast::ssh
