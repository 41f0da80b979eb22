#pragma once

#include <functional>
#include <string>
#include <tl/expected.hpp>

#include "holdfast/time.hpp"

namespace holdfast::status {

struct Response {
  unsigned status = 0;  ///< HTTP status code
  std::string body;
};

/// One blocking request to either socket, for the command line. The error says what to do
/// ("nobody listens on /run/holdfast/status.sock: is holdfast running?"), and with `look` what shows why.
tl::expected<Response, std::string> request(const std::string& socket_path, const std::string& method,
                                            const std::string& target, Duration timeout,
                                            const std::string& look = "systemctl status holdfast");

/// One blocking request for an answer in pieces: `line` is called for each line as it comes, while all of it takes no
/// longer than `timeout`. The body of what is returned is empty for 200, else what the server said.
tl::expected<Response, std::string> stream(const std::string& socket_path, const std::string& target, Duration timeout,
                                           const std::string& look,
                                           const std::function<void(const std::string&)>& line);

}  // namespace holdfast::status
