#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "cli/init/wish.hpp"
#include "holdfast/config.hpp"

namespace holdfast::cli::steps {

/// The configuration as it is going to be, and what follows from it.
struct Plan {
  std::string drop_in;          ///< its text
  bool drop_in_exists = false;  ///< with this text
  std::string main;             ///< the main file's text, if there is none yet
  std::string status_socket;
  TunnelSpec spec;
  std::vector<RemoteForward> listeners;  ///< that the key has in this account
  int tunnels_of_key = 0;                ///< likewise
};

/// Writes nothing. The configuration has to be good as a whole.
Plan make_plan(const Wish& wish);
/// True if it was not there.
bool write_configuration(const Wish& wish, const Plan& plan);

void make_folder(const std::string& path, mode_t mode);

}  // namespace holdfast::cli::steps
