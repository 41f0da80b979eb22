#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The numbers that the runs of this device's program drew: what its sessions' records on a relay carry, so that they
/// are told from those of another device that has the same name (relay::Device).
namespace holdfast::supervisor {

struct Runs {
  std::vector<std::uint32_t> numbers;  ///< the present one and those before it, newest first, relay::max_runs at most
  bool kept = false;                   ///< the file has the present one too
};

/// Adds a run, drawn with `random`, to those that `file` keeps. `beside` are the files of this device's other
/// processes, whose sessions are its own as well. `say` is told why the file can't be used.
Runs begin_run(const std::string& file, const std::vector<std::string>& beside, std::uint32_t random,
               const std::function<void(const std::string&)>& say);

/// The file: a number a line, newest first.
std::string format_runs(const std::vector<std::uint32_t>& numbers);
/// None if anything in it is not as it should be.
std::optional<std::vector<std::uint32_t>> parse_runs(std::string_view text);

}  // namespace holdfast::supervisor
