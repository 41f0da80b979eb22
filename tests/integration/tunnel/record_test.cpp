#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "record/recording.hpp"
#include "scenario.hpp"
#include "simulation/replay.hpp"
#include "support/keys.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

/// What adds the option behind the fixture's own.
std::vector<std::string> recording_to(const std::string& path) {
  return {"sh", "-c", "exec \"$@\" --record '" + path + "'", "sh"};
}

record::Recording recorded(const std::string& path) {
  auto recording = record::parse(read_file(path));
  REQUIRE_MESSAGE(recording, recording.error());
  return std::move(*recording);
}

std::size_t how_often(const record::RecordedTunnel& tunnel, const std::string& action) {
  return static_cast<std::size_t>(
      std::count_if(tunnel.steps.begin(), tunnel.steps.end(),
                    [&](const record::RecordedStep& step) { return step.actions.find(action) != std::string::npos; }));
}

/// A difference, or a broken promise; empty if there is none.
std::string replayed(const record::RecordedTunnel& tunnel) {
  const simulation::Replayed replayed = simulation::replay(tunnel);
  if (const auto& differs = replayed.differs)
    return std::to_string(differs->line) + ": " + differs->recorded + " <> " + differs->now;
  return replayed.broken ? replayed.broken->what : "";
}

}  // namespace

TEST_CASE("what the daemon decided through a cut is decided again, step by step, by a replay of its recording") {
  const TempDir folder;
  const std::string path = folder / "recording";
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  {
    const Holdfast holdfast(
        {test::Tunnel::to(relay).set("verify_interval", "1h").forward(to_local(port, target.port()))}, {},
        recording_to(path));
    REQUIRE(holdfast.wait_for_up());
    relay.kill_sessions();
    REQUIRE(holdfast.wait_for([](const Json& now) { return now["sessions_established"] == 2 && now["up"] == true; }));
    CHECK(echoes(port));
  }
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777U) == 0600U);
  const std::string text = read_file(path);
  std::istringstream key{read_file(client_key())};
  for (std::string line; std::getline(key, line);) CHECK(text.find(line) == std::string::npos);
  CHECK(text.find("hello") == std::string::npos);  // what went through
  const record::Recording recording = recorded(path);
  CHECK(recording.end == "stopped");
  CHECK(recording.lost == 0);
  REQUIRE(recording.tunnels.size() == 1);
  const record::RecordedTunnel& tunnel = recording.tunnels[0];
  CHECK(tunnel.name == "relay");
  CHECK(how_often(tunnel, "OpenSession") == 2);
  CHECK(how_often(tunnel, "what=SessionStands") == 2);
  CHECK(how_often(tunnel, "cause=connection_lost") >= 1);
  CHECK(tunnel.steps.back().state.starts_with("stopped"));
  CHECK(replayed(tunnel) == "");
}

TEST_CASE("each configuration of a tunnel is recorded, and replays by itself") {
  const TempDir folder;
  const std::string path = folder / "recording";
  Sshd relay;
  const TargetServer target(echo());
  test::Tunnel tunnel = test::Tunnel::to(relay).forward(to_local(free_port(), target.port()));
  {
    const Holdfast holdfast({tunnel}, {}, recording_to(path));
    REQUIRE(holdfast.wait_for_up());
    holdfast.write_config({tunnel.set("drain_timeout", "1")});
    REQUIRE(holdfast.command({"reload"}).status == success);
    REQUIRE(holdfast.wait_for([](const Json& now) { return now["change"].is_null() && now["up"] == true; }));
  }
  const record::Recording recording = recorded(path);
  REQUIRE(recording.tunnels.size() == 2);
  CHECK(recording.tunnels[1].spec.drain_timeout == 1s);
  for (const record::RecordedTunnel& each : recording.tunnels) CHECK(replayed(each) == "");
}

TEST_CASE("a disk that hangs costs the tunnels nothing, and has the recording once it answers again") {
  const TempDir disk, other;
  write_file(other / "hung", "");
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  {
    const Holdfast holdfast({test::Tunnel::to(relay).forward(to_local(port, target.port()))},
                            {{"LD_PRELOAD", HUNG_DISK},
                             {"ASAN_OPTIONS", "verify_asan_link_order=0"},
                             {"HUNG_DISK", disk.path()},
                             {"HUNG_DISK_WHILE", other / "hung"}},
                            recording_to(disk / "recording"));
    REQUIRE(holdfast.wait_for_up());
    CHECK(echoes(port));
    CHECK_FALSE(std::filesystem::exists(disk / "recording"));
    std::filesystem::remove(other / "hung");
  }
  const record::Recording recording = recorded(disk / "recording");
  CHECK(recording.lost == 0);
  CHECK(recording.end == "stopped");
  CHECK(replayed(recording.tunnels.at(0)) == "");
}

TEST_CASE("tunnels are held all the same where nothing can be recorded, and the log says why") {
  const TempDir folder;
  write_file(folder / "recording", "mine");
  Sshd relay;
  const TargetServer target(echo());
  const Holdfast holdfast({test::Tunnel::to(relay).forward(to_local(free_port(), target.port()))}, {},
                          recording_to(folder / "recording"));
  REQUIRE(holdfast.wait_for_up());
  CHECK(holdfast.says("File exists; move it away, or name another one; the tunnels go on without"));
  CHECK(read_file(folder / "recording") == "mine");
}
