#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::array kept{"PATH=", "HOME=", "USER=", "LOGNAME=", "TMPDIR=", "LD_LIBRARY_PATH=", "HOLDFAST_"};

/// A test does not depend on what it is started from: of the environment it sees what no program can do without, and
/// what is meant for it. An agent's socket, a locale, a proxy, or what systemd tells its services would be heard by the
/// programs that it runs.
struct CleanStart {
  CleanStart() {
    ::umask(022);
    std::vector<std::string> lines;
    for (char** line = environ; *line != nullptr; ++line) {
      const std::string_view text = *line;
      const bool known = std::any_of(kept.begin(), kept.end(), [&](auto name) { return text.starts_with(name); });
      if (known || text.find("SAN_OPTIONS=") != std::string_view::npos) lines.emplace_back(text);
    }
    ::clearenv();
    for (const std::string& line : lines) {
      const std::size_t end = line.find('=');
      ::setenv(line.substr(0, end).c_str(), line.c_str() + end + 1, 1);
    }
  }
} const clean_start;

}  // namespace
