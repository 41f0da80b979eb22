#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lab/site.hpp"

/// The fault atlas: faults that are made for real, and what `holdfast doctor` says of them.
namespace holdfast::lab {

struct SeenLayer {
  std::string result;  ///< "pass", "warn", "fail", "skip"
  std::string cause;   ///< empty: none
  std::string measured;
  std::vector<std::string> evidence;
  std::string next_step;
  std::string hidden_by;  ///< empty: nothing
};

struct Seen {
  int exit_status = -1;
  std::string answer;  ///< the layer; empty: all is well
  std::map<std::string, SeenLayer> layers;
  Duration took{};
  std::string text;  ///< all of it, for who has to find out why a test failed

  /// Of the answer; empty without one.
  std::string cause() const;
};

/// A lab with holdfast in it.
class Bedside : public Site {
 public:
  explicit Bedside(const SiteOptions& options = {});

  std::map<std::string, std::string> env;  ///< of `holdfast doctor`
  std::vector<std::string> before;         ///< what runs it: {"prlimit", "--nofile=20"}

  /// `holdfast doctor relay` on the device: in the daemon if it runs, else by itself.
  Seen examine();
  /// Some more arguments.
  Seen examine(const std::vector<std::string>& more);
};

/// Is it this cause that is the answer, named within `limit`?
void check_answer(const Seen& seen, const std::string& cause, Duration limit = std::chrono::seconds{30});

}  // namespace holdfast::lab
