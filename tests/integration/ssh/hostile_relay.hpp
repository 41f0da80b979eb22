#pragma once

#include <libssh/libssh.h>
#include <libssh/server.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "holdfast/config.hpp"
#include "support/temp_dir.hpp"

namespace holdfast::test {

/// A relay under the test's control, on libssh's server side, in a thread: it lets anybody in, grants what is asked for
/// and then does what it was made for. For one connection.
class HostileRelay {
 public:
  /// What it does once a forward was asked for and granted (or, with `at_login`, right after the login).
  using Misdeed = std::function<void(ssh_session)>;

  explicit HostileRelay(Misdeed misdeed, bool at_login = false);
  ~HostileRelay();
  HostileRelay(const HostileRelay&) = delete;
  HostileRelay& operator=(const HostileRelay&) = delete;

  TunnelSpec spec(const TempDir& dir) const;
  bool done() const { return done_; }  ///< the misdeed is over

  static constexpr std::uint16_t granted_port = 4649;

 private:
  void serve();
  bool let_in(ssh_session session);

  Misdeed misdeed_;
  bool at_login_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

}  // namespace holdfast::test
