#include "ssh/local_faults.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <optional>
#include <utility>

#include "holdfast/relays.hpp"
#include "holdfast/words.hpp"
#include "ssh/algorithms.hpp"
#include "ssh/file.hpp"
#include "ssh/host_key.hpp"
#include "ssh/identity.hpp"
#include "ssh/known_hosts.hpp"

namespace holdfast::ssh {
namespace {

std::size_t item_of(const std::vector<std::string>& list, const std::string& file) {
  return static_cast<std::size_t>(std::find(list.begin(), list.end(), file) - list.begin());
}

std::string date(std::uint64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  char text[32] = "";
  if (::gmtime_r(&time, &parts) != nullptr) std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

/// What the device has to log in with.
class Keys {
 public:
  Keys(const TunnelSpec& spec, std::chrono::sys_seconds now, const std::function<bool(const std::string&)>& unseen)
      : spec_(spec), now_(static_cast<std::uint64_t>(now.time_since_epoch().count())), unseen_(unseen) {}

  std::vector<LocalFault> look() {
    const Identities identities = load_identities(spec_);
    for (const UnusableFile& problem : identities.problems) {
      if (!unseen_(problem.file)) unusable(problem);
    }
    for (const CertificateFile& certificate : identities.certificates) look_at(certificate);
    if (!spec_.identity_agent.empty()) look_at_agent(identities.usable.empty());
    return std::move(faults_);
  }

 private:
  /// With an agent its key may be there, as with ssh.
  void unusable(const UnusableFile& problem) {
    const bool agent = !spec_.identity_agent.empty();
    if (const auto item = item_of(spec_.identity_file, problem.file); item < spec_.identity_file.size()) {
      return add("identity_file", item, problem.reason, !agent);
    }
    add("certificate_file", item_of(spec_.certificate_file, problem.file), problem.reason, true);
  }

  /// One that lies beside a key may be of another time: the key may do without it, and nobody asked for it.
  void look_at(const CertificateFile& certificate) {
    const auto named = item_of(spec_.certificate_file, certificate.path);
    const bool asked_for = named < spec_.certificate_file.size();
    const auto say = [&](const std::string& message, bool hopeless) {
      if (asked_for) return add("certificate_file", named, certificate.path + message, hopeless);
      for (std::size_t item = 0; item < spec_.identity_file.size(); ++item) {
        if (certificate.path == spec_.identity_file[item] + "-cert.pub") {
          return add("identity_file", item, certificate.path + message, false);
        }
      }
    };
    if (!certificate.terms) {
      const bool others =
          !spec_.identity_agent.empty() || std::any_of(spec_.identity_file.begin(), spec_.identity_file.end(), unseen_);
      if (others && !asked_for) return;
      return say(" certifies none of the keys of identity_file; name the certificate of one of them", !others);
    }
    if (certificate.terms->for_hosts) {
      return say(" is a host's certificate, which lets nobody in; sign the key without ssh-keygen's -h", true);
    }
    if (now_ >= certificate.terms->valid_before) {
      return say(" expired at " + date(certificate.terms->valid_before) + "; have the key signed anew", true);
    }
    if (now_ < certificate.terms->valid_after) {
      say(" is valid only from " + date(certificate.terms->valid_after) + " on: is this device's clock right?", false);
    }
  }

  void look_at_agent(bool only_hope) {
    struct stat info {};
    const std::string& path = spec_.identity_agent;
    const char* const hope = only_hope ? "; no session comes up until the agent runs" : "";
    if (::stat(path.c_str(), &info) != 0) {
      add("identity_agent", 0, path + ": " + errno_text(errno) + hope, false);
    } else if (!S_ISSOCK(info.st_mode)) {
      add("identity_agent", 0, path + " is no socket" + hope, false);
    }
  }

  void add(const char* key, std::size_t item, std::string message, bool hopeless) {
    faults_.push_back({key, item, std::move(message), hopeless});
  }

  const TunnelSpec& spec_;
  const std::uint64_t now_;
  const std::function<bool(const std::string&)>& unseen_;
  std::vector<LocalFault> faults_;
};

int why_not_accessible(const std::string& path, int mode) {
  return ::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0 ? 0 : errno;
}

/// Why a key can't be added to the file.
std::optional<std::string> why_not_writable(const std::string& file) {
  const int error = why_not_accessible(file, W_OK);
  if (error == 0) return std::nullopt;
  if (error != ENOENT) return file + " can't be written (" + errno_text(error) + ")";
  const std::string folder = file.substr(0, std::max<std::size_t>(file.rfind('/'), 1));
  const int missing = why_not_accessible(folder, W_OK | X_OK);
  if (missing == 0) return std::nullopt;
  return missing == ENOENT ? "the folder " + folder + " does not exist"
                           : file + " can't be made in its folder (" + errno_text(missing) + ")";
}

std::string host_key_remedy(const TunnelSpec& relay) {
  return "; add it with ssh-keyscan -p " + std::to_string(relay.port) + " " + relay.host_name +
         ", and compare it with the relay's own";
}

/// Why no host key that the relay may show would be trusted.
std::optional<std::string> untrusted(const TunnelSpec& relay) {
  if (!relay.host_key_fingerprint.empty()) return std::nullopt;
  const std::string& file = relay.user_known_hosts_file;
  const auto known = read_known_hosts(relay.user_known_hosts_file);
  if (!known) {
    const bool no_file = known.error() == EINVAL;
    return file + (no_file ? std::string{" is not a regular file"} : " can't be read: " + errno_text(known.error()));
  }
  if (relay.strict_host_key_checking == StrictHostKeyChecking::no) return std::nullopt;
  const HostLines about = lines_about(*known, relay.host_name, relay.port);
  const bool accepts_new = relay.strict_host_key_checking == StrictHostKeyChecking::accept_new;
  if (!about.types.empty()) {
    if (any_signs(resolve_algorithms(relay.host_key_algorithms, default_host_key_algorithms), about.types)) {
      return std::nullopt;
    }
    return file + " holds only " + joined(about.types, ",") + " for " + relay_name(relay) +
           ", which host_key_algorithms leaves out; add the type there, or the relay's other key to the file";
  }
  if (about.unreadable != 0) {
    // The last line may be half of what is to be written, which is completed.
    if (accepts_new && !known->ends_with('\n')) return std::nullopt;
    return file + ":" + std::to_string(about.unreadable) + " is about " + relay_name(relay) +
           ", but can't be parsed; delete the line" + (accepts_new ? "" : host_key_remedy(relay));
  }
  if (!accepts_new) {
    return "no line for " + relay_name(relay) + " in " + file +
           ": with strict_host_key_checking 'yes' it is not trusted" + host_key_remedy(relay);
  }
  const auto reason = why_not_writable(file);
  if (!reason) return std::nullopt;
  return *reason + ", so that the host key of " + relay_name(relay) +
         " can't be remembered; create it for the user that holdfast runs as";
}

/// What such a session would learn, and the next start would not know.
std::optional<std::string> forgetful(const TunnelSpec& relay) {
  const bool learns =
      relay.strict_host_key_checking == StrictHostKeyChecking::accept_new && relay.host_key_fingerprint.empty();
  const auto reason = learns ? why_not_writable(relay.user_known_hosts_file) : std::nullopt;
  if (!reason) return std::nullopt;
  return *reason + ": another host key of " + relay_name(relay) +
         " would be known until the next start only; let the user that holdfast runs as write it";
}

}  // namespace

std::vector<LocalFault> local_faults(const TunnelSpec& spec, std::chrono::sys_seconds now,
                                     const std::function<bool(const std::string&)>& unseen) {
  std::vector<LocalFault> faults = Keys{spec, now, unseen}.look();
  const std::vector<RelaySpec> relays = relays_of(spec);
  for (std::size_t item = 0; item < relays.size(); ++item) {
    const TunnelSpec relay = at_relay(spec, relays[item]);
    if (unseen(relay.user_known_hosts_file)) continue;
    const auto hopeless = untrusted(relay);
    const auto reason = hopeless ? hopeless : forgetful(relay);
    if (!reason) continue;
    const bool own = relay.user_known_hosts_file != spec.user_known_hosts_file;
    faults.push_back({own ? "host_name" : "user_known_hosts_file", own ? item : 0, *reason, hopeless.has_value()});
  }
  return faults;
}

}  // namespace holdfast::ssh
