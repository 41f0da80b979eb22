#include "setup/words.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

#include "config/forward_syntax.hpp"
#include "config/text.hpp"

namespace holdfast::setup {
namespace {

bool is_plain(char letter, std::string_view others) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 || others.find(letter) != std::string_view::npos;
}

bool is_plain(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char letter) { return is_plain(letter, others); });
}

/// Bare where YAML can take it for nothing else.
std::string scalar(const std::string& text) {
  const bool bare = !text.empty() && is_plain(text, "._-/") && !text.starts_with('-');
  if (bare || text.starts_with("${CREDENTIALS_DIRECTORY}/")) return text;
  std::string quoted = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') quoted += '\\';
    quoted += letter;
  }
  return quoted + '"';
}

std::string listener(const RemoteForward& forward) {
  return forward.bind_address + ":" + std::to_string(forward.port);
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

// A line of the account's own, by hand or by an earlier run, is never changed. A rename can't leave half a file, and
// the lock lets a fleet's devices do this at the same time.
constexpr std::string_view script = R"sh(umask 077
say() { echo "holdfast-init: $*"; exit; }
cd || say failed there is no home directory
mkdir -p .ssh || say failed the home directory can not be written
if command -v flock >/dev/null; then exec 9<.ssh; flock 9; fi
file=.ssh/authorized_keys
if [ -L "$file" ]; then file=$(readlink -f "$file"); fi
found=$(grep -v '^[[:space:]]*#' "$file" 2>/dev/null | grep -F -- "$key")
case "
$found" in
*"
$line_up_to_key"*) say there ;;
*"$key"*) say differs ;;
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
  const auto at = text.rfind('@');
  if (at == std::string_view::npos || at == 0)
    return tl::unexpected(shown + " does not say which account on the relay: write USER@HOST, as tunnel@relay.example");
  const auto user = text.substr(0, at);
  if (user.starts_with('-') || config::has_space_or_control(user))
    return tl::unexpected(config::quote(user) + " is no account's name: write USER@HOST, as tunnel@relay.example");
  if (at + 1 == text.size())
    return tl::unexpected(shown + " does not say which host: write USER@HOST, as tunnel@relay.example");
  const auto relay = config::parse_relay(text.substr(at + 1));
  if (!relay)
    return tl::unexpected(shown + ": " + relay.error() + "; write USER@HOST, USER@HOST:PORT or USER@[v6]:PORT");
  return Login{std::string{user}, relay->host, relay->port == 0 ? std::uint16_t{22} : relay->port};
}

std::string to_string(const Login& login) {
  const bool bracketed = login.host.find(':') != std::string::npos;
  const std::string host = bracketed ? "[" + login.host + "]" : login.host;
  return login.user + "@" + host + (login.port == 22 ? "" : ":" + std::to_string(login.port));
}

std::string tunnel_yaml(const Tunnel& tunnel) {
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

std::string key_options(const RemoteForward& forward) {
  const std::string place = "=\"" + listener(forward) + "\"";
  return "restrict,port-forwarding,permitlisten" + place + ",permitopen" + place;
}

std::string authorized_keys_line(const RemoteForward& forward, const ssh::PublicKey& key, std::string_view comment) {
  std::string plain{comment};
  std::replace_if(
      plain.begin(), plain.end(), [](char letter) { return !is_plain(letter, "._-"); }, '-');
  return key_options(forward) + " " + key.type + " " + key.base64 + (plain.empty() ? "" : " " + plain);
}

std::string install_script(const RemoteForward& forward, const ssh::PublicKey& key, std::string_view comment) {
  const std::string line = authorized_keys_line(forward, key, comment);
  const auto line_up_to_key = line.substr(0, line.find(key.base64) + key.base64.size());
  return "line='" + line + "' line_up_to_key='" + line_up_to_key + "' key='" + key.base64 + "'\n" + std::string{script};
}

std::string shell_word(const std::string& text) {
  if (!text.empty() && is_plain(text, "._-/:@=+,")) return text;
  std::string quoted = "'";
  for (const char letter : text) quoted += letter == '\'' ? std::string{"'\\''"} : std::string{letter};
  return quoted + "'";
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
