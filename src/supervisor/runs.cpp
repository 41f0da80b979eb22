#include "supervisor/runs.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "net/state_file.hpp"
#include "relay/lease_protocol.hpp"

namespace holdfast::supervisor {
namespace {

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size() && !text.starts_with('0');
  if (!whole || value > relay::max_run) return std::nullopt;
  return value;
}

void add(std::vector<std::uint32_t>& numbers, const std::vector<std::uint32_t>& more) {
  for (const std::uint32_t run : more) {
    if (numbers.size() < relay::max_runs && std::find(numbers.begin(), numbers.end(), run) == numbers.end()) {
      numbers.push_back(run);
    }
  }
}

}  // namespace

std::string format_runs(const std::vector<std::uint32_t>& numbers) {
  std::string text;
  for (const std::uint32_t run : numbers) text += std::to_string(run) + "\n";
  return text;
}

std::optional<std::vector<std::uint32_t>> parse_runs(std::string_view text) {
  std::vector<std::uint32_t> numbers;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto run = number(text.substr(0, end));
    if (end == std::string_view::npos || !run || numbers.size() == relay::max_runs) return std::nullopt;
    numbers.push_back(*run);
    text.remove_prefix(end + 1);
  }
  return numbers;
}

Runs begin_run(const std::string& file, const std::vector<std::string>& beside, std::uint32_t random,
               const std::function<void(const std::string&)>& say) {
  Runs runs{{random % relay::max_run + 1}, false};
  const auto text = net::read_file(file);
  const auto earlier = text ? parse_runs(*text) : std::nullopt;
  if (text && !earlier) say("the device's runs in " + file + " are damaged, or not holdfast's: they are forgotten");
  if (earlier) add(runs.numbers, *earlier);
  const int error = net::replace_file_soon(file, format_runs(runs.numbers));
  runs.kept = error == 0;
  if (error != 0) {
    say("this run can't be kept in " + file + ": " + std::generic_category().message(error) +
        "; the next one may take this one's sessions for another device's");
  }
  for (const std::string& other : beside) {
    const auto theirs = net::read_file(other);
    if (const auto numbers = theirs ? parse_runs(*theirs) : std::nullopt) add(runs.numbers, *numbers);
  }
  return runs;
}

}  // namespace holdfast::supervisor
