#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "config/load.hpp"

using namespace holdfast::config;
using Kind = Files::Kind;

namespace {

/// A directory of its own, gone with the test.
struct TemporaryDirectory {
  TemporaryDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "holdfast-config-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string write(const char* name, const std::string& text, ::mode_t mode) const {
    std::string file = path / name;
    std::ofstream(file) << text;
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    return file;
  }

  std::filesystem::path path;
};

}  // namespace

TEST_CASE("a private key is good only while nobody else may read it") {
  const TemporaryDirectory directory;
  const std::string key = directory.write("key", "", 0600);
  CHECK(system_files().private_key(key) == Kind::good);
  for (const ::mode_t mode : {0640U, 0604U, 0644U, 0660U}) {
    directory.write("key", "", mode);
    CHECK(system_files().private_key(key) == Kind::exposed);
    CHECK(system_files().readable_file(key) == Kind::good);
  }
  CHECK(system_files().private_key(directory.path / "nothing") == Kind::missing);
  CHECK(system_files().private_key(key + "/below") == Kind::missing);
  CHECK(system_files().private_key(directory.path) == Kind::not_a_file);
  CHECK(system_files().private_key("/dev/null") == Kind::not_a_file);
}

TEST_CASE("credentials are the service's own; from outside they are believed in, with a warning") {
  REQUIRE(::unsetenv("CREDENTIALS_DIRECTORY") == 0);
  const std::string text =
      "tunnels: {a: {host_name: h, user: u, identity_file: \"${CREDENTIALS_DIRECTORY}/key\", remote_forward: "
      "2000:h:1}}";
  CHECK_FALSE(parse(text, "h.yaml", system_files()));
  const auto outside = parse(text, "h.yaml", files_outside_service());
  REQUIRE(outside);
  REQUIRE(outside->warnings.size() == 1);
  CHECK(
      to_string(outside->warnings[0]) ==
      "h.yaml:1:53: tunnels.a.identity_file: private key '/run/credentials/holdfast.service/key' is not checked: only "
      "the service sees its credentials");

  const TemporaryDirectory directory;
  directory.write("key", "", 0600);
  REQUIRE(::setenv("CREDENTIALS_DIRECTORY", directory.path.c_str(), 1) == 0);
  for (const Files* const files : {&system_files(), &files_outside_service()}) {
    const auto checked = parse(text, "h.yaml", *files);
    REQUIRE(checked);
    CHECK(checked->config.tunnels[0].identity_file == std::vector<std::string>{directory.path / "key"});
    CHECK(checked->warnings.empty());
  }
  REQUIRE(::unsetenv("CREDENTIALS_DIRECTORY") == 0);
}

TEST_CASE("what the kernel has of congestion controls is looked at from outside, and tried by the service") {
  CHECK(system_files().congestion_controls().empty());
  const std::string names = files_outside_service().congestion_controls();
  CHECK((" " + names + " ").find(" reno ") != std::string::npos);  // built in always
}

TEST_CASE("a file is loaded as it is parsed, and says why it can't be") {
  const TemporaryDirectory directory;
  const std::string key = directory.write("key", "", 0600);
  const std::string file = directory.write("holdfast.yaml",
                                           "tunnels:\n  relay:\n    host_name: relay.example\n    user: device\n"
                                           "    remote_forward: 4649:localhost:22\n    identity_file: " +
                                               key + "\n",
                                           0644);
  const auto loaded = load(file);
  REQUIRE(loaded);
  CHECK(loaded->config.tunnels.at(0).identity_file == std::vector{key});
  CHECK(load(file)->warnings.empty());

  const auto only_problem = [](const std::string& path) {
    const auto failed = load(path);
    REQUIRE_FALSE(failed);
    REQUIRE(failed.error().size() == 1);
    return to_string(failed.error()[0]);
  };
  directory.write("key", "", 0644);
  CHECK(only_problem(file) ==
        file + ":6:20: tunnels.relay.identity_file: private key '" + key + "' can be read by others; chmod 600 it");
  const std::string missing = directory.path / "nothing";
  CHECK(only_problem(missing) == missing + ": can't be read: No such file or directory");
  CHECK(only_problem(directory.path) == directory.path.string() + ": can't be read: Is a directory");
  CHECK(only_problem("/dev/zero") == "/dev/zero: larger than 256 KiB");
}

TEST_CASE("a configuration may come through a pipe, as from a shell's <(...)") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const std::string text = "tunnels: 7\n";
  REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  const std::string path = "/dev/fd/" + std::to_string(ends[0]);
  const auto loaded = load(path);
  ::close(ends[0]);
  REQUIRE_FALSE(loaded);
  CHECK(to_string(loaded.error().at(0)).starts_with(path + ":1:10: tunnels: "));
}
