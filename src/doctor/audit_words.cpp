#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "doctor/audit.hpp"
#include "doctor/outside.hpp"
#include "doctor/sshd_words.hpp"
#include "holdfast/config.hpp"
#include "holdfast/words.hpp"
#include "setup/words.hpp"

namespace holdfast::doctor {
namespace {

/// MARK, ACCOUNT and SSHD are replaced. What sshd does not say of how it is set up its files do. The keys come last,
/// for there may be many.
constexpr std::string_view script = R"sh(m='MARK' a='ACCOUNT' settings= sudo=yes
echo "${m}user $(id -un 2>/dev/null || echo "$USER")"
entry=$(getent passwd "$a")
[ -z "$entry" ] && [ "$a" = "$USER" ] && entry="$a:x:$(id -u):$(id -g)::$HOME:$SHELL"
[ -n "$entry" ] && echo "${m}account $entry"
home=${entry%:*}
home=${home##*:}
SSHD
settings=$(sshd_says "$a")
if [ -n "$settings" ]; then
  echo "${m}effective"
  printf '%s\n' "$settings" | sed "s/^/${m}line /"
else
  for f in "${config:-/etc/ssh/sshd_config}" /etc/ssh/sshd_config.d/*.conf; do
    [ -e "$f" ] || continue
    if [ -r "$f" ]; then
      echo "${m}file $f"
      grep '^[[:space:]]*[^#[:space:]]' "$f" | cut -c 1-200 | head -n 200 | sed "s/^/${m}line /"
    else
      echo "${m}unread $f"
    fi
  done
fi
port=$(printf %04X "${SSH_CONNECTION##* }")
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v p=":$port\$" '
  $2 ~ p && $4 == "01" { sub(/:.*/, "", $3); n[$3]++ }
  END { for (from in n) print n[from], from }' | sort -rn | head -n 200 | sed "s/^/${m}peer /"
echo "${m}done"
# The account owns them, and may not be itself: read as whom sshd reads them, plain files only, and not for ever.
as_account() {
  case $(id -un) in
    "$a") timeout 5 "$@" ;;
    root) timeout 5 setpriv --reuid="$a" --regid="$(id -g "$a")" --init-groups "$@" ;;
    *) timeout 5 "$@" || timeout 5 sudo -n -u "$a" "$@" ;;
  esac 2>/dev/null
}
files=$(printf '%s\n' "$settings" | sed -n 's/^authorizedkeysfile //p')
for f in ${files:-.ssh/authorized_keys .ssh/authorized_keys2}; do
  f=$(printf %s "$f" | sed "s|%h|$home|g; s|%u|$a|g")
  case $f in /*) ;; *) f=$home/$f ;; esac
  keys=$(as_account sh -c '[ -f "$1" ] && head -c 65536 -- "$1"' sh "$f") || continue
  echo "${m}keys $f"
  printf '%s\n' "$keys" | grep '^[[:space:]]*[^#[:space:]]' | cut -c 1-400 | head -n 50 | sed "s/^/${m}key /"
done
)sh";

void replace(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// "Keyword value", "Keyword = value", 'Keyword "value"'.
std::pair<std::string, std::string> setting_of(const std::string& line) {
  const auto begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos) return {};
  const auto end = std::min(line.find_first_of(" \t=", begin), line.size());
  std::string value = line.substr(std::min(line.find_first_not_of(" \t=", end), line.size()));
  value.resize(value.find_last_not_of(" \t\r") + 1);
  if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
  return {lower(line.substr(begin, end - begin)), value};
}

/// "a,b*,!c", as ssh_config(5) has it.
bool in_list(const std::string& list, const std::string& name) {
  std::istringstream patterns{list};
  bool found = false;
  for (std::string pattern; std::getline(patterns, pattern, ',');) {
    const bool not_this = pattern.starts_with('!');
    if (::fnmatch(pattern.c_str() + (not_this ? 1 : 0), name.c_str(), 0) != 0) continue;
    if (not_this) return false;
    found = true;
  }
  return found;
}

using Files = std::vector<std::vector<std::string>>;  ///< each of lines; the first is the main one

/// What is in force for the account: in a Match block before what is for all, and the first of either.
class Reading {
 public:
  explicit Reading(RelaySeen& seen) : seen_(seen) {}

  void read(const Files& files) {
    if (files.empty()) return;
    for (const std::string& line : files.front()) {
      if (setting_of(line).first != "include") {
        take(line);
        continue;
      }
      const bool outer_matches = matches_;
      const bool outer_global = global_;
      for (auto file = files.begin() + 1; file != files.end(); ++file) {
        for (const std::string& included : *file) take(included);
        matches_ = outer_matches;
        global_ = outer_global;
      }
    }
    for (auto& setting : matched_) seen_.settings.insert_or_assign(setting.first, std::move(setting.second));
  }

 private:
  void take(const std::string& line) {
    auto [keyword, value] = setting_of(line);
    if (keyword == "match") return match(value);
    if (global_) {
      seen_.settings.emplace(std::move(keyword), std::move(value));
    } else if (matches_) {
      matched_.emplace(std::move(keyword), std::move(value));
    }
  }

  void match(const std::string& criteria) {
    global_ = false;
    matches_ = true;
    std::istringstream words{criteria};
    for (std::string word; words >> word;) {
      const std::string criterion = lower(word);
      if (criterion == "all") continue;
      std::string list;
      words >> list;
      if (criterion == "user") {
        matches_ = matches_ && in_list(list, seen_.account);
      } else {
        seen_.unclear.push_back("Match " + criteria);
        matches_ = false;
      }
    }
  }

  RelaySeen& seen_;
  std::map<std::string, std::string> matched_;
  bool global_ = true;
  bool matches_ = false;
};

}  // namespace

bool is_account_name(std::string_view name) {
  return !name.empty() && name.front() != '-' && std::all_of(name.begin(), name.end(), [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '_' || letter == '.' || letter == '-';
  });
}

std::string audit_script(const std::string& account) {
  std::string text{script};
  replace(text, "SSHD\n", sshd_says);
  replace(text, "ACCOUNT", account);
  replace(text, "MARK", audit_mark);
  return text;
}

RelaySeen read_audit(const std::string& output, const std::string& account) {
  RelaySeen seen;
  seen.account = account;
  Files files;
  std::istringstream lines{output};
  for (std::string line; std::getline(lines, line);) {
    const auto mark = line.find(audit_mark);
    if (mark == std::string::npos) continue;
    const std::string said = line.substr(mark + audit_mark.size());
    const std::string what = said.substr(0, said.find(' '));
    const std::string rest = what.size() < said.size() ? said.substr(what.size() + 1) : "";
    if (what == "user") seen.user = rest;
    if (what == "account") seen.entry = rest;
    if (what == "effective") seen.effective = true;
    if (what == "effective" || what == "file") files.emplace_back();
    if (what == "unread") seen.unclear.push_back(rest);
    if (what == "line" && !files.empty()) files.back().push_back(rest);
    if (what == "done") seen.ran = true;
    if (what == "keys") seen.key_files.push_back(rest);
    if (what == "key") seen.keys.push_back(rest);
    if (what == "peer") {
      std::istringstream words{rest};
      unsigned count = 0;
      std::string from;
      words >> count >> from;
      from = address_of_proc(from);
      if (from.empty()) continue;
      seen.connections += count;
      if (count <= seen.from_busiest) continue;
      seen.from_busiest = count;
      seen.busiest = from.starts_with("::ffff:") ? from.substr(7) : from;
    }
  }
  Reading{seen}.read(files);
  return seen;
}

std::string banner_of(const std::string& log) {
  constexpr std::string_view mark = "remote software version ";
  const auto at = log.rfind(mark);  // behind those of jump hosts
  if (at == std::string::npos) return {};
  const auto begin = at + mark.size();
  return log.substr(begin, log.find_first_of("\r\n", begin) - begin);
}

std::string match_block(const std::string& account) {
  return "Match User " + account + R"(
    ClientAliveInterval 15
    ClientAliveCountMax 3
    AllowTcpForwarding yes
    AllowAgentForwarding no
    AllowStreamLocalForwarding no
    X11Forwarding no
    PermitTTY no
    PermitTunnel no
    MaxSessions 4
Match all
)";
}

std::string key_line(std::uint16_t port, const PublicKey& key, const std::string& device) {
  RemoteForward forward;
  forward.port = port;
  return setup::key_options({forward}) + ",command=\"exec /bin/sh /usr/local/lib/holdfast/relay-script " + device +
         "\" " + key.type + " " + key.base64 + " " + device;
}

}  // namespace holdfast::doctor
