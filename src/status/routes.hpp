#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "status/server.hpp"

/// What the status socket answers, without HTTP's bytes. docs/status.md documents it.
namespace holdfast::status {

struct Request {
  std::string_view method;  ///< "GET", "HEAD", "POST", ...
  std::string_view target;  ///< origin-form: "/v1/status?x=y"
  bool may_write = false;   ///< the peer is root or ourselves
};

struct Answer {
  unsigned status = 200;
  std::string content_type;
  std::string body;
  std::string allow;  ///< for 405; else empty
};

Answer answer(const Request& request, Source& source);

/// {"error": "..."}
Answer problem(unsigned status, const std::string& error);

}  // namespace holdfast::status
