#include <iostream>

#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "status/json.hpp"

namespace holdfast::cli {

int reload(const Options& options) {
  const auto response = command(options, "/v1/reload");
  if (!response) return complain(response.error().exit_status, response.error().text);
  if (response->status != 200)
    return complain(failed, "not reloaded, nothing has changed:\n" + status::error_text(response->body));
  std::cout << "reloaded\n";
  return done;
}

}  // namespace holdfast::cli
