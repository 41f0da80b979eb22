#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "migrate/shell_words.hpp"

namespace holdfast::migrate {

/// What `ssh -G` prints: each keyword, in lower case, with its values in order.
using SshConfig = std::map<std::string, std::vector<std::string>>;
SshConfig parse_ssh_config(std::string_view printed);

struct Origin {
  std::string name;     ///< of the tunnel
  SshConfig effective;  ///< of the command line and the user's and the system's files
  SshConfig defaults;   ///< of ssh -G -F /dev/null, for this hostname
  Variables environment{};
  std::optional<std::string> monitor_port{};
  Words remote_command{};
  bool password = false;  ///< sshpass gives one
  Words left_out{};       ///< already, and why; a line each

  // The device
  std::string home{};                         ///< what ~ stands for
  std::string user{};                         ///< whose it is
  std::vector<std::string> existing{};        ///< of the keys and known_hosts of `effective`, those that are there
  std::optional<std::string> service_user{};  ///< who is to hold it; none: the user, with the files where they are
};

struct Translation {
  std::string yaml;                  ///< a file for conf.d
  std::vector<std::string> dropped;  ///< what is not in it, why, and what to do instead; a line each
  std::vector<std::string> to_do;    ///< before it is started; a line or command each
};

/// The error: there is nothing to hold, for no -R can be kept.
tl::expected<Translation, std::string> translate(const Origin& origin);

}  // namespace holdfast::migrate
