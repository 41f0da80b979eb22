#include "ssh/host_key.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "ssh/algorithms.hpp"
#include "ssh/file.hpp"
#include "ssh/known_hosts.hpp"

namespace holdfast::ssh {
namespace {

constexpr std::size_t largest_known_hosts = std::size_t{16} * 1024 * 1024;

struct ServerKey {
  PublicKey key;
  std::string fingerprint;  ///< "SHA256:..." as ssh-keygen prints it
};

std::optional<ServerKey> server_key(ssh_session session) {
  ssh_key raw = nullptr;
  if (ssh_get_server_publickey(session, &raw) != SSH_OK) return std::nullopt;
  const KeyHandle key{raw};
  char* base64 = nullptr;
  if (ssh_pki_export_pubkey_base64(key.get(), &base64) != SSH_OK) return std::nullopt;
  const TextHandle base64_owner{base64};
  unsigned char* hash = nullptr;
  std::size_t length = 0;
  if (ssh_get_publickey_hash(key.get(), SSH_PUBLICKEY_HASH_SHA256, &hash, &length) != 0) return std::nullopt;
  const HashHandle hash_owner{hash};
  const TextHandle text{ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length)};
  if (!text) return std::nullopt;
  return ServerKey{{ssh_key_type_to_char(ssh_key_type(key.get())), base64}, text.get()};
}

Failure host_key_failure(Cause cause, const TunnelSpec& spec, std::string detail) {
  return {cause, "verify the host key of", relay_name(spec), std::move(detail)};
}

/// Missing is not an error: an empty text.
tl::expected<std::string, int> read_known_hosts(const TunnelSpec& spec) {
  auto text = read_file(spec.user_known_hosts_file, largest_known_hosts);
  if (!text && text.error() == ENOENT) return std::string{};
  return text;
}

/// Half a line would be in the way of every later connection.
void cut_off(int descriptor, off_t bytes) {
  const off_t size = ::lseek(descriptor, 0, SEEK_END);
  if (size >= bytes) static_cast<void>(::ftruncate(descriptor, size - bytes) == 0);
}

/// 0, or errno. One write() of a whole line, so that a crash or another process leaves no half of it.
int append_line(const std::string& path, std::string line, bool after_newline) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
  if (descriptor < 0) return errno;
  if (!after_newline) line.insert(line.begin(), '\n');
  const ssize_t written = ::write(descriptor, line.data(), line.size());
  int error = 0;
  if (written < 0 || ::fsync(descriptor) != 0) {
    error = errno;
  } else if (static_cast<std::size_t>(written) != line.size()) {
    error = ENOSPC;
  }
  if (written > 0 && static_cast<std::size_t>(written) != line.size()) cut_off(descriptor, written);
  ::close(descriptor);
  return error;
}

/// What stands behind the last newline.
std::string_view last_line(std::string_view text) {
  const auto newline = text.rfind('\n');
  return newline == std::string_view::npos ? text : text.substr(newline + 1);
}

std::string known_hosts_line(const TunnelSpec& spec, const ServerKey& server) {
  return known_hosts_name(spec.host_name, spec.port) + " " + server.key.type + " " + server.key.base64 + "\n";
}

/// The power went while this very key was being written down, and the line broke off.
bool is_torn(const TunnelSpec& spec, const std::string& known, const ServerKey& server) {
  const auto torn = last_line(known);
  return !torn.empty() && known_hosts_line(spec, server).starts_with(torn);
}

std::optional<Failure> store(const TunnelSpec& spec, const std::string& known, const ServerKey& server) {
  const auto line = known_hosts_line(spec, server);
  const bool after_newline = known.empty() || known.back() == '\n';
  const int error = append_line(spec.user_known_hosts_file, line, after_newline);
  if (error == 0) return std::nullopt;
  return host_key_failure(Cause::known_hosts_unusable, spec,
                          "the new key can't be stored in " + spec.user_known_hosts_file + ": " + errno_text(error));
}

std::optional<Failure> complete(const TunnelSpec& spec, const std::string& known, const ServerKey& server) {
  const auto whole_lines = known.substr(0, known.size() - last_line(known).size());
  if (::truncate(spec.user_known_hosts_file.c_str(), static_cast<off_t>(whole_lines.size())) != 0) {
    return host_key_failure(Cause::known_hosts_unusable, spec, spec.user_known_hosts_file + ": " + errno_text(errno));
  }
  return store(spec, whole_lines, server);
}

std::optional<Failure> check_pins(const TunnelSpec& spec, const ServerKey& server) {
  const auto& pins = spec.host_key_fingerprint;
  if (std::find(pins.begin(), pins.end(), server.fingerprint) != pins.end()) return std::nullopt;
  return host_key_failure(Cause::host_key_not_pinned, spec,
                          "it shows " + server.key.type + " " + server.fingerprint +
                              "; if the pinned key is of another type, name that in host_key_algorithms");
}

/// Not known, and no line speaks against it either.
std::optional<Failure> meet(const TunnelSpec& spec, const std::string& known, const ServerKey& server) {
  switch (spec.strict_host_key_checking) {
    case StrictHostKeyChecking::no:
      return std::nullopt;
    case StrictHostKeyChecking::accept_new:
      return store(spec, known, server);
    case StrictHostKeyChecking::yes:
      return host_key_failure(Cause::host_key_unknown, spec,
                              "no line for it in " + spec.user_known_hosts_file + "; it shows " + server.key.type +
                                  " " + server.fingerprint);
  }
  std::abort();
}

std::optional<Failure> decide(const TunnelSpec& spec, const std::string& known, const ServerKey& server) {
  const auto judgement = judge_host_key(known, spec.host_name, spec.port, server.key);
  const bool lax = spec.strict_host_key_checking == StrictHostKeyChecking::no;
  const auto place = spec.user_known_hosts_file + ":" + std::to_string(judgement.line);
  const auto shown = server.key.type + " " + server.fingerprint;
  switch (judgement.verdict) {
    case HostKeyVerdict::known:
      return std::nullopt;
    case HostKeyVerdict::revoked:
      return host_key_failure(Cause::host_key_revoked, spec, place + " revokes " + shown);
    case HostKeyVerdict::changed:
      if (lax) return std::nullopt;
      return host_key_failure(Cause::host_key_changed, spec, place + " holds another key; it shows " + shown);
    case HostKeyVerdict::other_type:
      if (lax) return std::nullopt;
      return host_key_failure(Cause::host_key_changed, spec,
                              place + " holds keys of other types only; it shows " + shown);
    case HostKeyVerdict::unreadable:
      if (lax) return std::nullopt;
      if (spec.strict_host_key_checking == StrictHostKeyChecking::accept_new && is_torn(spec, known, server)) {
        return complete(spec, known, server);
      }
      return host_key_failure(Cause::known_hosts_unusable, spec,
                              place + " is about this relay, but can't be parsed; it shows " + shown);
    case HostKeyVerdict::unknown:
      return meet(spec, known, server);
  }
  std::abort();
}

bool stored_since(const TunnelSpec& spec, const std::string& known) {
  return spec.strict_host_key_checking == StrictHostKeyChecking::accept_new && read_known_hosts(spec) != known;
}

}  // namespace

std::string host_key_algorithms(const TunnelSpec& spec) {
  auto algorithms = resolve_algorithms(spec.host_key_algorithms, default_host_key_algorithms);
  const auto known = read_known_hosts(spec);
  if (known && spec.host_key_fingerprint.empty()) {
    algorithms = prefer_key_types(std::move(algorithms), known_key_types(*known, spec.host_name, spec.port));
  }
  return join(algorithms);
}

HostKeyCheck verify_host_key(ssh_session session, const TunnelSpec& spec) {
  const auto server = server_key(session);
  if (!server) return {host_key_failure(Cause::key_exchange_failed, spec, "libssh gives no server key"), ""};
  if (!spec.host_key_fingerprint.empty()) return {check_pins(spec, *server), ""};
  const auto known = read_known_hosts(spec);
  if (!known) {
    return {host_key_failure(Cause::known_hosts_unusable, spec,
                             spec.user_known_hosts_file + ": " + errno_text(known.error())),
            ""};
  }
  HostKeyCheck check{decide(spec, *known, *server), ""};
  if (!check.failure && stored_since(spec, *known)) check.stored = server->key.type + " " + server->fingerprint;
  return check;
}

}  // namespace holdfast::ssh
