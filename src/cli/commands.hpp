#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdfast/time.hpp"

/// One function a subcommand, each in its own file; what they return is the exit status.
namespace holdfast::cli {

inline constexpr int done = 0;
inline constexpr int failed = 1;
inline constexpr int misused = 2;  ///< the command line or the configuration is wrong

inline constexpr const char* default_config = "/etc/holdfast/holdfast.yaml";

struct Options {
  std::optional<std::string> config;  ///< absent: default_config
  std::optional<std::string> socket;  ///< absent: as the configuration says
  std::string only;                   ///< run that tunnel alone, or ask the process that does; empty: all
  double timeout_seconds = 10;
  bool json = false;
  std::string tunnel;
  std::string shell;
  std::string import_name = "relay";      ///< what an imported tunnel is called
  std::vector<std::string> import_words;  ///< the command line, or ssh_config's host
  std::string ssh_config;                 ///< the file, as ssh -F; empty: the usual ones
};

int run(const Options& options);
int check(const Options& options);
int status(const Options& options);
int health(const Options& options);
int reload(const Options& options);
int reconnect(const Options& options);
int import_command(const Options& options);
int import_ssh_config(const Options& options);
int import_sidedoor(const Options& options);
int relay_script();
int version();

}  // namespace holdfast::cli
