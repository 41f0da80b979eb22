#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "traffic/scenario.hpp"

namespace holdfast::bench {

/// One scenario's measurements: of each pair the values of both programs, one for each figure.
struct Outcome {
  Scenario scenario;
  struct Pair {
    std::vector<double> rival;
    std::vector<double> holdfast;
  };
  std::vector<Pair> pairs;
  std::string error{};  ///< not empty: a measurement failed, and the row has no value
};

/// Medians, the median of the pairs' ratios, what is wanted, and whether it is so.
void print_table(std::ostream& out, const std::vector<Outcome>& outcomes);
/// The same and every single value.
void print_json(std::ostream& out, const std::vector<Outcome>& outcomes,
                const std::map<std::string, std::string>& about);
/// With as many digits as it deserves.
std::string number(double value);

}  // namespace holdfast::bench
