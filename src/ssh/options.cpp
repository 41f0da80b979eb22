#include "ssh/options.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include "holdfast/words.hpp"
#include "ssh/algorithms.hpp"
#include "ssh/ciphers.hpp"
#include "ssh/host_key.hpp"

namespace holdfast::ssh {
namespace {

Failure option_failure(const std::string& option, std::string detail) {
  return {Cause::local_error, "set", option, std::move(detail)};
}

/// libssh drops a name that it does not know and complains only when none is left; ssh refuses it, and so do we.
std::optional<Failure> set_algorithms(ssh_session session, const std::string& option,
                                      std::initializer_list<ssh_options_e> kinds,
                                      const std::vector<std::string>& names) {
  for (const auto kind : kinds) {
    for (const auto& name : names) {
      if (ssh_options_set(session, kind, name.c_str()) != SSH_OK) {
        return option_failure(option, "'" + name + "' is not known to libssh " + ssh_version(0));
      }
    }
    if (names.empty() || ssh_options_set(session, kind, joined(names, ",").c_str()) != SSH_OK) {
      return option_failure(option, "no algorithm is left");
    }
  }
  return std::nullopt;
}

std::optional<Failure> set_all_algorithms(ssh_session session, const TunnelSpec& spec, const std::string& known_hosts) {
  if (auto failure = set_algorithms(session, "ciphers", {SSH_OPTIONS_CIPHERS_C_S, SSH_OPTIONS_CIPHERS_S_C},
                                    resolve_algorithms(spec.ciphers, default_ciphers().ciphers))) {
    return failure;
  }
  if (auto failure = set_algorithms(session, "macs", {SSH_OPTIONS_HMAC_C_S, SSH_OPTIONS_HMAC_S_C},
                                    resolve_algorithms(spec.macs, default_macs))) {
    return failure;
  }
  if (auto failure = set_algorithms(session, "kex_algorithms", {SSH_OPTIONS_KEY_EXCHANGE},
                                    resolve_algorithms(spec.kex_algorithms, default_kex_algorithms))) {
    return failure;
  }
  return set_algorithms(session, "host_key_algorithms", {SSH_OPTIONS_HOSTKEYS},
                        resolve_algorithms(host_key_algorithms(spec, known_hosts), {}));
}

bool set_rekey_limit(ssh_session session, const RekeyLimit& limit) {
  const std::uint64_t bytes = limit.bytes;
  if (bytes != 0 && ssh_options_set(session, SSH_OPTIONS_REKEY_DATA, &bytes) != SSH_OK) return false;
  // libssh counts in 32-bit milliseconds.
  constexpr std::int64_t longest = 4'000'000;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit.time).count();
  const auto bounded = static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 0, longest));
  return bounded == 0 || ssh_options_set(session, SSH_OPTIONS_REKEY_TIME, &bounded) == SSH_OK;
}

bool set_surroundings(ssh_session session, int descriptor, const TunnelSpec& spec) {
  const bool process_config = false;
  const auto set = [session](ssh_options_e option, const void* value) {
    return ssh_options_set(session, option, value) == SSH_OK;
  };
  // The host is only a label here: the socket is connected and the host key is checked without libssh, which would
  // also read known_hosts again at each rekey.
  return set(SSH_OPTIONS_PROCESS_CONFIG, &process_config) && set(SSH_OPTIONS_SSH_DIR, "/nonexistent") &&
         set(SSH_OPTIONS_USER, spec.user.c_str()) && set(SSH_OPTIONS_HOST, "relay") &&
         set(SSH_OPTIONS_KNOWNHOSTS, "/dev/null") && set(SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") &&
         set(SSH_OPTIONS_FD, &descriptor) && set(SSH_OPTIONS_COMPRESSION, "no") &&
         (spec.identity_agent.empty() || set(SSH_OPTIONS_IDENTITY_AGENT, spec.identity_agent.c_str())) &&
         set_rekey_limit(session, spec.rekey_limit);
}

}  // namespace

std::optional<Failure> apply_options(ssh_session session, int descriptor, const TunnelSpec& spec,
                                     const std::string& known_hosts) {
  constexpr int largest_descriptor = 0xffff;  // libssh cuts SSH_OPTIONS_FD off at 16 bits
  if (descriptor > largest_descriptor) return option_failure("the socket", "too many open files for libssh");
  if (!set_surroundings(session, descriptor, spec)) {
    return option_failure("libssh's options", ssh_get_error(session));
  }
  return set_all_algorithms(session, spec, known_hosts);
}

std::optional<Failure> try_algorithms(const TunnelSpec& spec) {
  const SessionHandle session{ssh_new()};
  if (!session) return option_failure("libssh's options", "out of memory");
  return set_all_algorithms(session.get(), spec, "");
}

}  // namespace holdfast::ssh
