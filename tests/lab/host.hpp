#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/process.hpp"

namespace holdfast::lab {

/// A machine of the lab: a network and a mount namespace that only this object's descriptors and the processes in them
/// keep alive. They have no name, so nothing is left behind, however the test ends.
class Host {
 public:
  struct Bind {
    std::string source;  ///< a file or directory of the test
    std::string target;  ///< where the machine sees it; must exist
  };

  /// `binds` and a /run of its own; the loopback is up, IPv6 only on the loopback.
  explicit Host(const std::vector<Bind>& binds = {});
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// The same command, run on this machine.
  test::Command on(test::Command command) const;
  /// Runs to the end and throws unless it succeeds; its output.
  std::string run(std::vector<std::string> argv, std::string input = "") const;
  /// Several `ip` commands.
  void ip(const std::string& batch) const { run({"ip", "-batch", "-"}, batch); }
  void sysctl(const std::string& path, const std::string& value) const;  ///< "net/ipv4/ip_forward"

  /// For `ip link set ... netns PATH`.
  std::string network_path() const;
  int network_fd() const { return network_; }

 private:
  int network_ = -1;
  int mounts_ = -1;
};

/// While it lives, sockets that this thread opens belong to the host's network.
class InNetwork {
 public:
  explicit InNetwork(const Host& host);
  ~InNetwork();
  InNetwork(const InNetwork&) = delete;
  InNetwork& operator=(const InNetwork&) = delete;

 private:
  int previous_ = -1;
};

/// Does anybody on the host listen on 127.0.0.1 or 0.0.0.0, this TCP port? Then the listening socket's inode, which
/// tells one listener from its successor. Looks in /proc, so nobody is disturbed.
std::optional<std::uint64_t> listener_inode(const Host& host, std::uint16_t port);
/// The local ports of the host's established TCP connections to this remote port.
std::set<std::uint16_t> established_to(const Host& host, std::uint16_t remote_port);
/// How many established connections the host's local port has.
std::size_t established_at(const Host& host, std::uint16_t local_port);

}  // namespace holdfast::lab
