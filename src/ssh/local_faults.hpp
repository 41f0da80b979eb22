#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "holdfast/config.hpp"

/// What a session would find out too late: that the keys, the certificates or known_hosts, as they are on this device
/// now, are no good. Read by the code that a session reads them with.
namespace holdfast::ssh {

struct LocalFault {
  std::string key;        ///< the tunnel's setting: "identity_file"
  std::size_t item = 0;   ///< of its list
  std::string message;    ///< what is wrong, and what to do
  bool hopeless = false;  ///< no session comes up as long as it is so; else it may heal, or something else may do
};

/// What is wrong on this device, for all of the tunnel's relays. `unseen` says which files can't be looked at from
/// here: nothing is said about them.
std::vector<LocalFault> local_faults(const TunnelSpec& spec, std::chrono::sys_seconds now,
                                     const std::function<bool(const std::string& file)>& unseen);

}  // namespace holdfast::ssh
