#include <doctest/doctest.h>

#include <filesystem>
#include <set>
#include <string>

#include "support/process.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast::test;

TEST_CASE("the stories of docs/diagnosis.md have the output that the command prints") {
  const std::string page = read_file(SOURCE "/docs/diagnosis.md");
  const std::string command = "```\n$ holdfast doctor --findings ";
  std::set<std::string> told;
  for (auto at = page.find(command); at != std::string::npos; at = page.find(command, at + 1)) {
    const auto begin = at + command.size();
    const auto end_of_file = page.find('\n', begin);
    const auto end = page.find("```", end_of_file);
    REQUIRE(end != std::string::npos);
    const std::string file = page.substr(begin, end_of_file - begin);
    CAPTURE(file);
    const Finished seen = run({.argv = {"sh", "-c", "cd \"$1\" && exec \"$2\" doctor --findings \"$3\"", "sh", SOURCE,
                                        HOLDFAST_BINARY, file}});
    CHECK(seen.errors.empty());
    CHECK(seen.status.code == 2);
    CHECK(page.substr(end_of_file + 1, end - end_of_file - 1) == seen.output);
    told.insert(file);
  }
  std::set<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(SOURCE "/tests/stories"))
    there.insert("tests/stories/" + entry.path().filename().string());
  CHECK(told == there);
  CHECK(told.size() == 5);  // the first story is seen from both sides
}
