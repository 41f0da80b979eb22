#include "scene.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace holdfast::test {
namespace {

/// "VmHWM:" of /proc/PID/status.
long kilobytes(pid_t pid, const std::string& name) {
  const std::string status = read_file("/proc/" + std::to_string(pid) + "/status");
  return std::atol(status.c_str() + status.find(name) + name.size());
}

/// Of user and system together.
std::chrono::milliseconds cpu_time_of(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  long user = 0;
  long system = 0;
  fields >> user >> system;
  return std::chrono::milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
}

Tunnel hostile_tunnel(const ScriptedRelay& relay, std::uint16_t target_port, const Scene::Change& change) {
  Tunnel tunnel = Tunnel::to(relay, "hostile");
  if (change) change(tunnel);
  if (tunnel.forwards.empty()) tunnel.forward(to_local(free_port(), target_port));
  return tunnel;
}

/// AddressSanitizer keeps what was freed, to find who uses it still: here not much of it.
std::map<std::string, std::string> environment() {
  return {{"ASAN_OPTIONS", "quarantine_size_mb=1"}};
}

}  // namespace

Scene::Scene(ScriptedRelay::Script script, const Change& change, RelayOptions options)
    : target_(greet_then_echo("hello\n")),
      hostile_(
          [this, script = std::move(script)](RelaySession& session) {
            if (wait_until([this] { return begun_.load(); })) script(session);
          },
          std::move(options)),
      bystander_tunnel_(Tunnel::to(bystander_, "bystander").forward(to_local(free_port(), target_.port()))),
      holdfast_({hostile_tunnel(hostile_, target_.port(), change), bystander_tunnel_}, environment()) {
  REQUIRE(holdfast_.wait_for_up("bystander"));
  // VmHWM becomes VmRSS, unless only root may ask for it.
  std::ofstream("/proc/" + std::to_string(holdfast_.pid()) + "/clear_refs") << 5;
  before_ = {kilobytes(holdfast_.pid(), "VmHWM:"), cpu_time_of(holdfast_.pid())};
  begun_ = true;
}

void Scene::remove_hostile() {
  holdfast_.write_config({bystander_tunnel_});
  holdfast_.signal(SIGHUP);
}

Cost Scene::cost() const {
  return {kilobytes(holdfast_.pid(), "VmHWM:") - before_.kilobytes, cpu_time_of(holdfast_.pid()) - before_.cpu_time};
}

void Scene::check_cost(Cost most) const {
  constexpr int sanitizers_cost = sanitized ? 3 : 1;
  const Cost spent = cost();
  MESSAGE("it cost ", spent.kilobytes, " KB and ", spent.cpu_time.count(), " ms of CPU time");
  CHECK(spent.kilobytes < sanitizers_cost * most.kilobytes);
  CHECK(spent.cpu_time < sanitizers_cost * most.cpu_time);
  const Json bystander = holdfast_.tunnel("bystander");
  CHECK(bystander["up"] == true);
  CHECK(bystander["sessions_established"] == 1);
}

}  // namespace holdfast::test
