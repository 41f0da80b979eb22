#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "lab/faults.hpp"

namespace holdfast::bench {

/// What one worker found: a result, or why there is none.
struct Measurement {
  lab::Result result;
  std::string error{};  ///< not empty: the measurement itself failed
};

/// Per fault and subject, in the order of the runs.
using Table = std::map<std::string, std::map<std::string, std::vector<Measurement>>>;

/// As text: medians, "> limit" where the median run was not back in time, and the ratio of the last subject to the best
/// of the others.
void print_table(std::ostream& out, const Table& table, const std::vector<lab::Fault>& faults,
                 const std::vector<std::string>& subjects);
void print_json(std::ostream& out, const Table& table, const std::vector<lab::Fault>& faults,
                const std::vector<std::string>& subjects, const std::map<std::string, std::string>& about);
/// "0.93", "> 45", "15205", or "failed".
std::string cell(const Measurement& measurement, lab::Unit unit);

}  // namespace holdfast::bench
