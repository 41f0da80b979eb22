#include "status/plugin_line.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>

namespace holdfast::status {
namespace {

std::string_view plugin_word(Health verdict) {
  switch (verdict) {
    case Health::ok:
      return "OK";
    case Health::warning:
      return "WARNING";
    case Health::critical:
      return "CRITICAL";
    case Health::unknown:
      return "UNKNOWN";
  }
  std::abort();
}

/// 'label'=value[unit]: quotes and equals signs may not stand in a label.
std::string metric(std::string label, const std::string& value) {
  std::replace_if(
      label.begin(), label.end(), [](char letter) { return letter == '\'' || letter == '='; }, '_');
  return " '" + label + "'=" + value;
}

std::string performance_data(const Report& report) {
  std::size_t up = 0;
  std::string of_tunnels;
  for (const TunnelReport& tunnel : report.tunnels) {
    if (tunnel.up) ++up;
    std::uint64_t connections = 0;
    for (const ForwardReport& forward : tunnel.forwards) connections += forward.connections;
    of_tunnels += metric(tunnel.name + "_connections", std::to_string(connections) + ";;;0");
    of_tunnels += metric(tunnel.name + "_received", std::to_string(tunnel.bytes_received) + "c");
    of_tunnels += metric(tunnel.name + "_sent", std::to_string(tunnel.bytes_sent) + "c");
    if (tunnel.keepalive_rtt) {
      const double seconds = std::chrono::duration<double>(*tunnel.keepalive_rtt).count();
      of_tunnels += metric(tunnel.name + "_rtt", std::to_string(seconds) + "s;;;0");
    }
  }
  return metric("tunnels_up", std::to_string(up) + ";;;0;" + std::to_string(report.tunnels.size())) + of_tunnels;
}

}  // namespace

std::string plugin_line(Health verdict, const std::string& text) {
  std::string clean = text;
  for (char& letter : clean) {
    if (letter == '|') letter = '/';
    if (letter == '\n' || letter == '\r') letter = ' ';
  }
  return "HOLDFAST " + std::string{plugin_word(verdict)} + " - " + clean;
}

std::string plugin_line(const Report& report) {
  return plugin_line(health(report), summary(report)) + " |" + performance_data(report);
}

int plugin_exit_status(Health verdict) {
  switch (verdict) {
    case Health::ok:
      return 0;
    case Health::warning:
      return 1;
    case Health::critical:
      return 2;
    case Health::unknown:
      return 3;
  }
  std::abort();
}

}  // namespace holdfast::status
