#include "cli/daemon.hpp"

#include <unistd.h>

#include <iostream>

#include "config/load.hpp"
#include "status/printable.hpp"

namespace holdfast::cli {
namespace {

struct SocketPath {
  std::string path;
  std::string doubt;  ///< why it may be the wrong one; empty when somebody named it
};

std::string listed(const config::Problems& problems) {
  std::string text;
  for (const config::Problem& problem : problems) text += "\n  " + config::to_string(problem);
  return text;
}

tl::expected<SocketPath, Unanswered> find_socket(const Options& options) {
  if (options.socket) return SocketPath{*options.socket, ""};
  const std::string file = options.config.value_or(default_config);
  const SocketPath fallback{StatusSocketSpec{}.path, " (the default path; --socket and --config name another)"};
  if (!options.config && ::access(file.c_str(), F_OK) != 0) return fallback;
  const auto path = config::find_status_socket(file);
  if (path) return SocketPath{*path, ""};
  if (options.config) {
    return tl::unexpected{Unanswered{misused, "can't look up status_socket in " + file + ":" + listed(path.error())}};
  }
  return SocketPath{fallback.path,
                    " (the default path, because " + file + " can't be used:" + listed(path.error()) + ")"};
}

}  // namespace

tl::expected<status::Response, Unanswered> ask(const Options& options, const std::string& method,
                                               const std::string& target) {
  const auto socket = find_socket(options);
  if (!socket) return tl::unexpected{socket.error()};
  const auto timeout = std::chrono::duration_cast<Duration>(std::chrono::duration<double>{options.timeout_seconds});
  auto response = status::request(socket->path, method, target, timeout);
  if (!response) return tl::unexpected{Unanswered{failed, status::printable(response.error()) + socket->doubt}};
  // The socket may be somebody else's: what it says goes to a terminal, often root's.
  response->body = status::printable(response->body);
  return std::move(*response);
}

int complain(int exit_status, const std::string& text) {
  std::cerr << "holdfast: " << text << '\n';
  return exit_status;
}

}  // namespace holdfast::cli
