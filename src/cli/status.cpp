#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "status/json.hpp"
#include "status/text.hpp"

namespace holdfast::cli {
namespace {

/// https://no-color.org, and terminals that can't.
status::Colour colour_of_output() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool unwanted = no_color != nullptr && *no_color != '\0';
  const bool unable = terminal == nullptr || std::string_view{terminal} == "dumb";
  return ::isatty(STDOUT_FILENO) == 1 && !unwanted && !unable ? status::Colour::ansi : status::Colour::no;
}

}  // namespace

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
  std::cout << status::table(*report, colour_of_output());
  return done;
}

}  // namespace holdfast::cli
