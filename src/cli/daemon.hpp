#pragma once

#include <functional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "cli/commands.hpp"
#include "status/client.hpp"

namespace holdfast::cli {

struct Unanswered {
  int exit_status = failed;  ///< `misused` when the configuration that was named can't be used
  std::string text;
  bool denied = false;  ///< there is a socket, and it is not for us
  bool nobody = false;  ///< nobody listens there
};

/// One request to the running holdfast: GET, over the status socket that the options or the configuration name.
tl::expected<status::Response, Unanswered> ask(const Options& options, const std::string& target);

/// One request, POST, over the control socket that belongs to that status socket.
tl::expected<status::Response, Unanswered> command(const Options& options, const std::string& target);

/// POSTs as command() does, for an answer that comes a line at a time.
tl::expected<status::Response, Unanswered> stream(const Options& options, const std::string& target,
                                                  const std::function<void(const std::string&)>& line);

/// A name within a path (RFC 3986, 2.3).
std::string percent_encoded(const std::string& text);

/// The tunnels for which a process of one tunnel has made its socket, where the process of all would have this one.
std::vector<std::string> tunnels_of_own_process(const std::string& socket);

/// Prints "holdfast: text" to standard error; returns the exit status, for `return complain(...)`.
int complain(int exit_status, const std::string& text);

}  // namespace holdfast::cli
