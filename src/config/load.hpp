#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "holdfast/config.hpp"

namespace holdfast::config {

/// One thing wrong with the file: "etc/holdfast.yaml:12:5: tunnels.relay.prot: unknown key; did you mean 'port'?"
struct Problem {
  std::string file;
  int line = 0;     ///< from 1; 0 when the problem has no place in the file
  int column = 0;   ///< from 1
  std::string key;  ///< "tunnels.relay.port"; may be empty
  std::string message;
};

/// "file:line:column: key: message"
std::string to_string(const Problem& problem);

using Problems = std::vector<Problem>;

/// Where the tunnels' settings stand, by "TUNNEL.KEY[ITEM]", "TUNNEL.KEY" and "TUNNEL"; problems without a message.
using Places = std::map<std::string, Problem>;

struct Loaded {
  Config config;
  std::vector<Problem> warnings;  ///< "strict_host_key_checking: no trusts whoever answers", and the like
  Places places;
  std::string digest{};  ///< digest_of() what load() read

  /// The problem that a tunnel's setting, or an item of its list, turned out to be; the tunnel's if it is not set.
  Problem problem_with(const std::string& tunnel, const std::string& key, std::size_t item, std::string message) const;
};

/// The unit's StateDirectory=.
inline constexpr const char* default_state_directory = "/var/lib/holdfast";
/// Where systemd puts what the unit's LoadCredential= names.
inline constexpr const char* service_credentials = "/run/credentials/holdfast.service";
/// Where host keys are remembered unless user_known_hosts_file says otherwise.
inline constexpr const char* default_known_hosts = "/var/lib/holdfast/known_hosts";

/// What the parser asks of the system it runs on, so that unit tests need none.
class Files {
 public:
  /// `exposed`: a private key that somebody else may read. `unseen`: there is no telling from here; only warned about.
  enum class Kind { missing, not_a_file, unreadable, exposed, unseen, good };
  virtual ~Files() = default;
  virtual Kind private_key(const std::string& path) const = 0;
  virtual Kind readable_file(const std::string& path) const = 0;
  /// The environment's CREDENTIALS_DIRECTORY, which systemd sets for units with LoadCredential=.
  virtual std::optional<std::string> credentials_directory() const = 0;
  /// The TCP congestion controls that the kernel has, with blanks between them, for a look from outside of the service;
  /// the service itself tries. Empty: unknown.
  virtual std::string congestion_controls() const = 0;
};

/// The real one.
const Files& system_files();
/// The real one for a look at the configuration from outside of the service. Credentials are taken to be where systemd
/// will put them, unseen, unless the environment says where to look. So is a state directory that is not there yet, or
/// not for this user.
const Files& files_outside_service();

/// The real one for a look that logs in nowhere: keys and certificates are not asked for.
const Files& files_without_keys();

/// The real one for a running process. Keys and certificates are taken to be there: one that is away is no trouble of
/// the other tunnels.
const Files& files_in_service();

/// A file's text, and the name by which problems speak of it.
struct Source {
  std::string file;
  std::string text;
};

/// The configuration, and behind it the files of its conf.d, which hold tunnels and nothing else. All problems at once,
/// in the order of the files and of their lines.
tl::expected<Loaded, Problems> parse(const std::vector<Source>& sources, const Files& files);
/// Parses a configuration without a conf.d.
tl::expected<Loaded, Problems> parse(std::string_view text, const std::string& file_name, const Files& files);
/// Reads the file first, and "conf.d/*.yaml" beside it, if there is such a folder, in the order of their names. What
/// can't be read is a Problem too. `planned`: files of these that are not there yet, or have another text.
tl::expected<Loaded, Problems> load(const std::string& path, const Files& files = system_files(),
                                    const std::vector<Source>& planned = {});

/// A digest of what load() reads, 64 bits in hexadecimal: another one once a file came, went, or has another text.
/// Empty if a file can't be read.
std::string digest_of(const std::string& path);

/// Where the daemon that runs with this file has its status socket, whatever else is wrong with the file by now.
tl::expected<std::string, Problems> find_status_socket(const std::string& path);

/// The effective configuration as YAML that parse() reads back to the same Config.
std::string to_yaml(const Config& config);

}  // namespace holdfast::config
