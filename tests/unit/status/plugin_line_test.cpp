#include "status/plugin_line.hpp"

#include <doctest/doctest.h>

#include "unit/status/example.hpp"

using namespace holdfast;

TEST_CASE("the monitoring line has the verdict, the summary and the performance data") {
  Report report = test::example_report();
  CHECK(
      status::plugin_line(report) ==
      "HOLDFAST CRITICAL - 1 of 2 tunnels up; backup: down for 4 min 0 s: TCP RST to our SYN: nobody listens, or a "
      "firewall rejects; backing off, next try in 12 s (connect to backup.example:2222: connection refused), with the "
      "former configuration; the changed one can't come up: connect to "
      "backup.example:2223: connection timed out; the last reload was refused | 'tunnels_up'=1;;;0;2 "
      "'relay_connections'=2;;;0 "
      "'relay_received'=1234567c "
      "'relay_sent'=999c 'relay_rtt'=0.031234s;;;0 'backup_connections'=0;;;0 'backup_received'=0c 'backup_sent'=0c");
  report.tunnels.pop_back();
  CHECK(status::plugin_line(report).starts_with("HOLDFAST WARNING - 1 of 1 tunnel up; the last reload was refused | "));
  report.last_reload_error.reset();
  CHECK(status::plugin_line(report).starts_with("HOLDFAST OK - 1 of 1 tunnel up | 'tunnels_up'=1;;;0;1 "));
  CHECK(status::plugin_line(Report{}) == "HOLDFAST UNKNOWN - no tunnels configured | 'tunnels_up'=0;;;0;0");
}

TEST_CASE("text from outside can't forge performance data or a second line") {
  CHECK(status::plugin_line(Health::critical, "a|b=1\nc\rd") == "HOLDFAST CRITICAL - a/b=1 c d");
  Report report = test::example_report();
  report.tunnels.at(0).name = "it's=1";
  CHECK(status::plugin_line(report).find(" 'it_s_1_sent'=999c") != std::string::npos);
}

TEST_CASE("the exit status is the Monitoring Plugins'") {
  CHECK(status::plugin_exit_status(Health::ok) == 0);
  CHECK(status::plugin_exit_status(Health::warning) == 1);
  CHECK(status::plugin_exit_status(Health::critical) == 2);
  CHECK(status::plugin_exit_status(Health::unknown) == 3);
}
