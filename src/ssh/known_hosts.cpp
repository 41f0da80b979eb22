#include "ssh/known_hosts.hpp"

#include <algorithm>
#include <optional>

#include "holdfast/words.hpp"
#include "ssh/handles.hpp"

namespace holdfast::ssh {
namespace {

/// The next word of `line`, which is shortened by it. Blanks are spaces and tabs, as in OpenSSH (hostfile.c).
std::string_view next_word(std::string_view& line) {
  const auto begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) {
    line = {};
    return {};
  }
  const auto end = std::min(line.find_first_of(" \t\r", begin), line.size());
  const auto word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

/// '*' and '?', iteratively, so that a hostile pattern costs no stack.
bool glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::optional<std::size_t> star;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star) {
      p = *star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

/// "|1|salt|hash": HMAC-SHA1 of the name, which libssh computes.
bool matches_hashed(std::string_view hashed, const std::string& name) {
  const std::string line = std::string{hashed} + " none none";
  ssh_knownhosts_entry* entry = nullptr;
  const int rc = ssh_known_hosts_parse_line(name.c_str(), line.c_str(), &entry);
  const KnownHostHandle owner{entry};
  return rc != SSH_AGAIN;  // any other answer means that the name matched and only the key did not parse
}

/// A negated pattern that matches outweighs all others.
bool matches(std::string_view patterns, const std::string& name) {
  if (patterns.starts_with('|')) return matches_hashed(patterns, name);
  bool found = false;
  while (!patterns.empty()) {
    const auto comma = std::min(patterns.find(','), patterns.size());
    auto pattern = patterns.substr(0, comma);
    const bool negated = pattern.starts_with('!');
    if (negated) pattern.remove_prefix(1);
    if (!pattern.empty() && glob(lower(pattern), name)) {
      if (negated) return false;
      found = true;
    }
    patterns.remove_prefix(std::min(comma + 1, patterns.size()));
  }
  return found;
}

KeyHandle import_key(std::string_view type, std::string_view base64) {
  ssh_key key = nullptr;
  const auto kind = ssh_key_type_from_name(std::string{type}.c_str());
  if (kind == SSH_KEYTYPE_UNKNOWN || ssh_pki_import_pubkey_base64(std::string{base64}.c_str(), kind, &key) != SSH_OK) {
    return nullptr;
  }
  return KeyHandle{key};
}

struct Line {
  int number = 0;
  bool revoked = false;
  bool authority = false;       ///< @cert-authority: host certificates are not supported
  bool bare_name_only = false;  ///< matches the name without its port only
  bool learnt = false;          ///< the relay told it, in a session that was trusted by another line
  std::string_view type;
  std::string_view base64;
  KeyHandle key;  ///< null: can't be parsed
};

/// Every line that concerns the host.
std::vector<Line> lines_for(std::string_view text, const std::string& host, std::uint16_t port) {
  const std::string bare = lower(host);
  // A line may spell the standard port out; OpenSSH writes it only for others.
  const std::string with_port = "[" + bare + "]:" + std::to_string(port);
  std::vector<Line> lines;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto rest = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));

    auto word = next_word(rest);
    if (word.empty() || word.starts_with('#')) continue;
    const bool revoked = word == "@revoked";
    const bool authority = word == "@cert-authority";
    if (word.starts_with('@') && !revoked && !authority) continue;
    if (revoked || authority) word = next_word(rest);

    const bool by_port = matches(word, with_port);
    if (!by_port && !matches(word, bare)) continue;
    Line line;
    line.number = number;
    line.revoked = revoked;
    line.authority = authority;
    line.bare_name_only = !by_port && port != 22;
    line.type = next_word(rest);
    line.base64 = next_word(rest);
    line.key = import_key(line.type, line.base64);
    line.learnt = rest.find(learnt_mark) != std::string_view::npos;
    lines.push_back(std::move(line));
  }
  return lines;
}

bool same_key(const Line& line, const PublicKey& key, const KeyHandle& imported) {
  if (line.key && imported) return ssh_key_cmp(line.key.get(), imported.get(), SSH_KEY_CMP_PUBLIC) == 0;
  return line.type == key.type && line.base64 == key.base64;
}

/// The stronger statement wins, in this order.
int weight(HostKeyVerdict verdict) {
  switch (verdict) {
    case HostKeyVerdict::unknown:
      return 0;
    case HostKeyVerdict::other_type:
      return 1;
    case HostKeyVerdict::unreadable:
      return 2;
    case HostKeyVerdict::changed:
      return 3;
    case HostKeyVerdict::known:
      return 4;
    case HostKeyVerdict::revoked:
      return 5;
  }
  return 0;
}

HostKeyVerdict verdict_of(const Line& line, const PublicKey& key, const KeyHandle& imported) {
  const bool same = same_key(line, key, imported);
  if (line.revoked) {
    if (same) return HostKeyVerdict::revoked;
    return line.key ? HostKeyVerdict::unknown : HostKeyVerdict::unreadable;
  }
  if (same) return HostKeyVerdict::known;
  if (line.bare_name_only) return HostKeyVerdict::unknown;
  if (!line.key) return HostKeyVerdict::unreadable;
  return line.type == key.type ? HostKeyVerdict::changed : HostKeyVerdict::other_type;
}

}  // namespace

Judgement judge_host_key(std::string_view known_hosts, const std::string& host, std::uint16_t port,
                         const PublicKey& key) {
  const KeyHandle imported = import_key(key.type, key.base64);
  Judgement best{HostKeyVerdict::unknown, 0, 0};
  for (const Line& line : lines_for(known_hosts, host, port)) {
    if (line.authority) {
      if (best.authority == 0) best.authority = line.number;
      continue;
    }
    const auto verdict = verdict_of(line, key, imported);
    if (weight(verdict) > weight(best.verdict)) best = {verdict, line.number, best.authority};
  }
  return best;
}

HostLines lines_about(std::string_view known_hosts, const std::string& host, std::uint16_t port) {
  HostLines about;
  auto& types = about.types;
  for (const Line& line : lines_for(known_hosts, host, port)) {
    const bool usable = !line.revoked && !line.authority && line.key;
    if (usable && std::find(types.begin(), types.end(), line.type) == types.end()) types.emplace_back(line.type);
    const bool decides = line.revoked || !line.bare_name_only;
    if (decides && !line.key && about.unreadable == 0) about.unreadable = line.number;
  }
  return about;
}

std::vector<std::string> known_key_types(std::string_view known_hosts, const std::string& host, std::uint16_t port) {
  return lines_about(known_hosts, host, port).types;
}

std::vector<std::string> own_key_types(std::string_view known_hosts, const std::string& host, std::uint16_t port) {
  std::vector<std::string> types;
  for (const Line& line : lines_for(known_hosts, host, port)) {
    if (!line.revoked && !line.authority && line.key && !line.learnt) types.emplace_back(line.type);
  }
  return types;
}

std::size_t known_key_count(std::string_view known_hosts, const std::string& host, std::uint16_t port) {
  const std::vector<Line> lines = lines_for(known_hosts, host, port);
  return static_cast<std::size_t>(
      std::count_if(lines.begin(), lines.end(), [](const Line& line) { return !line.revoked && !line.authority; }));
}

std::string_view last_line(std::string_view text) {
  const auto newline = text.rfind('\n');
  return newline == std::string_view::npos ? text : text.substr(newline + 1);
}

std::string known_hosts_name(const std::string& host, std::uint16_t port) {
  return port == 22 ? lower(host) : "[" + lower(host) + "]:" + std::to_string(port);
}

}  // namespace holdfast::ssh
