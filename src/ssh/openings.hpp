#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "ssh/channel.hpp"
#include "ssh/handles.hpp"
#include "ssh/link.hpp"
#include "ssh/open_refusal.hpp"

namespace holdfast::ssh {

/// Channels that we ask the relay for, on their way: `direct-tcpip` (RFC 4254, 7.2) and `session` with `exec`
/// (6.1, 6.5).
class Openings {
 public:
  explicit Openings(std::shared_ptr<Link> link) : link_(std::move(link)) {}

  void direct_tcpip(std::string host, std::uint16_t port, OpenHandler handler);
  void exec(std::string command, OpenHandler handler);

  /// Goes on with each; returns what to tell to whom. Outside of libssh's callbacks only.
  std::vector<std::function<void()>> advance();
  /// The session is about to be freed, and with it the channels. Nobody is told.
  void forget();

 private:
  struct DirectTcpip {
    std::string host;
    std::uint16_t port = 0;
  };
  struct Exec {
    std::string command;
    bool channel_open = false;
  };
  struct Opening {
    std::variant<DirectTcpip, Exec> kind;
    OpenHandler handler;
    ChannelHandle channel{};
    std::unique_ptr<RefusalWatch> watch{};
  };

  int step(Opening& opening);
  int step(ssh_channel channel, DirectTcpip& direct);
  int step(ssh_channel channel, Exec& exec);

  std::shared_ptr<Link> link_;
  std::list<Opening> under_way_;
};

}  // namespace holdfast::ssh
