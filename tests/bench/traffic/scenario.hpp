#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "traffic/bed.hpp"
#include "traffic/client.hpp"
#include "traffic/options.hpp"

namespace holdfast::bench {

/// The beds, each made when it is first asked for.
class Beds {
 public:
  const Bed& loopback();
  const Bed& far_loopback();  ///< RTT 100 ms

 private:
  std::unique_ptr<Loopback> loopback_;
  std::unique_ptr<FarLoopback> far_loopback_;
};

/// What the ratio holdfast / the other is to be.
struct Wanted {
  enum class Bound { at_least, at_most } bound;
  double ratio;
};

struct Figure {
  std::string what;
  std::string unit;
  std::optional<Wanted> wanted{};
};

/// A row that can be asked for by its name. It is measured for both programs in turn, and may give several figures.
struct Scenario {
  std::string name;
  std::vector<Figure> figures;
  std::function<std::vector<double>(Program, const Options&, Beds&)> measure;  ///< one value for each figure, or throws
  Program rival = Program::ssh;
};

std::vector<Scenario> bulk_scenarios();
/// All, in the order of the table.
std::vector<Scenario> all_scenarios();

}  // namespace holdfast::bench
