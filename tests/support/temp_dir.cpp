#include "support/temp_dir.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace holdfast::test {
namespace {

/// Where temporary files go, unless the way there is closed to the other users as which root's tests run relays, or
/// too long for the path of a Unix socket.
std::filesystem::path base() {
  constexpr std::size_t longest = 40;
  const auto chosen = std::filesystem::absolute(std::filesystem::temp_directory_path());
  bool open = chosen.native().size() <= longest;
  for (auto part = chosen; open && part != part.root_path(); part = part.parent_path()) {
    const auto for_others = std::filesystem::status(part).permissions() & std::filesystem::perms::others_exec;
    open = for_others != std::filesystem::perms::none;
  }
  return open ? chosen : "/tmp";
}

}  // namespace

TempDir::TempDir() {
  std::string pattern = (base() / "holdfast-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + pattern);
  }
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::string& path, std::string_view content, unsigned mode) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (!file || ::chmod(path.c_str(), mode) != 0) {
    throw std::runtime_error("cannot write " + path);
  }
}

void replace_file(const std::string& path, std::string_view content, unsigned mode) {
  write_file(path + ".new", content, mode);
  std::filesystem::rename(path + ".new", path);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw std::runtime_error("cannot read " + path);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace holdfast::test
