#include <iostream>

#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "holdfast/report.hpp"
#include "status/json.hpp"
#include "status/plugin_line.hpp"

namespace holdfast::cli {
namespace {

int verdict(Health health, const std::string& text) {
  std::cout << status::plugin_line(health, text) << '\n';
  return status::plugin_exit_status(health);
}

}  // namespace

int health(const Options& options) {
  const auto response = ask(options, "/v1/status");
  if (!response) {
    const bool misconfigured = response.error().exit_status == misused;
    return verdict(misconfigured ? Health::unknown : Health::critical, response.error().text);
  }
  if (response->status != 200) return verdict(Health::unknown, status::error_text(response->body));
  const auto report = status::from_json(response->body);
  if (!report) return verdict(Health::unknown, report.error());
  std::cout << status::plugin_line(*report) << '\n';
  return status::plugin_exit_status(holdfast::health(*report));
}

}  // namespace holdfast::cli
