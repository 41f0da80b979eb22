#include "ssh/host_key.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include "holdfast/words.hpp"
#include "ssh/algorithms.hpp"
#include "ssh/file.hpp"
#include "ssh/fingerprint.hpp"
#include "ssh/known_hosts.hpp"

namespace holdfast::ssh {
namespace {

constexpr std::size_t largest_known_hosts = std::size_t{16} * 1024 * 1024;
/// How many keys one relay's name may have in known_hosts before no more are learnt.
constexpr std::size_t most_keys = 16;
/// The longest key that is learnt, in base64; an RSA key of 8192 bits has 1400.
constexpr std::size_t largest_key = 1500;

struct ServerKey {
  PublicKey key;
  std::string fingerprint;  ///< "SHA256:..." as ssh-keygen prints it
};

std::optional<ServerKey> described(const KeyHandle& key) {
  char* base64 = nullptr;
  if (ssh_pki_export_pubkey_base64(key.get(), &base64) != SSH_OK) return std::nullopt;
  const TextHandle base64_owner{base64};
  std::string shown = fingerprint(key.get());
  if (shown.empty()) return std::nullopt;
  return ServerKey{{ssh_key_type_to_char(ssh_key_type(key.get())), base64}, std::move(shown)};
}

std::optional<ServerKey> described_server_key(ssh_session session) {
  ssh_key raw = nullptr;
  if (ssh_get_server_publickey(session, &raw) != SSH_OK) return std::nullopt;
  return described(KeyHandle{raw});
}

/// None unless it is a key of the type that it is told to be.
std::optional<ServerKey> told_key(const PublicKey& told) {
  const auto type = ssh_key_type_from_name(told.type.c_str());
  ssh_key raw = nullptr;
  if (told.base64.size() > largest_key || type == SSH_KEYTYPE_UNKNOWN) return std::nullopt;
  if (ssh_pki_import_pubkey_base64(told.base64.c_str(), type, &raw) != SSH_OK) return std::nullopt;
  auto key = described(KeyHandle{raw});
  return key && key->key == told ? key : std::nullopt;
}

Failure host_key_failure(Cause cause, const TunnelSpec& spec, std::string detail) {
  return {cause, "verify the host key of", relay_name(spec), std::move(detail)};
}

HostKeyCheck refused(Cause cause, const TunnelSpec& spec, std::string detail) {
  Failure failure = host_key_failure(cause, spec, std::move(detail));
  if (cause == Cause::host_key_changed)
    failure.remedy = std::string{facts_of(cause).remedy} + " Here: ssh-keygen -f '" + spec.user_known_hosts_file +
                     "' -R '" + known_hosts_name(spec.host_name, spec.port) + "'";
  return {std::move(failure), "", ""};
}

std::string known_hosts_line(const TunnelSpec& spec, const ServerKey& server) {
  return known_hosts_name(spec.host_name, spec.port) + " " + server.key.type + " " + server.key.base64 + "\n";
}

/// The power went while this very key was being written down, and the line broke off.
bool is_torn(const TunnelSpec& spec, const std::string& known, const ServerKey& server) {
  const auto torn = last_line(known);
  return !torn.empty() && known_hosts_line(spec, server).starts_with(torn);
}

std::optional<Failure> check_pins(const TunnelSpec& spec, const ServerKey& server) {
  const auto& pins = spec.host_key_fingerprint;
  if (std::find(pins.begin(), pins.end(), server.fingerprint) != pins.end()) return std::nullopt;
  return host_key_failure(Cause::host_key_not_pinned, spec,
                          "it shows " + server.key.type + " " + server.fingerprint +
                              "; if the pinned key is of another type, name that in host_key_algorithms");
}

/// "; known_hosts:3 is a @cert-authority: ..." where such a line would have decided.
std::string authority_words(const TunnelSpec& spec, const Judgement& judgement) {
  if (judgement.authority == 0) return "";
  return "; " + spec.user_known_hosts_file + ":" + std::to_string(judgement.authority) +
         " is a @cert-authority, but host certificates are not supported: a line with the relay's own key is needed";
}

/// Not known, and no line speaks against it either.
HostKeyCheck meet(const TunnelSpec& spec, const ServerKey& server, const std::string& authority) {
  const std::string shown = server.key.type + " " + server.fingerprint;
  switch (spec.strict_host_key_checking) {
    case StrictHostKeyChecking::no:
      return {};
    case StrictHostKeyChecking::accept_new:
      return {{}, shown, known_hosts_line(spec, server)};
    case StrictHostKeyChecking::yes:
      return refused(Cause::host_key_unknown, spec,
                     "no line for it in " + spec.user_known_hosts_file + "; it shows " + shown + authority);
  }
  std::abort();
}

HostKeyCheck decide(const TunnelSpec& spec, const std::string& known, const ServerKey& server) {
  const auto judgement = judge_host_key(known, spec.host_name, spec.port, server.key);
  const bool lax = spec.strict_host_key_checking == StrictHostKeyChecking::no;
  const auto place = spec.user_known_hosts_file + ":" + std::to_string(judgement.line);
  const auto authority = authority_words(spec, judgement);
  const auto shown = server.key.type + " " + server.fingerprint;
  switch (judgement.verdict) {
    case HostKeyVerdict::known:
      return {};
    case HostKeyVerdict::revoked:
      return refused(Cause::host_key_revoked, spec, place + " revokes " + shown);
    case HostKeyVerdict::changed:
      if (lax) return {};
      return refused(Cause::host_key_changed, spec, place + " holds another key; it shows " + shown + authority);
    case HostKeyVerdict::other_type:
      if (lax) return {};
      return refused(Cause::host_key_of_another_type, spec,
                     place + " holds keys of other types only; it shows " + shown + authority);
    case HostKeyVerdict::unreadable:
      if (lax) return {};
      if (spec.strict_host_key_checking == StrictHostKeyChecking::accept_new && is_torn(spec, known, server)) {
        return meet(spec, server, authority);
      }
      return refused(Cause::known_hosts_unusable, spec,
                     place + " is about this relay, but can't be parsed; it shows " + shown);
    case HostKeyVerdict::unknown:
      return meet(spec, server, authority);
  }
  std::abort();
}

std::string today() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm date{};
  std::array<char, 16> text{};
  if (::gmtime_r(&now, &date) != nullptr) std::strftime(text.data(), text.size(), "%F", &date);
  return text.data();
}

/// Those of the keys that known_hosts lacks, and that may be added to it.
std::vector<ServerKey> new_keys(const TunnelSpec& spec, const std::string& known, const std::vector<PublicKey>& told) {
  const auto algorithms = resolve_algorithms(spec.host_key_algorithms, default_host_key_algorithms);
  const std::size_t held = known_key_count(known, spec.host_name, spec.port);
  std::vector<ServerKey> keys;
  for (const PublicKey& candidate : told) {
    const auto key = allows_key_type(algorithms, candidate.type) ? told_key(candidate) : std::nullopt;
    if (!key || held + keys.size() >= most_keys) continue;
    const auto verdict = judge_host_key(known, spec.host_name, spec.port, key->key).verdict;
    const bool judged = verdict == HostKeyVerdict::known || verdict == HostKeyVerdict::revoked;
    const bool twice =
        std::any_of(keys.begin(), keys.end(), [&key](const ServerKey& other) { return other.key == key->key; });
    if (!judged && !twice) keys.push_back(*key);
  }
  return keys;
}

}  // namespace

tl::expected<std::string, int> read_known_hosts(const std::string& path) {
  auto text = read_file(path, largest_known_hosts);
  if (!text && text.error() == ENOENT) return std::string{};
  return text;
}

std::optional<PublicKey> server_key(ssh_session session) {
  auto server = described_server_key(session);
  if (!server) return std::nullopt;
  return std::move(server->key);
}

std::string host_key_algorithms(const TunnelSpec& spec, const std::string& known_hosts) {
  auto algorithms = resolve_algorithms(spec.host_key_algorithms, default_host_key_algorithms);
  if (spec.host_key_fingerprint.empty()) {
    algorithms = prefer_key_types(std::move(algorithms), known_key_types(known_hosts, spec.host_name, spec.port));
    algorithms = prefer_key_types(std::move(algorithms), own_key_types(known_hosts, spec.host_name, spec.port));
  }
  return joined(algorithms, ",");
}

std::vector<LearntKey> learn_host_keys(ssh_session session, const TunnelSpec& spec, const std::string& known_hosts,
                                       const std::vector<PublicKey>& told) {
  std::vector<LearntKey> learnt;
  const auto server = described_server_key(session);
  if (!learns_host_keys(spec) || !server) return learnt;
  const auto own = judge_host_key(known_hosts, spec.host_name, spec.port, server->key).verdict;
  if (own != HostKeyVerdict::known) return learnt;
  for (const ServerKey& key : new_keys(spec, known_hosts, told)) {
    const std::string line = known_hosts_line(spec, key);
    learnt.push_back({key.key.type + " " + key.fingerprint,
                      line.substr(0, line.size() - 1) + std::string{learnt_mark} + today() + "\n"});
  }
  return learnt;
}

HostKeyCheck verify_host_key(ssh_session session, const TunnelSpec& spec,
                             const tl::expected<std::string, int>& known_hosts) {
  const auto server = described_server_key(session);
  if (!server) return refused(Cause::key_exchange_failed, spec, "libssh gives no server key");
  HostKeyCheck check;
  if (!spec.host_key_fingerprint.empty()) {
    check.failure = check_pins(spec, *server);
  } else if (!known_hosts) {
    check =
        refused(Cause::known_hosts_unusable, spec, spec.user_known_hosts_file + ": " + errno_text(known_hosts.error()));
  } else {
    check = decide(spec, *known_hosts, *server);
  }
  check.shown = server->key.type + " " + server->fingerprint;
  return check;
}

}  // namespace holdfast::ssh
