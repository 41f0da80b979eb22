#include "setup/files.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>

#include "setup/key.hpp"
#include "support/keys.hpp"
#include "support/process.hpp"
#include "support/skip.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

unsigned mode_of(const std::string& path) {
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  return found.st_mode & 0777U;
}

std::size_t files_in(const TempDir& dir) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator{dir.path()}, std::filesystem::directory_iterator{}));
}

/// The number of a process that has ended.
std::string gone_process() {
  std::string number = run_checked({{"sh", "-c", "echo $$"}});
  number.pop_back();
  return number;
}

}  // namespace

TEST_CASE("a file is made whole, with its mode, and never over another one") {
  const TempDir dir;
  const std::string file = dir / "file";
  CHECK(setup::create_file(file, "first", 0644) == true);
  CHECK(test::read_file(file) == "first");
  CHECK(mode_of(file) == 0644);
  CHECK(setup::create_file(file, "second", 0600) == false);
  CHECK(test::read_file(file) == "first");
  CHECK(files_in(dir) == 1);
}

TEST_CASE("what an interruption left beside a file is no obstacle, and a link that leads nowhere is left alone") {
  const TempDir dir;
  write_file(dir / ("file.new." + gone_process()), "half");
  CHECK(setup::create_file(dir / "file", "whole", 0600) == true);
  CHECK(test::read_file(dir / "file") == "whole");
  CHECK(files_in(dir) == 1);
  std::filesystem::create_symlink(dir / "away", dir / "link");
  CHECK(setup::create_file(dir / "link", "text", 0600) == false);
  CHECK_FALSE(std::filesystem::exists(dir / "away"));
  CHECK(files_in(dir) == 2);
}

TEST_CASE("processes that make the same file at the same time make one, and leave what is the others' alone") {
  const TempDir dir;
  write_file(dir / "file.new.1", "another process is at it");
  write_file(dir / "file.new.x", "somebody's own");
  CHECK(setup::create_file(dir / "file", "whole", 0600) == true);
  CHECK(files_in(dir) == 3);
}

TEST_CASE("a file that can't be made names itself and the reason") {
  const TempDir dir;
  CHECK(setup::create_file(dir / "none/file", "", 0600).error() == (dir / "none/file") + ": No such file or directory");
  write_file(dir / "file", "");
  CHECK(setup::create_folder(dir / "file/folder", 0700).error() == (dir / "file") + ": Not a directory");
}

TEST_CASE("a folder is made with all above it") {
  const TempDir dir;
  CHECK(setup::create_folder(dir / "a/b/c", 0700) == true);
  CHECK(setup::create_folder(dir / "a/b/c", 0700) == false);
  CHECK(mode_of(dir / "a/b") == 0700);
}

TEST_CASE("a folder has the mode that it is to have under a strict umask, too") {
  const TempDir dir;
  const mode_t before = ::umask(077);
  const auto made = setup::create_folder(dir / "a/b", 0755);
  ::umask(before);
  CHECK(made == true);
  CHECK(mode_of(dir / "a") == 0755);
  CHECK(mode_of(dir / "a/b") == 0755);
}

TEST_CASE("a unit of a template is enabled where a target wants it, and nowhere else") {
  const TempDir dir;
  CHECK_FALSE(setup::is_enabled(dir / "none", "holdfast@"));
  std::filesystem::create_directories(dir / "multi-user.target.wants");
  std::filesystem::create_directories(dir / "holdfast@relay.service.d");
  write_file(dir / "multi-user.target.wants/holdfast.service", "");
  CHECK_FALSE(setup::is_enabled(dir.path(), "holdfast@"));
  std::filesystem::create_symlink("/lib/systemd/system/holdfast@.service",
                                  dir / "multi-user.target.wants/holdfast@relay.service");
  CHECK(setup::is_enabled(dir.path(), "holdfast@"));
}

TEST_CASE("a key is made once, for nobody else to read, and ssh-keygen reads it") {
  const TempDir dir;
  const std::string file = dir / "id_ed25519";
  const auto made = setup::find_or_make_key(file, "gateway-7");
  REQUIRE(made);
  CHECK(made->made);
  CHECK(mode_of(file) == 0600);
  CHECK(mode_of(file + ".pub") == 0644);
  const std::string line = made->public_half.type + " " + made->public_half.base64;
  CHECK(line.starts_with("ssh-ed25519 AAAA"));
  CHECK(run_checked({{"ssh-keygen", "-y", "-f", file}}) == line + "\n");
  CHECK(test::read_file(file + ".pub") == line + " gateway-7\n");
  CHECK(made->fingerprint == fingerprint(file));

  const std::string text = test::read_file(file);
  std::filesystem::remove(file + ".pub");  // as if it had been interrupted
  const auto found = setup::find_or_make_key(file, "gateway-7");
  REQUIRE(found);
  CHECK_FALSE(found->made);
  CHECK(found->public_half == made->public_half);
  CHECK(test::read_file(file) == text);
  CHECK(test::read_file(file + ".pub") == line + " gateway-7\n");
}

TEST_CASE("the public half of a former key does not stay beside a new one, and one that is wrong is told") {
  const TempDir dir;
  const std::string file = dir / "id_ed25519";
  REQUIRE(setup::find_or_make_key(file, "device"));
  const std::string former = test::read_file(file + ".pub");
  std::filesystem::remove(file);
  const auto made = setup::find_or_make_key(file, "device");
  REQUIRE(made);
  CHECK(made->made);
  CHECK(made->note == file + ".pub was of a former key, and is written anew");
  CHECK(test::read_file(file + ".pub") == run_checked({{"ssh-keygen", "-y", "-f", file}}).substr(0, 80) + " device\n");
  CHECK(setup::find_or_make_key(file, "device")->note.empty());

  write_file(file + ".pub", former);
  const auto found = setup::find_or_make_key(file, "device");
  REQUIRE(found);
  CHECK(found->note == file + ".pub is not of this key: remove it, and the right one is written");
  CHECK(test::read_file(file + ".pub") == former);
}

TEST_CASE("a key with a passphrase, and what is no key, are left alone and named with what to do") {
  const auto locked = setup::find_or_make_key(encrypted_key(), "device");
  REQUIRE_FALSE(locked);
  CHECK(locked.error().find(encrypted_key() + " needs a passphrase") == 0);
  CHECK(locked.error().find("ssh-keygen -p -N '' -f " + encrypted_key()) != std::string::npos);
  const TempDir dir;
  write_file(dir / "key", "no key");
  const auto none = setup::find_or_make_key(dir / "key", "device");
  REQUIRE_FALSE(none);
  CHECK(none.error().find("no private key that libssh can read") != std::string::npos);
  CHECK(test::read_file(dir / "key") == "no key");
}
