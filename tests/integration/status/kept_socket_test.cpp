#include "status/kept_socket.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "integration/status/running_server.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

/// A status socket that is kept, with a loop that the test runs.
struct Kept {
  explicit Kept(std::string socket, status::SocketWaits waits = {20ms, 20ms, 20ms})
      : path(std::move(socket)),
        kept(
            loop.get_executor(), {path, ""}, status::Role::status, source,
            [this](LogLevel level, const std::string& text) {
              told.push_back((level == LogLevel::error ? "error: " : "") + text);
            },
            {}, waits) {
    kept.open();
  }
  /// Runs the loop until it holds.
  template <class Condition>
  bool comes_to(Condition condition) {
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (!condition() && std::chrono::steady_clock::now() < limit) loop.run_one_for(1s);
    return condition();
  }

  FakeSource source;
  boost::asio::io_context loop;
  std::string path;
  std::vector<std::string> told;
  status::KeptSocket kept;
};

}  // namespace

TEST_CASE("a socket that can't be had is told of once, and is had as soon as it can be") {
  const TempDir dir;
  Kept socket{dir / "later/status.sock"};
  CHECK_FALSE(socket.kept.is_open());
  REQUIRE(socket.told.size() == 1);
  CHECK(socket.told[0].starts_with("error: "));
  CHECK(socket.told[0].ends_with("; trying again, the tunnels go on without"));
  for (int tries = 0; tries < 3; ++tries) socket.loop.run_one();
  CHECK(socket.told.size() == 1);
  std::filesystem::create_directory(dir / "later");
  CHECK(socket.comes_to([&] { return socket.kept.is_open(); }));
  CHECK(std::filesystem::is_socket(socket.path));
  CHECK(socket.told.size() == 1);
}

TEST_CASE("a socket whose file goes is made again on the kernel's word") {
  const TempDir dir;
  Kept socket{dir / "status.sock", {10s, 1h, 20ms}};
  REQUIRE(socket.kept.is_open());
  REQUIRE(std::filesystem::remove(socket.path));
  CHECK(socket.comes_to([&] { return std::filesystem::is_socket(socket.path); }));
  CHECK(socket.told == std::vector<std::string>{"socket " + socket.path + " was removed; making it again"});
}

TEST_CASE("a socket whose folder goes with it is made again once there is a folder") {
  const TempDir dir;
  std::filesystem::create_directory(dir / "folder");
  Kept socket{dir / "folder/status.sock"};
  REQUIRE(socket.kept.is_open());
  std::filesystem::remove_all(dir / "folder");
  REQUIRE(socket.comes_to([&] { return socket.told.size() == 2; }));
  CHECK_FALSE(socket.kept.is_open());
  std::filesystem::create_directory(dir / "folder");
  CHECK(socket.comes_to([&] { return socket.kept.is_open(); }));
}

TEST_CASE("a socket that nobody keeps any more is not made again") {
  const TempDir dir;
  FakeSource source;
  boost::asio::io_context loop;
  const std::string path = dir / "status.sock";
  {
    status::KeptSocket kept{
        loop.get_executor(), {path, ""}, status::Role::status, source, [](LogLevel, const std::string&) {}, {},
        {0ms, 0ms, 0ms}};
    kept.open();
    REQUIRE(std::filesystem::remove(path));
  }
  loop.run();
  CHECK_FALSE(std::filesystem::exists(path));
}
