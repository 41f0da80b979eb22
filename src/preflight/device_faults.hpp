#pragma once

#include <string>
#include <vector>

#include "config/load.hpp"

/// What the device can know by itself of whether a configuration's tunnels can come up, before a session is given up
/// for it: its keys, certificates, known_hosts, addresses and sockets, as they are now.
namespace holdfast::preflight {

struct DeviceFault {
  std::string tunnel;
  config::Problem problem;
  bool hopeless = false;  ///< that tunnel can't come up as long as it is so; else it may heal, or others may do
};

/// In the configuration's order. Nothing is said of files that are `unseen` to `files`. Reads the disk.
std::vector<DeviceFault> device_faults(const config::Loaded& loaded,
                                       const config::Files& files = config::system_files());

}  // namespace holdfast::preflight
