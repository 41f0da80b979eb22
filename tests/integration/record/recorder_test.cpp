#include "record/recorder.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <future>

#include "record/recording.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

TunnelSpec spec() {
  TunnelSpec spec;
  spec.name = "relay";
  spec.host_name = "relay.example";
  spec.user = "device";
  spec.identity_file = {"/key"};
  spec.user_known_hosts_file = "/known";
  spec.remote_forward.push_back({"localhost", 4649, TcpTarget{"localhost", 22}});
  return spec;
}

/// What was told, and a tunnel whose steps are recorded.
struct Scene {
  explicit Scene(record::Sink sink, record::Limits limits = {})
      : recorder(std::make_shared<record::Recorder>(
            std::move(sink), "it", "by a test", [this](const std::string& text) { told += text + "\n"; }, limits)),
        steps(recorder, spec()) {}

  void step(int count) {
    for (; count > 0; --count) {
      now += 1s;
      state = steps.step(spec(), std::move(state), ReconnectRequested{}, now, [] { return 0.5; }).next;
    }
  }

  std::string told;
  std::shared_ptr<record::Recorder> recorder;
  record::StepRecorder steps;
  TunnelState state;
  TimePoint now{1h};
};

record::Recording parsed(const std::string& text) {
  auto recording = record::parse(text);
  REQUIRE_MESSAGE(recording, recording.error());
  return std::move(*recording);
}

}  // namespace

TEST_CASE("all steps come to a file that only its owner can read") {
  const TempDir folder;
  const std::string path = folder / "recording";
  Scene scene{record::new_file(path)};
  scene.step(1000);
  scene.recorder->end("stopped");
  scene.step(1);
  REQUIRE(scene.recorder->flush(20s));
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777U) == 0600U);
  const record::Recording recording = parsed(read_file(path));
  CHECK(recording.tunnels.at(0).steps.size() == 1000);
  CHECK(recording.lost == 0);
  CHECK(recording.end == "stopped");
  CHECK(scene.told.empty());
}

TEST_CASE("a file that is there is left alone, which is told once, and nothing waits for it") {
  const TempDir folder;
  const std::string path = folder / "recording";
  write_file(path, "mine");
  Scene scene{record::new_file(path)};
  REQUIRE(scene.recorder->flush(20s));
  scene.step(2);
  CHECK(read_file(path) == "mine");
  CHECK(scene.told ==
        "can't write the recording it: File exists; move it away, or name another one; the tunnels go on without\n");
}

TEST_CASE("a disk that hangs is not waited for, what did not fit is counted, and the recording says so") {
  const auto hangs = std::make_shared<std::promise<void>>();
  const auto asked = std::make_shared<std::promise<void>>();
  const auto text = std::make_shared<std::string>();
  Scene scene{[text, asked, hung = hangs->get_future().share()](std::string_view lines) {
                if (text->empty()) asked->set_value();
                hung.wait();
                *text += lines;
                return 0;
              },
              {.waiting = 4096}};
  asked->get_future().wait();
  scene.step(1000);
  CHECK_FALSE(scene.recorder->flush(0ms));
  hangs->set_value();
  REQUIRE(scene.recorder->flush(20s));
  scene.step(1);
  scene.recorder->end("stopped");
  REQUIRE(scene.recorder->flush(20s));
  const record::Recording recording = parsed(*text);
  CHECK(recording.tunnels.at(0).steps.size() > 10);
  CHECK(recording.tunnels.at(0).steps.size() + recording.lost == 1000);
  CHECK(recording.end == "stopped");
  const std::size_t lost = text->find("\nlost ");
  CHECK(text->find("\nlost ", lost + 1) == text->npos);
  CHECK(text->find("\nend ") > lost);
}

TEST_CASE("a file that has its full size ends with the reason, which is told once") {
  const auto text = std::make_shared<std::string>();
  Scene scene{[text](std::string_view lines) {
                *text += lines;
                return 0;
              },
              {.file = std::size_t{1} << 20U}};
  scene.step(100'000);
  REQUIRE(scene.recorder->flush(20s));
  CHECK(text->size() > std::size_t{1} << 20U);
  CHECK(text->size() < (std::size_t{1} << 20U) + 1024);
  CHECK(text->ends_with("\nend the file has its full size of 1 MiB\n"));
  CHECK(scene.told == "the recording it has its full size and ends here\n");
}

TEST_CASE("a disk that is full ends the recording, which is told once") {
  int written = 0;
  Scene scene{[&](std::string_view) { return ++written > 1 ? ENOSPC : 0; }};
  REQUIRE(scene.recorder->flush(20s));
  for (int n = 0; n < 5; ++n) {
    scene.step(1);
    REQUIRE(scene.recorder->flush(20s));
  }
  CHECK(written == 2);
  CHECK(scene.told == "can't write the recording it: No space left on device; the tunnels go on without\n");
}

TEST_CASE("a disk that fails at the last lines is told of when they are waited for") {
  Scene scene{[](std::string_view lines) { return lines.find("end stopped") == lines.npos ? 0 : EIO; }};
  scene.step(1);
  REQUIRE(scene.recorder->flush(20s));
  scene.recorder->end("stopped");
  REQUIRE(scene.recorder->flush(20s));
  REQUIRE(scene.recorder->flush(20s));
  CHECK(scene.told == "can't write the recording it: Input/output error; the tunnels go on without\n");
}

TEST_CASE("what waits for a disk that hangs has the file's bound, whatever is to be written") {
  const auto hangs = std::make_shared<std::promise<void>>();
  const auto written = std::make_shared<std::size_t>(0);
  Scene scene{[written, hung = hangs->get_future().share()](std::string_view lines) {
                hung.wait();
                *written += lines.size();
                return 0;
              },
              {.file = std::size_t{64} << 10U}};
  for (int reloads = 0; reloads < 1000; ++reloads) scene.recorder->add_tunnel(spec());
  CHECK(scene.told == "the recording it has its full size and ends here\n");
  hangs->set_value();
  REQUIRE(scene.recorder->flush(20s));
  CHECK(*written < std::size_t{66} << 10U);
}
