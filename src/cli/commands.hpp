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

struct InitOptions {
  std::string relay;  ///< "tunnel@relay.example:22"; empty: asked for
  std::optional<int> port;
  std::string name = "relay";
  std::string target = "localhost:22";
  std::vector<std::string> pins;
  bool install_key = false;
  bool dry_run = false;
  bool yes = false;
  bool no_start = false;
  std::string config_dir;  ///< empty: the service's, or the user's own
  std::string state_dir;   ///< likewise
};

/// All that a command line may say. One struct: each option is bound to its member before anybody knows which
/// subcommand it is, and a subcommand reads what is its own.
struct Options {
  std::optional<std::string> config;  ///< absent: default_config()
  std::optional<std::string> socket;  ///< absent: as the configuration says
  std::string only;                   ///< run that tunnel alone, or ask the process that does; empty: all
  std::string recording;              ///< of a run: the file; empty: none
  double timeout_seconds = 10;
  bool json = false;
  bool capture = false;      ///< doctor
  bool nat_timeout = false;  ///< likewise
  std::string tunnel;
  struct Outside {
    std::string where;  ///< "user@relay:4649"
    std::optional<int> ssh_port;
    std::vector<std::string> pins;
  } outside;
  struct Relay {
    std::string where;                   ///< "user@relay", or with the tunnel's port as above
    std::optional<std::string> account;  ///< absent: "tunnel"
    std::string key;                     ///< a file
  } relay;
  std::string bundle;    ///< the file that is to be written
  bool plain = false;    ///< with names and addresses
  std::string explain;   ///< a cause's name, or a layer's
  std::string findings;  ///< a file of findings that are to be judged again
  std::string shell;
  std::string import_name = "relay";      ///< what an imported tunnel is called
  std::vector<std::string> import_words;  ///< the command line, or ssh_config's host
  std::string ssh_config;                 ///< the file, as ssh -F; empty: the usual ones
  InitOptions init;
};

int init(const Options& options);
int run(const Options& options);
int check(const Options& options);
int status(const Options& options);
int health(const Options& options);
int reload(const Options& options);
int reconnect(const Options& options);
int doctor(const Options& options);
int import_command(const Options& options);
int import_ssh_config(const Options& options);
int import_sidedoor(const Options& options);
int relay_script();
int version();

}  // namespace holdfast::cli
