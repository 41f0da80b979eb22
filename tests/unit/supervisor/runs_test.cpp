#include "supervisor/runs.hpp"

#include <doctest/doctest.h>

#include "relay/lease_protocol.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::supervisor;
using holdfast::test::read_file;
using holdfast::test::TempDir;
using holdfast::test::write_file;

namespace {

using Numbers = std::vector<std::uint32_t>;

struct State {
  Runs start(std::uint32_t random, const std::vector<std::string>& beside = {}) {
    return begin_run(dir / "runs", beside, random, [this](const std::string& line) { said.push_back(line); });
  }

  TempDir dir;
  std::vector<std::string> said;
};

}  // namespace

TEST_CASE("a device remembers its last runs, the newest first") {
  State state;
  CHECK(state.start(10).numbers == Numbers{11});
  const Runs second = state.start(20);
  CHECK(second.numbers == Numbers{21, 11});
  CHECK(second.kept);
  for (std::uint32_t run = 30; run < 40; ++run) CHECK(state.start(run).kept);
  const Numbers last = state.start(40).numbers;
  CHECK(last.size() == relay::max_runs);
  CHECK(last.front() == 41);
  CHECK(last.back() == 34);
  CHECK(read_file(state.dir / "runs") == format_runs(last));
  CHECK(state.said.empty());
}

TEST_CASE("any random number makes a run that can be said to the relay") {
  State state;
  for (const std::uint32_t random : {0U, relay::max_run - 1, relay::max_run, 4294967295U}) {
    const Numbers numbers = state.start(random).numbers;
    CHECK((numbers.front() >= 1 && numbers.front() <= relay::max_run));
  }
}

TEST_CASE("the runs of the device's other processes are its own, and stay in their files") {
  State state;
  write_file(state.dir / "other", "7\n8\n", 0644);
  CHECK(state.start(10, {state.dir / "other", state.dir / "none"}).numbers == Numbers{11, 7, 8});
  CHECK(read_file(state.dir / "runs") == "11\n");
  CHECK(read_file(state.dir / "other") == "7\n8\n");
}

TEST_CASE("a file that holds no runs is replaced, and said") {
  for (const char* const text : {"x\n", "0\n", "1", "1\n\n", "01\n", "-1\n", "1000000000\n", "99999999999999999999\n",
                                 "1\n2\n3\n4\n5\n6\n7\n8\n9\n"}) {
    CAPTURE(text);
    State state;
    write_file(state.dir / "runs", text, 0644);
    CHECK(state.start(10).numbers == Numbers{11});
    CHECK(state.said.size() == 1);
    CHECK(read_file(state.dir / "runs") == "11\n");
  }
}

TEST_CASE("where no file can be kept, that is said") {
  std::vector<std::string> said;
  const Runs runs = begin_run("/nonexistent/runs", {}, 10, [&](const std::string& line) { said.push_back(line); });
  CHECK(runs.numbers == Numbers{11});
  CHECK_FALSE(runs.kept);
  CHECK(said.size() == 1);
}
