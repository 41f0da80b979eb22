#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace holdfast::test {

/// A fresh directory of mode 0700, removed with all that is in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// The path of a file in it, whether it exists or not.
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

void write_file(const std::string& path, std::string_view content, unsigned mode = 0600);
/// As write_file, but who reads it meanwhile reads all of the old file or all of the new one.
void replace_file(const std::string& path, std::string_view content, unsigned mode = 0600);
std::string read_file(const std::string& path);

}  // namespace holdfast::test
