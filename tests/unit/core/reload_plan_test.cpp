#include "holdfast/reload_plan.hpp"

#include <doctest/doctest.h>

using namespace holdfast;

namespace {

TunnelSpec tunnel(const std::string& name, const std::string& host) {
  TunnelSpec spec;
  spec.name = name;
  spec.host_name = host;
  return spec;
}

}  // namespace

TEST_CASE("a reload touches only what differs") {
  const Config running{{tunnel("a", "1"), tunnel("b", "2"), tunnel("c", "3")}, {}};
  const Config next{{tunnel("d", "4"), tunnel("c", "33"), tunnel("a", "1")}, {}};
  CHECK(plan_reload(running, next) == ReloadPlan{{"d"}, {"c"}, {"b"}, {}});
  CHECK(plan_reload(running, running) == ReloadPlan{});
}

TEST_CASE("a new status socket is named as what only a restart changes") {
  Config next;
  next.status_socket.path = "/elsewhere";
  CHECK(plan_reload({}, next).needs_restart == std::vector<std::string>{"status_socket"});
}

TEST_CASE("each setting beside the tunnels is taken over or named as what only a restart changes") {
  Config next;
  next.status_socket.group = "operators";
  next.watchdog = WatchdogMode::verified;
  CHECK(plan_reload({}, next).needs_restart == std::vector<std::string>{"status_socket"});

  Config running{{tunnel("a", "1")}, {}};
  take_settings(running, next);
  CHECK(running == Config{{tunnel("a", "1")}, {}, WatchdogMode::verified});
}
