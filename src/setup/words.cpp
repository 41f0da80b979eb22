#include "setup/words.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

#include "config/forward_syntax.hpp"
#include "config/wording.hpp"
#include "holdfast/knock_hosts.hpp"
#include "holdfast/words.hpp"

namespace holdfast::setup {
namespace {

bool is_plain(char letter, std::string_view others) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 || others.find(letter) != std::string_view::npos;
}

bool is_plain(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char letter) { return is_plain(letter, others); });
}

/// What YAML 1.1 or 1.2 takes for something else than a text. Addresses are none of it.
bool is_null_bool_or_number(const std::string& text) {
  const std::string letters = lower(text);
  for (const char* const word : {"null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf"}) {
    if (letters == word) return true;
  }
  const bool begins_so = std::isdigit(static_cast<unsigned char>(letters.front())) != 0 || letters.front() == '.';
  const bool digits = letters.find_first_not_of("0123456789abcdefox_.-") == std::string::npos;
  return begins_so && digits && std::count(letters.begin(), letters.end(), '.') < 2;
}

/// Bare where YAML can take it for nothing else.
std::string scalar(const std::string& text) {
  const bool bare = !text.empty() && is_plain(text, "._-/") && !text.starts_with('-') && !is_null_bool_or_number(text);
  if (bare || text.starts_with("${CREDENTIALS_DIRECTORY}/")) return text;
  std::string quoted = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') quoted += '\\';
    quoted += letter;
  }
  return quoted + '"';
}

/// A place as permitlisten and permitopen have it (sshd(8)). Port 0, which the relay chooses, may be any.
std::string place(const std::string& host, std::uint16_t port) {
  return (host.empty() ? "*" : in_brackets(host)) + ":" + (port == 0 ? "*" : std::to_string(port));
}

/// One option of authorized_keys.
struct KeyOption {
  std::string name;  ///< in lower case
  std::string value;
};

/// What stands before the key's type; none if the line begins with that.
std::vector<KeyOption> options_of(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  std::vector<KeyOption> options(1);
  for (const char* const type : {"ssh-", "ecdsa-", "sk-"}) {
    if (line.starts_with(type)) return {};
  }
  bool quoted = false;
  bool in_value = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char letter = line[i];
    KeyOption& option = options.back();
    if (quoted && letter == '\\' && i + 1 < line.size() && line[i + 1] == '"') {
      option.value += line[++i];
    } else if (letter == '"') {
      quoted = !quoted;
    } else if (quoted) {
      option.value += letter;
    } else if (letter == ' ' || letter == '\t') {
      break;
    } else if (letter == ',') {
      options.emplace_back();
      in_value = false;
    } else if (letter == '=') {
      in_value = true;
    } else if (!in_value) {
      option.name += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    }
  }
  return options;
}

/// Whether a permitlisten has it: "*:4649" and "4649" are for every host.
bool is_permitted(const std::string& permitted, const RemoteForward& forward) {
  const auto colon = permitted.rfind(':');
  const std::string host = colon == std::string::npos ? "*" : permitted.substr(0, colon);
  const std::string port = colon == std::string::npos ? permitted : permitted.substr(colon + 1);
  const std::string wanted = place(forward.bind_address, forward.port);
  const auto wanted_colon = wanted.rfind(':');
  return (host == "*" || host == wanted.substr(0, wanted_colon)) &&
         (port == "*" || port == wanted.substr(wanted_colon + 1));
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// "::1:2222" is an IPv6 address, and so is "::1".
bool may_be_v6_with_port(const std::string& host) {
  const auto colon = host.rfind(':');
  if (colon == std::string::npos || host.starts_with('[')) return false;
  const std::string last = host.substr(colon + 1);
  const auto is_v6 = [](const std::string& address) { return config::parse_relay("[" + address + "]").has_value(); };
  return !last.empty() && last.find_first_not_of("0123456789") == std::string::npos && is_v6(host) &&
         is_v6(host.substr(0, colon));
}

// A line of the account's own, by hand or by an earlier run, is never changed. A rename can't leave half a file, and
// the lock lets a fleet's devices do this at the same time. Of several lines with the key, sshd takes the first.
constexpr std::string_view script = R"sh(umask 077
say() { printf 'holdfast-init: %s\n' "$*"; exit; }
cd || say failed there is no home directory
mkdir -p .ssh || say failed the home directory can not be written
if command -v flock >/dev/null; then exec 9<.ssh; flock 9; fi
file=.ssh/authorized_keys
if [ -L "$file" ]; then file=$(readlink -f "$file"); fi
found=$(grep -v '^[[:space:]]*#' "$file" 2>/dev/null | grep -F -- "$key" | head -n 1)
case "$found" in
"$line_up_to_key"*) say there ;;
*"$key"*) say differs "$found" ;;
esac
new=$file.holdfast-$$
trap 'rm -f "$new"' EXIT
if [ -e "$file" ]; then cp -p "$file" "$new" || say failed "$file can not be copied"; fi
if [ -s "$new" ] && [ -n "$(tail -c 1 "$new")" ]; then echo >>"$new" || say failed the disk is full; fi
echo "$line" >>"$new" || say failed "$file can not be written"
mv -f "$new" "$file" || say failed "$file can not be replaced"
say added
)sh";

}  // namespace

tl::expected<Login, std::string> parse_login(std::string_view text) {
  const std::string shown = config::quote(text);
  if (text.starts_with("ssh://")) {
    text.remove_prefix(std::string_view{"ssh://"}.size());
    if (text.ends_with('/')) text.remove_suffix(1);
  }
  const auto at = text.rfind('@');
  if (at == std::string_view::npos || at == 0)
    return tl::unexpected(shown + " does not say which account on the relay: write USER@HOST, as tunnel@relay.example");
  const auto user = text.substr(0, at);
  if (user.starts_with('-') || config::has_space_or_control(user))
    return tl::unexpected(config::quote(user) + " is no account's name: write USER@HOST, as tunnel@relay.example");
  if (at + 1 == text.size())
    return tl::unexpected(shown + " does not say which host: write USER@HOST, as tunnel@relay.example");
  const std::string host{text.substr(at + 1)};
  if (const auto colon = host.rfind(':'); may_be_v6_with_port(host)) {
    const std::string name{text.substr(0, at + 1)};
    return tl::unexpected(shown + " may be an address, or one with a port: write " + name + "[" + host + "] or " +
                          name + "[" + host.substr(0, colon) + "]" + host.substr(colon));
  }
  const auto relay = config::parse_relay(host);
  if (!relay)
    return tl::unexpected(shown + ": " + relay.error() + "; write USER@HOST, USER@HOST:PORT or USER@[v6]:PORT");
  return Login{std::string{user}, relay->host, relay->port == 0 ? std::uint16_t{22} : relay->port};
}

std::string to_string(const Login& login) {
  return login.user + "@" + in_brackets(login.host) + (login.port == 22 ? "" : ":" + std::to_string(login.port));
}

std::string tunnel_yaml(const NewTunnel& tunnel) {
  std::string text =
      "# Made by 'holdfast init'. Whatever is not said here has its default: holdfast.yaml(5).\ntunnels:\n";
  const auto add = [&text](const std::string& key, const std::string& value) {
    text += "    " + key + ": " + value + "\n";
  };
  text += "  " + scalar(tunnel.name) + ":\n";
  add("host_name", scalar(tunnel.login.host));
  if (tunnel.login.port != 22) add("port", std::to_string(tunnel.login.port));
  add("user", scalar(tunnel.login.user));
  const std::string comment = tunnel.identity_comment.empty() ? "" : "    # " + tunnel.identity_comment;
  add("identity_file", scalar(tunnel.identity_file) + comment);
  if (!tunnel.known_hosts.empty()) add("user_known_hosts_file", scalar(tunnel.known_hosts));
  return text + "    remote_forward:\n      - " + scalar(config::format_forward(tunnel.forward)) + "\n";
}

std::string main_yaml(const std::string& status_socket) {
  const std::string text = "# The tunnels are in conf.d beside this file. holdfast.yaml(5) has every key.\n";
  return status_socket.empty() ? text : text + "status_socket: " + scalar(status_socket) + "\n";
}

std::string key_options(const std::vector<RemoteForward>& forwards) {
  std::string listen;
  std::string open;
  for (const RemoteForward& forward : forwards) {
    listen += ",permitlisten=\"" + place(forward.bind_address, forward.port) + "\"";
    open += ",permitopen=\"" + place(KnockHosts{forward}.current(), forward.port) + "\"";
  }
  return "restrict,port-forwarding" + listen + open;
}

bool has_option(std::string_view line, std::string_view option) {
  const auto options = options_of(line);
  return std::any_of(options.begin(), options.end(), [&](const KeyOption& one) { return one.name == option; });
}

bool permits(std::string_view line, const RemoteForward& forward) {
  bool forwards = true;
  bool listed = false;
  bool permitted = false;
  for (const KeyOption& option : options_of(line)) {
    if (option.name == "restrict" || option.name == "no-port-forwarding") forwards = false;
    if (option.name == "port-forwarding") forwards = true;
    if (option.name != "permitlisten") continue;
    listed = true;
    permitted = permitted || is_permitted(option.value, forward);
  }
  return forwards && (permitted || !listed);
}

std::string authorized_keys_line(const std::vector<RemoteForward>& forwards, const PublicKey& key,
                                 std::string_view comment) {
  std::string plain{comment};
  std::replace_if(
      plain.begin(), plain.end(), [](char letter) { return !is_plain(letter, "._-"); }, '-');
  return key_options(forwards) + " " + key.type + " " + key.base64 + (plain.empty() ? "" : " " + plain);
}

std::string install_script(const std::vector<RemoteForward>& forwards, const PublicKey& key, std::string_view comment) {
  const std::string line = authorized_keys_line(forwards, key, comment);
  const auto line_up_to_key = line.substr(0, line.find(key.base64) + key.base64.size());
  return "line='" + line + "' line_up_to_key='" + line_up_to_key + "' key='" + key.base64 + "'\n" + std::string{script};
}

std::string difference(std::string_view there, std::string_view wanted) {
  const auto lacking = [](std::string_view of, std::string_view in, const std::string& mark) {
    const auto held = lines_of(in);
    std::string text;
    for (const auto line : lines_of(of)) {
      if (std::find(held.begin(), held.end(), line) == held.end()) text += mark + std::string{line} + "\n";
    }
    return text;
  };
  return lacking(there, wanted, "-") + lacking(wanted, there, "+");
}

}  // namespace holdfast::setup
