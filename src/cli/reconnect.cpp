#include <iostream>

#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "status/json.hpp"

namespace holdfast::cli {
int reconnect(const Options& options) {
  const std::string target = "/v1/tunnels/" + percent_encoded(options.tunnel) + "/reconnect";
  const bool either = options.only.empty() && !options.socket;  // that process of one tunnel, or that of all
  Options first = options;
  if (either) first.only = options.tunnel;
  auto response = command(first, target);
  if (!response && either && !response.error().denied) response = command(options, target);
  if (!response) return complain(response.error().exit_status, response.error().text);
  if (response->status != 202) return complain(failed, "not reconnected: " + status::error_text(response->body));
  std::cout << options.tunnel << " is reconnecting; see 'holdfast status'\n";
  return done;
}

}  // namespace holdfast::cli
