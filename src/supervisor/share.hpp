#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "config/load.hpp"

/// A process's share of a device's tunnels: all of them, or with `run --only NAME` one. `only` is empty for the process
/// of all tunnels. All share known_hosts, to which each adds whole lines, and the device's name; what is written over
/// and over each has to itself.
namespace holdfast::supervisor {

/// Where the process keeps what it learns: the folder that systemd made for it (STATE_DIRECTORY), or /var/lib/holdfast;
/// for a process of one tunnel "only/NAME" in that.
std::string state_folder(const std::string& only);

/// The files of that name that other processes have written for this share's tunnels, before it was theirs.
std::vector<std::string> files_beside(const std::string& name, const Config& share, const std::string& only);

/// What a process of one tunnel has of the configuration: that tunnel, and a status socket of its own. The error says
/// which tunnels there are.
tl::expected<Config, std::string> keep_only(Config config, const std::string& tunnel);

/// preflight::load_configuration(), and of it this process's share. All of it has to be good, but for the keys and
/// certificates of other tunnels: those need not be there for this process.
tl::expected<config::Loaded, config::Problems> load_share(const std::string& path, const std::string& only,
                                                          const config::Files& files = config::system_files());

/// The status and control sockets of the processes that would hold one of these tunnels, too: of the share's own, and
/// of the process of all tunnels or those of one. `path` is the configuration's, `share` what load_share() made of it.
std::vector<std::string> sockets_of_rivals(const std::string& path, const Config& share, const std::string& only);

}  // namespace holdfast::supervisor
