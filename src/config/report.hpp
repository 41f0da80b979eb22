#pragma once

#include <string>

#include "config/document.hpp"
#include "config/load.hpp"

namespace holdfast::config {

/// Collects everything that is wrong with a file, and what is allowed but regretted later.
class Report {
 public:
  explicit Report(std::string file) : file_(std::move(file)) {}

  void problem(Mark mark, std::string key, std::string message);
  void warning(Mark mark, std::string key, std::string message);

  const std::string& file() const { return file_; }
  bool has_problems() const { return !problems_.empty(); }
  /// In the file's order, each once; after the first hundred only how many follow.
  Problems take_problems() { return in_order(std::move(problems_)); }
  Problems take_warnings() { return in_order(std::move(warnings_)); }

 private:
  Problems in_order(Problems found) const;

  std::string file_;
  Problems problems_;
  Problems warnings_;
};

}  // namespace holdfast::config
