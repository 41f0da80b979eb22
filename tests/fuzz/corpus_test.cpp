#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "fuzz/fuzz.hpp"

using namespace holdfast::fuzz;

namespace {

/// Of exactly its size, so that a read behind it is seen.
std::vector<char> content_of(const std::filesystem::path& path) {
  std::vector<char> content(std::filesystem::file_size(path));
  std::ifstream(path, std::ios::binary).read(content.data(), static_cast<std::streamsize>(content.size()));
  return content;
}

}  // namespace

TEST_CASE("no input of the corpus breaks a promise") {
  REQUIRE_FALSE(harnesses().empty());
  for (const Harness* harness : harnesses()) {
    int inputs = 0;
    harness->run({});
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(CORPUS) / harness->name())) {
      CAPTURE(entry.path());
      const std::vector<char> content = content_of(entry.path());
      harness->run({content.data(), content.size()});
      ++inputs;
    }
    CAPTURE(harness->name());
    CHECK(inputs > 0);
  }
}
