#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "holdfast/failure.hpp"
#include "holdfast/time.hpp"

namespace holdfast::forward {

/// One line for a connection that came to nothing. A target that is down and a client that tries every second would
/// fill a device's disk. So the same cause on the same forward is told once a minute, with how often it came meanwhile.
class RefusalLog {
 public:
  explicit RefusalLog(std::function<void(const std::string&)> write) : write_(std::move(write)) {}

  void add(std::size_t forward, const Failure& failure, const std::string& text, TimePoint now);

 private:
  struct Told {
    TimePoint at;
    unsigned untold = 0;
  };

  std::function<void(const std::string&)> write_;
  std::map<std::pair<std::size_t, Cause>, Told> told_;
};

}  // namespace holdfast::forward
