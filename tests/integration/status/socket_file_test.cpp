#include <doctest/doctest.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "integration/status/running_server.hpp"
#include "status/server.hpp"
#include "support/http_unix.hpp"
#include "support/net.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

/// Listens once; empty when it worked.
std::string listen_error(const std::string& path, const std::string& group = "",
                         status::Role role = status::Role::status) {
  FakeSource source;
  boost::asio::io_context loop;
  const auto server = status::Server::listen(loop.get_executor(), {path, group}, role, source);
  return server ? "" : server.error();
}

mode_t mode_of(const std::string& path) {
  struct stat found {};
  REQUIRE(::lstat(path.c_str(), &found) == 0);
  return found.st_mode & 0777U;
}

/// What a crash leaves: a bound socket file that nobody listens on.
void leave_stale_socket(const std::string& path) {
  const Listener crashed = Listener::unix_socket(path + ".alive");
  std::filesystem::rename(path + ".alive", path);
}

}  // namespace

TEST_CASE("the sockets are for owner and group, and for the owner, whatever the umask, and are removed in the end") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  for (const mode_t mask : {0000U, 0022U, 0077U, 0777U}) {
    CAPTURE(mask);
    const mode_t before = ::umask(mask);
    {
      FakeSource source;
      const RunningServer server{source, {path, ""}};
      ::umask(before);
      CHECK(mode_of(path) == 0660);
      CHECK(mode_of(control_socket(path)) == 0600);
      CHECK(http_request(path, "GET", "/healthz").status == 200);
      CHECK(http_request(control_socket(path), "GET", "/healthz").status == 200);
    }
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK_FALSE(std::filesystem::exists(control_socket(path)));
  }
}

TEST_CASE("the socket is at no moment open to others") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  status::Role role{};
  std::string watched;
  mode_t allowed = 0;
  SUBCASE("of the status") {
    role = status::Role::status;
    watched = path;
    allowed = 0660;
  }
  SUBCASE("of commands") {
    role = status::Role::control;
    watched = control_socket(path);
    allowed = 0600;
  }
  std::atomic<bool> watching = true;
  std::atomic<unsigned> widest = 0;
  std::atomic<unsigned> sightings = 0;
  std::atomic<bool> ours = true;
  std::thread watcher{[&] {
    struct stat found {};
    while (watching) {
      if (::lstat(watched.c_str(), &found) != 0) continue;
      widest = widest | (found.st_mode & 0777U);
      if (found.st_uid != ::geteuid()) ours = false;
      ++sightings;
    }
  }};
  const mode_t before = ::umask(0);
  for (unsigned round = 0; round < 200 || (sightings < 50 && round < 100000); ++round) listen_error(path, "", role);
  ::umask(before);
  watching = false;
  watcher.join();
  CHECK(sightings.load() >= 50);
  CHECK((widest.load() & ~allowed) == 0);
  CHECK(ours.load());
}

TEST_CASE("a link that somebody puts in the socket's place leads to no other file") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  const std::string other = directory / "other";
  write_file(other, "", 0600);
  std::atomic<bool> watching = true;
  std::atomic<unsigned> swaps = 0;
  std::thread thief{[&] {
    struct stat found {};
    while (watching) {
      if (::lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) continue;
      ::unlink(path.c_str());
      if (::symlink(other.c_str(), path.c_str()) == 0) ++swaps;
    }
  }};
  for (unsigned round = 0; swaps < 1000 && round < 100000; ++round) {
    listen_error(path);
    ::unlink(path.c_str());
  }
  watching = false;
  thief.join();
  CHECK(swaps.load() >= 50);
  CHECK(mode_of(other) == 0600);
}

TEST_CASE("the socket goes to the group that is named") {
  if (skipped_without_root()) return;
  const struct group* daemon = ::getgrnam("daemon");
  REQUIRE(daemon != nullptr);
  const gid_t wanted = daemon->gr_gid;
  const TempDir directory;
  const std::string path = directory / "status.sock";
  FakeSource source;
  const RunningServer server{source, {path, "daemon"}};
  struct stat found {};
  REQUIRE(::lstat(path.c_str(), &found) == 0);
  CHECK(found.st_gid == wanted);
  CHECK((found.st_mode & 0777U) == 0660);
  REQUIRE(::lstat(control_socket(path).c_str(), &found) == 0);
  CHECK(found.st_uid == ::geteuid());
  CHECK(found.st_gid != wanted);
  CHECK((found.st_mode & 0777U) == 0600);
}

TEST_CASE("an unknown group is an error that says how to make it, and leaves no file") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  CHECK(listen_error(path, "no-such-group") ==
        "status socket " + path +
            ": there is no group 'no-such-group': create it (groupadd --system no-such-group), or correct "
            "status_socket.group");
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a missing directory is an error that says who makes it") {
  const TempDir directory;
  const std::string path = directory / "missing/status.sock";
  CHECK(listen_error(path) ==
        "status socket " + path + ": the directory " + (directory / "missing") +
            " does not exist: create it (RuntimeDirectory=holdfast in the unit makes /run/holdfast), or set "
            "status_socket.path");
}

TEST_CASE("a path that no Unix socket can have is an error with its length") {
  const TempDir directory;
  const std::string base = directory / "";
  const std::string too_long = base + std::string(108 - base.size(), 'x');
  CHECK(listen_error(too_long) == "status socket " + too_long +
                                      ": a Unix socket's path has 1 to 107 bytes, and this one has 108: set a shorter "
                                      "status_socket.path");
  CHECK(listen_error(too_long.substr(0, 107)).empty());
  CHECK(listen_error("").find("this one has 0") != std::string::npos);
  CHECK(listen_error(too_long.substr(0, 100), "", status::Role::control) ==
        "control socket " + too_long.substr(0, 100) +
            ".control: a Unix socket's path has 1 to 107 bytes, and this one has 108: set a shorter "
            "status_socket.path");
  CHECK(listen_error(too_long.substr(0, 99), "", status::Role::control).empty());
}

TEST_CASE("what is not a socket stays where it is") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  write_file(path, "precious");
  CHECK(listen_error(path) ==
        "status socket " + path +
            ": a file that is not a socket is in its place: remove it, or set status_socket.path");
  CHECK(read_file(path) == "precious");

  std::filesystem::remove(path);
  std::filesystem::create_symlink(directory / "elsewhere", path);
  CHECK(listen_error(path).find("a file that is not a socket") != std::string::npos);
  CHECK(std::filesystem::is_symlink(path));

  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  CHECK(listen_error(path).find("a file that is not a socket") != std::string::npos);
}

TEST_CASE("a socket that a crash left is replaced") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  leave_stale_socket(path);
  REQUIRE(std::filesystem::is_socket(path));
  FakeSource source;
  const RunningServer server{source, {path, ""}};
  CHECK(http_request(path, "GET", "/healthz").status == 200);
}

TEST_CASE("a socket on which another program listens is refused and keeps working") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  Listener other = Listener::unix_socket(path);
  CHECK(listen_error(path) ==
        "status socket " + path + ": another program answers on it: end that one, or set another status_socket.path");
  other.accept();  // that was the question whether somebody listens
  const Socket client = Socket::connect_unix(path);
  other.accept();
}

TEST_CASE("a second holdfast on the same path is refused, and the first goes on") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  FakeSource source;
  const RunningServer first{source, {path, ""}};
  CHECK(listen_error(path) == "status socket " + path +
                                  ": another holdfast already runs with it: end that one, or set another "
                                  "status_socket.path");
  CHECK(http_request(path, "GET", "/healthz").status == 200);
}

TEST_CASE("of two that start at once exactly one gets the socket") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  FakeSource source;
  boost::asio::io_context loop;
  for (int round = 0; round < 300; ++round) {
    std::atomic<int> ready = 0;
    std::optional<tl::expected<status::Server, std::string>> servers[2];
    const auto start = [&](std::size_t which) {
      ++ready;
      while (ready < 2) {
      }
      servers[which].emplace(status::Server::listen(loop.get_executor(), {path, ""}, status::Role::status, source));
    };
    std::thread other{start, 1};
    start(0);
    other.join();
    const bool one = servers[0]->has_value() != servers[1]->has_value();
    REQUIRE(one);
    REQUIRE_NOTHROW(Socket::connect_unix(path));
  }
}

TEST_CASE("in the end only our own file is removed") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  {
    FakeSource source;
    const RunningServer server{source, {path, ""}};
    std::filesystem::rename(path, directory / "moved.sock");
    write_file(path, "somebody else's");
  }
  CHECK(read_file(path) == "somebody else's");
  CHECK(std::filesystem::exists(directory / "moved.sock"));
}

TEST_CASE("a server that was moved still answers and cleans up once") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  FakeSource source;
  boost::asio::io_context loop;
  auto first = status::Server::listen(loop.get_executor(), {path, ""}, status::Role::status, source);
  REQUIRE(first.has_value());
  {
    const status::Server second = std::move(*first);
    CHECK(std::filesystem::exists(path));
  }
  CHECK_FALSE(std::filesystem::exists(path));
}
