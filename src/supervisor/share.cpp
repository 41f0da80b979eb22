#include "supervisor/share.hpp"

#include <cstdlib>
#include <set>
#include <utility>

#include "holdfast/words.hpp"
#include "preflight/configuration.hpp"

namespace holdfast::supervisor {
namespace {

/// Keys and certificates of other tunnels may be out of this process's sight.
class FilesOfOne final : public config::Files {
 public:
  FilesOfOne(const config::Files& files, std::set<std::string> own) : files_(files), own_(std::move(own)) {}

  Kind private_key(const std::string& file) const override { return seen(file, files_.private_key(file)); }
  Kind readable_file(const std::string& file) const override { return seen(file, files_.readable_file(file)); }
  std::optional<std::string> credentials_directory() const override { return files_.credentials_directory(); }
  std::string congestion_controls() const override { return files_.congestion_controls(); }

 private:
  Kind seen(const std::string& file, Kind kind) const {
    const bool away = kind == Kind::missing || kind == Kind::unreadable;
    return away && own_.count(file) == 0 ? Kind::unseen : kind;
  }

  const config::Files& files_;
  const std::set<std::string> own_;
};

std::set<std::string> files_of(const TunnelSpec& tunnel) {
  std::set<std::string> files(tunnel.identity_file.begin(), tunnel.identity_file.end());
  files.insert(tunnel.certificate_file.begin(), tunnel.certificate_file.end());
  return files;
}

bool is_of_another(const config::Problem& warning, const std::string& tunnel) {
  return warning.key.starts_with("tunnels.") && !(warning.key + ".").starts_with("tunnels." + tunnel + ".");
}

}  // namespace

std::string state_folder(const std::string& only) {
  const char* given = std::getenv("STATE_DIRECTORY");
  const std::string folders = given != nullptr ? given : "";
  const std::string first = folders.substr(0, folders.find(':'));
  const std::string of_all = first.starts_with('/') ? first : config::default_state_directory;
  return only.empty() ? of_all : of_all + "/only/" + only;
}

tl::expected<Config, std::string> keep_only(Config config, const std::string& tunnel) {
  const TunnelSpec* found = find_tunnel(config, tunnel);
  if (found == nullptr) {
    return tl::unexpected("there is no '" + tunnel +
                          "', which --only names; there are: " + joined(tunnel_names(config), ", "));
  }
  config.tunnels = std::vector{*found};
  config.status_socket.path = socket_of_tunnel(config.status_socket.path, tunnel);
  return config;
}

std::vector<std::string> files_beside(const std::string& name, const Config& share, const std::string& only) {
  if (!only.empty()) return {state_folder("") + "/" + name};
  std::vector<std::string> files;
  for (const TunnelSpec& tunnel : share.tunnels) files.push_back(state_folder(tunnel.name) + "/" + name);
  return files;
}

tl::expected<config::Loaded, config::Problems> load_share(const std::string& path, const std::string& only,
                                                          const config::Files& files) {
  if (only.empty()) return preflight::load_configuration(path, files);
  // Once to find the tunnel, and once more to look at the files that are this tunnel's.
  auto loaded = preflight::load_configuration(path, FilesOfOne{files, {}});
  if (!loaded) return loaded;
  const std::string digest = loaded->digest;
  auto share = keep_only(std::move(loaded->config), only);
  if (!share) return tl::unexpected(config::Problems{{path, 0, 0, "tunnels", share.error()}});
  loaded = preflight::load_configuration(path, FilesOfOne{files, files_of(share->tunnels[0])});
  if (!loaded) return loaded;
  std::erase_if(loaded->warnings, [&](const config::Problem& warning) { return is_of_another(warning, only); });
  loaded->config = *std::move(share);
  loaded->digest = digest;
  return loaded;
}

std::vector<std::string> sockets_of_rivals(const std::string& path, const Config& share, const std::string& only) {
  std::vector<std::string> sockets;
  const auto add = [&](const std::string& status_socket) {
    sockets.push_back(status_socket);
    sockets.push_back(control_socket(status_socket));
  };
  add(share.status_socket.path);
  if (!only.empty()) {
    if (const auto of_all = config::find_status_socket(path)) add(*of_all);
    return sockets;
  }
  for (const TunnelSpec& tunnel : share.tunnels) add(socket_of_tunnel(share.status_socket.path, tunnel.name));
  return sockets;
}

}  // namespace holdfast::supervisor
