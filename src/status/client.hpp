#pragma once

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

}  // namespace holdfast::status
