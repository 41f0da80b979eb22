#include "config/types.hpp"

#include <arpa/inet.h>
#include <net/if.h>

#include <charconv>
#include <string_view>

#include "config/forward_syntax.hpp"
#include "holdfast/words.hpp"

namespace holdfast::config {
namespace {

bool equal_ignoring_case(std::string_view one, std::string_view other) {
  return lower(one) == lower(other);
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return equal_ignoring_case(text, word); });
}

std::optional<bool> yes_or_no(std::string_view text) {
  if (is_one_of(text, {"yes", "true", "on"})) return true;
  if (is_one_of(text, {"no", "false", "off"})) return false;
  return std::nullopt;
}

std::vector<std::string_view> words_of(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t end = text.find_first_of(separators);
    words.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return words;
    text.remove_prefix(end + 1);
  }
}

std::string_view without_blanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

bool is_address(const std::string& text) {
  in6_addr address{};
  return inet_pton(AF_INET, text.c_str(), &address) == 1 || inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

/// 32 bytes are 43 base64 characters, of which the last carries four bits.
bool is_sha256(std::string_view encoded) {
  static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return encoded.size() == 43 && encoded.find_first_not_of(alphabet) == std::string_view::npos &&
         alphabet.find(encoded.back()) % 4 == 0;
}

/// Why `name` can't be one; empty if it can.
std::string why_no_algorithm(std::string_view name) {
  static constexpr std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._-+";  // umac, sntrup761x25519, ...
  if (name.empty()) return "a name is empty";
  if (name.front() == '+' || name.front() == '-' || name.front() == '^')
    return quote(name) + ": a list that changes the default (+, -, ^) is not supported; name every algorithm";
  if (name.find_first_not_of(allowed) != std::string_view::npos)
    return quote(name) + " is not the name of an algorithm; patterns are not supported";
  return {};
}

void read_listener(const Value& value, RemoteForward& into) {
  const auto text = value.text();
  if (!text) return;
  auto listener = parse_listener(*text);
  if (!listener) return value.refuse(quote(*text) + ": " + listener.error());
  into.bind_address = std::move(listener->bind_address);
  into.port = listener->port;
}

void read_target(const Value& value, RemoteForward& into) {
  const auto text = value.text();
  if (!text) return;
  auto target = parse_target(*text);
  if (!target) return value.refuse(quote(*text) + ": " + target.error());
  into.target = *std::move(target);
}

void read_forward_mapping(const Value& value, RemoteForward& into) {
  static constexpr auto unwritten = [](const RemoteForward&) { return Node{}; };
  static constexpr std::array keys{Key<RemoteForward>{"listen", read_listener, unwritten},
                                   Key<RemoteForward>{"target", read_target, unwritten}};
  RemoteForward forward;
  const Given given = read_record<RemoteForward>(value, keys, forward);
  for (const auto& key : keys)
    if (!given.contains(key.name)) value.refuse("required key '" + std::string(key.name) + "' is missing");
  into = std::move(forward);
}

}  // namespace

void HostName::read(const Value& value, std::string& into) {
  const auto text = value.text();
  if (!text) return;
  auto relay = parse_relay(*text);
  if (!relay) return value.refuse(quote(*text) + ": " + relay.error());
  into = std::move(relay->host);
}

void UserName::read(const Value& value, std::string& into) {
  const auto text = value.text();
  if (!text) return;
  // What OpenSSH's ssh refuses too (and libssh from 0.11 on), as a shell could take it for more than a name.
  if (has_space_or_control(*text) || text->empty() || text->front() == '-' || text->back() == '\\' ||
      text->find_first_of("'`\";&<>|(){}") != std::string::npos)
    return value.refuse(is_not(*text, "a name of an account"));
  into = *text;
}

void DeviceName::read(const Value& value, std::string& into) {
  static constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  static constexpr std::size_t longest_name = 64;
  const auto text = value.text();
  if (!text) return;
  if (text->empty() || text->size() > longest_name || text->find_first_not_of(allowed) != std::string::npos)
    return value.refuse(is_not(*text, "a name of a device (1 to 64 letters, digits, '.', '-' or '_')"));
  into = *text;
}

void LocalAddress::read(const Value& value, std::string& into) {
  const auto text = value.text();
  if (!text) return;
  if (!is_address(*text)) return value.refuse(is_not(*text, "a numeric address of this device"));
  into = *text;
}

void InterfaceName::read(const Value& value, std::string& into) {
  const auto text = value.text();
  if (!text) return;
  if (text->size() >= IFNAMSIZ) return value.refuse(quote(*text) + ": an interface's name has at most 15 characters");
  if (has_space_or_control(*text) || text->find('/') != std::string::npos)
    return value.refuse(is_not(*text, "the name of an interface"));
  into = *text;
}

void CongestionControl::read(const Value& value, std::string& into) {
  static constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  static constexpr std::size_t longest_name = 15;  // TCP_CA_NAME_MAX of the kernel, without the final zero
  const auto text = value.text();
  if (!text) return;
  if (text->size() > longest_name || text->find_first_not_of(allowed) != std::string::npos)
    return value.refuse(quote(*text) + " is not the name of a TCP congestion control such as bbr");
  into = *text;
}

void Fingerprint::read(const Value& value, std::string& into) {
  static constexpr std::string_view prefix = "SHA256:";
  auto text = value.text();
  if (!text) return;
  if (text->ends_with('=')) text->pop_back();
  if (!text->starts_with(prefix) || !is_sha256(std::string_view(*text).substr(prefix.size())))
    return value.refuse(quote(*text) + " is not SHA256: and 43 base64 characters, as ssh-keygen -l prints them");
  into = *std::move(text);
}

void Algorithms::read(const Value& value, std::string& into) {
  std::string names;
  for (const Value& item : value.items()) {
    const auto text = item.text();
    if (!text) return;
    for (std::string_view name : words_of(*text, ",")) {
      name = without_blanks(name);
      if (const std::string reason = why_no_algorithm(name); !reason.empty()) return item.refuse(reason);
      names += (names.empty() ? "" : ",") + std::string(name);
    }
  }
  into = std::move(names);
}

void Boolean::read(const Value& value, bool& into) {
  const auto text = value.text();
  if (!text) return;
  const auto answer = yes_or_no(*text);
  if (!answer) return value.refuse(quote(*text) + " is neither yes nor no");
  into = *answer;
}

void Economy::read(const Value& value, unsigned& into) {
  static constexpr unsigned usual = 5;
  static constexpr unsigned most = 100;
  const auto text = value.text();
  if (!text) return;
  if (const auto answer = yes_or_no(*text)) {
    into = *answer ? usual : 1;
    return;
  }
  unsigned number = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc{} || rest != end || number < 2 || number > most)
    return value.refuse(quote(*text) + " is neither yes, no nor a number from 2 to 100");
  into = number;
}

Node Economy::write(unsigned intervals) {
  return Node::scalar(intervals == 1 ? "no" : std::to_string(intervals));
}

void Forward::read(const Value& value, RemoteForward& into) {
  if (value.node().kind == Node::Kind::mapping) return read_forward_mapping(value, into);
  const auto text = value.text();
  if (!text) return;
  auto forward = parse_forward(*text);
  if (!forward) return value.refuse(quote(*text) + ": " + forward.error());
  into = *std::move(forward);
}

Node Forward::write(const RemoteForward& forward) {
  return Node::scalar(format_forward(forward));
}

void Rekey::read(const Value& value, RekeyLimit& into) {
  static constexpr std::uint64_t smallest = std::uint64_t{64} * 1024;
  const auto text = value.text();
  if (!text) return;
  const auto words = words_of(without_blanks(*text), " ");
  if (words.size() > 2) return value.refuse(quote(*text) + " is not a size and a duration such as '1G 1h'");
  RekeyLimit limit;
  if (words[0] != "default") {
    const auto bytes = parse_size(words[0]);
    if (!bytes) return value.refuse(quote(words[0]) + " " + bytes.error());
    if (*bytes < smallest) return value.refuse(quote(words[0]) + " is too small; at least 64K");
    limit.bytes = *bytes;
  }
  if (words.size() == 2 && words[1] != "none") {
    const auto time = parse_duration(words[1]);
    if (!time) return value.refuse(quote(words[1]) + " " + time.error());
    limit.time = *time;
  }
  into = limit;
}

Node Rekey::write(const RekeyLimit& limit) {
  const auto time = std::chrono::floor<std::chrono::seconds>(limit.time);
  return Node::scalar((limit.bytes == 0 ? "default" : format_size(limit.bytes)) + " " +
                      (time.count() == 0 ? "none" : format_duration(time)));
}

std::optional<std::uint64_t> read_size(const Value& value, std::uint64_t lowest, std::uint64_t highest) {
  const auto text = value.text();
  if (!text) return std::nullopt;
  const auto bytes = parse_size(without_blanks(*text));
  if (!bytes) {
    value.refuse(quote(*text) + " " + bytes.error());
  } else if (*bytes < lowest) {
    value.refuse(quote(*text) + " is too small; at least " + format_size(lowest));
  } else if (*bytes > highest) {
    value.refuse(quote(*text) + " is too large; at most " + format_size(highest));
  } else {
    return *bytes;
  }
  return std::nullopt;
}

std::optional<std::int64_t> read_number(const Value& value, std::int64_t lowest, std::int64_t highest) {
  const auto text = value.text();
  if (!text) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, number);
  if (error == std::errc{} && rest == end && number >= lowest && number <= highest) return number;
  value.refuse(quote(*text) + " is not a number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  return std::nullopt;
}

std::optional<std::chrono::seconds> read_seconds(const Value& value, std::chrono::seconds lowest,
                                                 std::chrono::seconds highest) {
  const auto text = value.text();
  if (!text) return std::nullopt;
  const auto duration = parse_duration(*text);
  if (!duration) {
    value.refuse(quote(*text) + " " + duration.error());
  } else if (*duration < lowest) {
    value.refuse(quote(*text) + " is too short; at least " + format_duration(lowest));
  } else if (*duration > highest) {
    value.refuse(quote(*text) + " is too long; at most " + format_duration(highest));
  } else {
    return *duration;
  }
  return std::nullopt;
}

std::optional<std::size_t> read_choice(const Value& value, std::span<const std::string_view> names,
                                       std::size_t advertised) {
  const auto text = value.text();
  if (!text) return std::nullopt;
  for (std::size_t index = 0; index < names.size(); ++index)
    if (equal_ignoring_case(*text, names[index])) return index;
  value.refuse(quote(*text) + " is none of " + join(names.first(advertised)) + did_you_mean(*text, names));
  return std::nullopt;
}

}  // namespace holdfast::config
