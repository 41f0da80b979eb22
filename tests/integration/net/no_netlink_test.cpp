#include <doctest/doctest.h>
#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <optional>
#include <string>
#include <vector>

#include "integration/net/loop.hpp"
#include "net/network_watcher.hpp"

using namespace holdfast::net;
using holdfast::test::run_until;

TEST_CASE("a watcher that gets no socket says so once, from the loop, and nothing else") {
  boost::asio::io_context loop;
  const boost::asio::posix::stream_descriptor makes_the_reactor(loop);
  std::vector<std::string> troubles;
  std::optional<NetworkWatcher> watcher;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  watcher.emplace(
      loop.get_executor(), [](const NetworkChange&) { FAIL("changed"); },
      [&](const std::string& why) { troubles.push_back(why); });
  CHECK_FALSE(dump_network());
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(troubles.empty());
  REQUIRE(run_until(loop, [&] { return !troubles.empty(); }));
  loop.poll();
  CHECK(troubles == std::vector<std::string>{"Too many open files"});
}
