#include "config/report.hpp"

#include <algorithm>
#include <tuple>

namespace holdfast::config {
namespace {

constexpr std::size_t most_reported = 100;

}  // namespace

std::string to_string(const Problem& problem) {
  std::string text = problem.file;
  if (problem.line != 0) text += ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column);
  if (!problem.key.empty()) text += ": " + problem.key;
  return text + ": " + problem.message;
}

void Report::problem(Mark mark, std::string key, std::string message) {
  problems_.push_back({file_, mark.line, mark.column, std::move(key), std::move(message)});
}

void Report::warning(Mark mark, std::string key, std::string message) {
  warnings_.push_back({file_, mark.line, mark.column, std::move(key), std::move(message)});
}

Problems Report::in_order(Problems found) const {
  const auto place = [](const Problem& problem) { return std::tie(problem.line, problem.column); };
  std::stable_sort(found.begin(), found.end(),
                   [&](const Problem& one, const Problem& other) { return place(one) < place(other); });
  const auto repeated = std::unique(found.begin(), found.end(), [&](const Problem& one, const Problem& other) {
    return place(one) == place(other) && one.key == other.key && one.message == other.message;
  });
  found.erase(repeated, found.end());
  if (found.size() > most_reported) {
    const std::size_t more = found.size() - most_reported;
    found.resize(most_reported);
    found.push_back({file_, 0, 0, "", "and " + std::to_string(more) + " more problems"});
  }
  return found;
}

}  // namespace holdfast::config
