#pragma once

#include <chrono>
#include <string>

#include "support/wait.hpp"

namespace holdfast::test {

struct HttpResponse {
  int status = 0;
  std::string head;  ///< status line and header fields
  std::string body;
};

/// One HTTP/1.1 request with `Connection: close` on a Unix socket; throws when nobody answers in time.
HttpResponse http_request(const std::string& socket_path, const std::string& method, const std::string& target,
                          std::chrono::milliseconds timeout = 10s);

}  // namespace holdfast::test
