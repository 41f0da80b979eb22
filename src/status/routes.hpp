#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "status/server.hpp"

/// What the sockets answer, without HTTP's bytes. docs/status.md documents it.
namespace holdfast::status {

struct Request {
  std::string_view method;   ///< "GET", "HEAD", "POST", ...
  std::string_view target;   ///< origin-form: "/v1/status?x=y"
  std::string_view refusal;  ///< why this socket takes no command from this peer; empty: it does
};

struct Answer {
  unsigned status = 200;
  std::string content_type;
  std::string body;
  std::string allow;  ///< for 405; else empty
  /// The body comes in pieces, as Source::examine(): begins them, and is called once if at all. Empty: it is `body`.
  std::function<std::shared_ptr<void>(Source::Tell)> pieces{};
};

/// `reply` is called once, from the loop: at once, but for a reload. `source` outlives the answer's pieces.
void answer(const Request& request, Source& source, const std::function<void(Answer)>& reply);

/// {"error": "..."}
Answer problem(unsigned status, const std::string& error);

}  // namespace holdfast::status
