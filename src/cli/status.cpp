#include <iostream>

#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "cli/doctor_face.hpp"
#include "status/json.hpp"
#include "status/table.hpp"

namespace holdfast::cli {
int status(const Options& options) {
  const auto response = ask(options, "/v1/status");
  if (!response) return complain(response.error().exit_status, response.error().text);
  if (response->status != 200) return complain(failed, status::error_text(response->body));
  if (options.json) {
    std::cout << response->body;
    return done;
  }
  const auto report = status::from_json(response->body);
  if (!report) return complain(failed, report.error());
  std::cout << status::table(*report, page_of_output().colour);
  return done;
}

}  // namespace holdfast::cli
