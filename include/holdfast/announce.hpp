#pragma once

#include <optional>
#include <string>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"

namespace holdfast {

/// One line for the log. `failure` is set on lines about one.
struct Announce {
  LogLevel level = LogLevel::info;
  std::string text;
  std::optional<Failure> failure{};
  bool last_error = true;  ///< the status shows this failure as the last error

  friend bool operator==(const Announce&, const Announce&) = default;
};

}  // namespace holdfast
