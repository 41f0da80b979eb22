#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "traffic/bed.hpp"
#include "traffic/client.hpp"
#include "traffic/content.hpp"
#include "traffic/options.hpp"

namespace holdfast::bench {

/// The beds, each made when it is first asked for.
class Beds {
 public:
  const Bed& loopback();
  const Bed& far_loopback();  ///< RTT 100 ms
  LabBed& lab();              ///< its link is as the last scenario left it

 private:
  std::unique_ptr<Loopback> loopback_;
  std::unique_ptr<FarLoopback> far_loopback_;
  std::unique_ptr<LabBed> lab_;
};

/// What the ratio holdfast / the other is to be, or holdfast's own value.
struct Wanted {
  enum class Bound { ratio_at_least, ratio_at_most, value_at_most } bound;
  double limit;
};

struct Figure {
  std::string what;
  std::string unit;
  std::optional<Wanted> wanted{};
};

/// A row that can be asked for by its name. It is measured for both programs in turn, and may give several figures.
/// Names that begin with "lab-" are of rows that need the lab.
struct Scenario {
  using Values = std::vector<double>;  ///< one for each figure

  std::string name;
  std::vector<Figure> figures;
  std::function<Values(Program, const Options&, Beds&)> measure;  ///< or throws
  Program rival = Program::ssh;
  unsigned most_runs = 1000;
  bool both_at_once = false;  ///< where nothing is fast and much is waited for
};

std::vector<Scenario> bulk_scenarios();
std::vector<Scenario> latency_scenarios();
std::vector<Scenario> connections_scenarios();
std::vector<Scenario> memory_scenarios();
std::vector<Scenario> lab_scenarios();
/// All, in the order of the table.
std::vector<Scenario> all_scenarios();

// What is measured on any bed.
Client start_client(const Bed& bed, Program program, const Options& options, const std::string& ciphers = "");
/// MB/s from the visitor's request to the last byte, or to the target's word that it has it; and the client's CPU
/// seconds per GB, with everything that it does for the connection.
Scenario::Values bulk(const Client& client, Way way, std::uint64_t bytes);
/// p50 and p99 in ms of `count` echoes of 64 bytes on each of so many connections at once, one after the other on each.
Scenario::Values echoes(const Client& client, unsigned connections, unsigned count);
/// The same on one connection while another one transfers as much as it can; and the MB/s of that one.
Scenario::Values echoes_beside_bulk(const Client& client, Way way, unsigned count);

}  // namespace holdfast::bench
