#pragma once

#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "config/load.hpp"

namespace holdfast::config {

/// Every file is there and as it should be, unless `files` says otherwise.
class FakeFiles final : public Files {
 public:
  Kind private_key(const std::string& path) const override { return kind(path); }
  Kind readable_file(const std::string& path) const override { return kind(path); }
  std::optional<std::string> credentials_directory() const override { return credentials; }
  std::string congestion_controls() const override { return kernel_has; }

  std::map<std::string, Kind> files;
  std::optional<std::string> credentials;
  std::string kernel_has;

 private:
  Kind kind(const std::string& path) const {
    const auto known = files.find(path);
    return known == files.end() ? Kind::good : known->second;
  }
};

/// parse(), of which schema.py gets to know: each text as HOLDFAST_EXAMPLES/N.yaml, what is wrong with it as
/// N.problems.
inline tl::expected<Loaded, Problems> examined(std::string_view text, const Files& files = FakeFiles{}) {
  auto loaded = parse(text, "h.yaml", files);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it
  if (const char* const folder = std::getenv("HOLDFAST_EXAMPLES")) {
    static int number = 0;
    const std::string path = std::string(folder) + "/" + std::to_string(++number);
    std::ofstream(path + ".yaml") << text;
    std::ofstream problems(path + ".problems");
    if (!loaded)
      for (const Problem& problem : loaded.error()) problems << to_string(problem) << '\n';
  }
  return loaded;
}

/// What parse() says about the text as "h.yaml": one line a problem, empty if there is none.
inline std::string problems_of(std::string_view text, const Files& files = FakeFiles{}) {
  const auto loaded = examined(text, files);
  std::string lines;
  if (!loaded)
    for (const Problem& problem : loaded.error()) lines += to_string(problem) + "\n";
  return lines;
}

}  // namespace holdfast::config
