#include "cli/daemon.hpp"

#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <system_error>

#include "cli/places.hpp"
#include "config/load.hpp"
#include "status/printable.hpp"
#include "status/socket_file.hpp"

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

/// The status socket of the process that holds all tunnels.
tl::expected<SocketPath, Unanswered> find_socket(const Options& options) {
  if (options.socket) return SocketPath{*options.socket, ""};
  const std::string file = options.config.value_or(default_config());
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

/// "; a process of one tunnel has: --only relay, --only backup": for who asks the process of all where there is none.
std::string processes_of_one_tunnel(const std::string& socket) {
  std::string names;
  for (const std::string& tunnel : tunnels_of_own_process(socket))
    names += (names.empty() ? "; a process of one tunnel has: --only " : ", --only ") + tunnel;
  return names;
}

/// What shows why nobody answers there.
std::string look_at(const std::string& socket) {
  const std::string own = own_state_folder();
  const bool is_own = !own.empty() && socket.starts_with(own + "/");
  return is_own ? "systemctl --user status holdfast" : "systemctl status holdfast";
}

tl::expected<status::Response, Unanswered> exchange(const Options& options, const std::string& method,
                                                    const std::string& target,
                                                    const std::function<void(const std::string&)>& line = {}) {
  auto socket = find_socket(options);
  if (!socket) return tl::unexpected{socket.error()};
  const bool of_all = options.only.empty();
  if (!of_all && !options.socket) socket->path = socket_of_tunnel(socket->path, options.only);
  const auto timeout = std::chrono::duration_cast<Duration>(std::chrono::duration<double>{options.timeout_seconds});
  const std::string path = method == "GET" ? socket->path : control_socket(socket->path);
  auto response = line ? status::stream(path, target, timeout, look_at(path),
                                        [&](const std::string& text) { line(status::printable(text)); })
                       : status::request(path, method, target, timeout, look_at(path));
  if (!response) {
    const std::string others = of_all ? processes_of_one_tunnel(socket->path) : " (holdfast@" + options.only + ")";
    const bool denied = ::access(path.c_str(), F_OK) == 0 && ::access(path.c_str(), W_OK) != 0;
    return tl::unexpected{Unanswered{failed, status::printable(response.error() + others) + socket->doubt, denied,
                                     !denied && !status::is_held(socket->path)}};
  }
  // The socket may be somebody else's: what it says goes to a terminal, often root's.
  response->body = status::printable(response->body);
  return std::move(*response);
}

}  // namespace

std::vector<std::string> tunnels_of_own_process(const std::string& socket) {
  const std::filesystem::path path{socket};
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& folder : std::filesystem::directory_iterator{path.parent_path() / "only", error}) {
    if (std::filesystem::is_socket(folder.path() / path.filename(), error))
      names.push_back(folder.path().filename().string());
  }
  return names;
}

std::string percent_encoded(const std::string& text) {
  std::string encoded;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (std::isalnum(byte) != 0 || letter == '-' || letter == '.' || letter == '_' || letter == '~') {
      encoded += letter;
    } else {
      std::array<char, 4> escape{};
      std::snprintf(escape.data(), escape.size(), "%%%02X", static_cast<unsigned>(byte));
      encoded += escape.data();
    }
  }
  return encoded;
}

tl::expected<status::Response, Unanswered> ask(const Options& options, const std::string& target) {
  return exchange(options, "GET", target);
}

tl::expected<status::Response, Unanswered> command(const Options& options, const std::string& target) {
  return exchange(options, "POST", target);
}

tl::expected<status::Response, Unanswered> stream(const Options& options, const std::string& target,
                                                  const std::function<void(const std::string&)>& line) {
  return exchange(options, "POST", target, line);
}

int complain(int exit_status, const std::string& text) {
  std::cerr << "holdfast: " << text << '\n';
  return exit_status;
}

}  // namespace holdfast::cli
