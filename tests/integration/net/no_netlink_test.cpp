#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <string>
#include <vector>

#include "integration/net/loop.hpp"
#include "net/network_watcher.hpp"

using namespace holdfast::net;
using holdfast::test::run_until;

namespace {

bool netlink_is_refused = false;

}  // namespace

/// The C library's, as a sandbox may change it (systemd's RestrictAddressFamilies=).
extern "C" int socket(int family, int type, int protocol) {
  if (family == AF_NETLINK && netlink_is_refused) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_socket, family, type, protocol));
}

TEST_CASE("a watcher that gets no socket says so once, from the loop, and nothing else") {
  boost::asio::io_context loop;
  std::vector<std::string> troubles;
  netlink_is_refused = true;
  const NetworkWatcher watcher(
      loop.get_executor(), [](const NetworkChange&) { FAIL("changed"); },
      [&](const std::string& why) { troubles.push_back(why); });
  CHECK_FALSE(dump_network());
  netlink_is_refused = false;
  CHECK(troubles.empty());
  REQUIRE(run_until(loop, [&] { return !troubles.empty(); }));
  loop.poll();
  CHECK(troubles == std::vector<std::string>{"Address family not supported by protocol"});
}
