#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <list>

#include "setup/words.hpp"
#include "support/process.hpp"
#include "support/skip.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

const PublicKey key{"ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIIk0"};
const RemoteForward forward{"localhost", 4649, TcpTarget{"localhost", 22}};
const std::string line = setup::authorized_keys_line({forward}, key, "device") + "\n";

/// An account on a relay, without the relay.
struct Home {
  TempDir dir;
  std::string file = dir / ".ssh/authorized_keys";

  void has(const std::string& text, unsigned mode = 0600) const {
    std::filesystem::create_directories(dir / ".ssh");
    write_file(file, text, mode);
  }
  std::string install(const std::string& login_shell = "/bin/sh") const {
    return run_checked({.argv = {login_shell, "-c", "exec sh -s"},
                        .env = {{"HOME", dir.path()}},
                        .input = setup::install_script({forward}, key, "device")});
  }
};

const std::string added = "holdfast-init: added\n";
const std::string there = "holdfast-init: there\n";

}  // namespace

TEST_CASE("the relay's script makes what is missing, for the account alone") {
  const Home home;
  CHECK(home.install() == added);
  CHECK(read_file(home.file) == line);
  struct stat found {};
  REQUIRE(::stat(home.file.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777U) == 0600);
  REQUIRE(::stat((home.dir / ".ssh").c_str(), &found) == 0);
  CHECK((found.st_mode & 0777U) == 0700);
  CHECK(home.install() == there);
  CHECK(read_file(home.file) == line);
}

TEST_CASE("the relay's script keeps what stands there, and its mode") {
  const Home home;
  home.has("# a comment with " + key.base64 + "\nssh-ed25519 AAAAother me", 0640);
  CHECK(home.install() == added);
  CHECK(read_file(home.file) == "# a comment with " + key.base64 + "\nssh-ed25519 AAAAother me\n" + line);
  struct stat found {};
  REQUIRE(::stat(home.file.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777U) == 0640);
  const auto files = std::filesystem::directory_iterator{home.dir / ".ssh"};
  CHECK(std::distance(files, std::filesystem::directory_iterator{}) == 1);
}

TEST_CASE("the relay's script changes no line that has the key already") {
  const Home home;
  const std::string others = "restrict,command=\"exec /bin/sh x\" ssh-ed25519 " + key.base64 + " device\n";
  home.has(others);
  CHECK(home.install() == "holdfast-init: differs " + others);
  CHECK(read_file(home.file) == others);
  home.has(others + line);  // of which sshd takes the first
  CHECK(home.install() == "holdfast-init: differs " + others);
  home.has(setup::authorized_keys_line({forward}, key, "another-comment") + "\n");
  CHECK(home.install() == there);
}

TEST_CASE("the relay's script follows a link, and says what it can't do") {
  const Home home;
  home.has("");
  std::filesystem::rename(home.file, home.dir / "keys");
  std::filesystem::create_symlink(home.dir / "keys", home.file);
  CHECK(home.install() == added);
  CHECK(std::filesystem::is_symlink(home.file));
  CHECK(read_file(home.dir / "keys") == line);
  const Home broken;
  write_file(broken.dir / ".ssh", "no folder");
  CHECK(broken.install() == "holdfast-init: failed the home directory can not be written\n");
}

TEST_CASE("devices that put their keys there at the same time lose none") {
  if (!run({{"sh", "-c", "command -v flock"}}).output.starts_with('/')) return skipped("there is no flock");
  const Home home;
  std::list<Process> devices;
  constexpr int count = 20;
  for (int i = 0; i < count; ++i) {
    const PublicKey own{"ssh-ed25519", "AAAA-" + std::to_string(i) + "-"};
    devices.emplace_back(Command{.argv = {"sh", "-s"},
                                 .env = {{"HOME", home.dir.path()}},
                                 .input = setup::install_script({forward}, own, "device")});
  }
  for (Process& device : devices) {
    CHECK(device.wait() == success);
    CHECK(device.output() == added);
  }
  const std::string text = read_file(home.file);
  CHECK(std::count(text.begin(), text.end(), '\n') == count);
}

TEST_CASE("the relay's script runs below every login shell") {
  for (const std::string shell :
       {"/bin/dash", "/bin/bash", "/bin/zsh", "/bin/ksh", "/bin/mksh", "/usr/bin/fish", "/bin/csh", "/bin/tcsh"}) {
    CAPTURE(shell);
    if (!std::filesystem::exists(shell)) {
      skipped("there is no " + shell);
      continue;
    }
    const Home home;
    CHECK(home.install(shell) == added);
    CHECK(read_file(home.file) == line);
  }
}
