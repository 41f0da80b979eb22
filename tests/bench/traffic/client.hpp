#pragma once

#include <optional>
#include <string>
#include <vector>

#include "support/net.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"
#include "traffic/bed.hpp"

namespace holdfast::bench {

enum class Program { ssh, autossh, holdfast };
std::string name_of(Program program);

struct ClientOptions {
  std::string holdfast;  ///< the binary
  std::string ciphers{};
  unsigned tunnels = 1;                       ///< in one holdfast, or in as many ssh
  std::vector<std::string> more{};            ///< lines of each tunnel in holdfast's configuration
  std::vector<lab::TunnelSettings> beside{};  ///< tunnels to elsewhere, in the same holdfast
};

struct Memory {
  double proportional = 0;  ///< KiB, PSS: what several processes map counts in parts (smaps_rollup, proc(5))
  double anonymous = 0;     ///< KiB, what is nobody else's and no file's
};

/// A program under test that holds its tunnels on a bed. Everything throws if it has died.
class Client {
 public:
  /// Returns when the target has greeted through each tunnel.
  Client(const Bed& bed, Program program, const ClientOptions& options);

  /// A connection through a tunnel, with its greeting read.
  test::Socket visit(std::size_t tunnel = 0) const;
  std::uint16_t port(std::size_t tunnel = 0) const { return ports_.at(tunnel); }

  double cpu_seconds() const;  ///< of all its processes and threads up to now, user and system, in nanosecond steps
  Memory memory() const;       ///< of all its processes
  std::size_t descriptors() const;  ///< that they have open
  void check_alive() const;
  std::string status_socket() const { return dir_ / "status.sock"; }  ///< of holdfast
  std::string control_socket() const { return status_socket() + ".control"; }

 private:
  void start(Program program, const std::vector<lab::TunnelSettings>& tunnels, const std::string& binary);
  std::vector<pid_t> processes() const;

  const Bed& bed_;
  test::TempDir dir_;
  std::vector<std::uint16_t> ports_;
  std::vector<std::unique_ptr<test::ProcessTree>> trees_;
};

}  // namespace holdfast::bench
