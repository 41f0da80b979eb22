#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <future>
#include <iostream>
#include <stdexcept>
#include <thread>

#include "support/process.hpp"
#include "traffic/guarded.hpp"
#include "traffic/options.hpp"
#include "traffic/report.hpp"
#include "traffic/scenario.hpp"

namespace holdfast::bench {
namespace {

bool asked_for(const std::string& row, const std::vector<std::string>& rows) {
  return rows.empty() || std::any_of(rows.begin(), rows.end(), [&](const std::string& name) {
           return row == name || row.rfind(name + "-", 0) == 0;
         });
}

std::vector<Scenario> chosen_scenarios(const Options& options) {
  std::vector<Scenario> chosen = all_scenarios();
  for (const std::string& name : options.rows) {
    if (std::none_of(chosen.begin(), chosen.end(), [&](const Scenario& row) { return asked_for(row.name, {name}); })) {
      throw std::invalid_argument("no row '" + name + "'; --list names them");
    }
  }
  std::erase_if(chosen, [&](const Scenario& scenario) { return !asked_for(scenario.name, options.rows); });
  return chosen;
}

void announce(const Scenario& scenario, Program program, unsigned run, const Scenario::Values& values) {
  std::cerr << scenario.name << " #" << run + 1 << " " << name_of(program) << ":";
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::cerr << (i == 0 ? " " : ", ") << number(values[i]) << " " << scenario.figures.at(i).unit;
  }
  std::cerr << std::endl;
}

/// In turn, and each first every other time, so that a drift of the machine spoils no pair in the same way.
Outcome::Pair measure_pair(const Scenario& scenario, const Options& options, Beds& beds, unsigned run) {
  const auto measure = [&](Program program) {
    try {
      return scenario.measure(program, options, beds);
    } catch (const std::exception& error) {
      throw std::runtime_error(name_of(program) + ": " + error.what());
    }
  };
  Outcome::Pair pair;
  if (scenario.both_at_once) {
    auto rival = std::async(std::launch::async, measure, scenario.rival);
    pair.holdfast = measure(Program::holdfast);
    pair.rival = rival.get();
  } else if (run % 2 == 0) {
    pair.rival = measure(scenario.rival);
    pair.holdfast = measure(Program::holdfast);
  } else {
    pair.holdfast = measure(Program::holdfast);
    pair.rival = measure(scenario.rival);
  }
  announce(scenario, scenario.rival, run, pair.rival);
  announce(scenario, Program::holdfast, run, pair.holdfast);
  return pair;
}

Outcome outcome_of(const Scenario& scenario, const Options& options, Beds& beds) {
  Outcome outcome{scenario, {}};
  try {
    for (unsigned run = 0; run < std::min(options.runs, scenario.most_runs); ++run) {
      outcome.pairs.push_back(measure_pair(scenario, options, beds, run));
    }
  } catch (const std::exception& error) {
    outcome.error = error.what();
    std::cerr << scenario.name << " FAILED: " << error.what() << std::endl;
  }
  return outcome;
}

std::string first_line(std::vector<std::string> argv) {
  const test::Finished finished = test::run({.argv = std::move(argv)});
  const std::string text = finished.output + finished.errors;
  return text.substr(0, text.find('\n'));
}

std::map<std::string, std::string> about(const Options& options) {
  utsname system{};
  ::uname(&system);
  const std::time_t now = std::time(nullptr);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), "%F", std::gmtime(&now));
  return {{"date", date.data()},
          {"kernel", system.release},
          {"machine", std::to_string(std::thread::hardware_concurrency()) + " cores, " + system.machine},
          {"ssh", first_line({"ssh", "-V"})},
          {"holdfast", first_line({options.holdfast, "--version"}) + ", " + HOLDFAST_BUILD},
          {"size", std::to_string(options.size_mb) + " MB"},
          {"runs", std::to_string(options.runs)}};
}

void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int bench(const Options& options) {
  raise_descriptor_limit();
  Beds beds;
  std::vector<Outcome> outcomes;
  const auto facts = about(options);
  const auto no_lab = lab::Lab::unavailable();
  for (const Scenario& scenario : chosen_scenarios(options)) {
    if (scenario.name.rfind("lab-", 0) == 0 && no_lab) {
      std::cerr << scenario.name << " is left out: " << *no_lab << std::endl;
    } else {
      outcomes.push_back(outcome_of(scenario, options, beds));
    }
  }
  for (const auto& [key, value] : facts) {
    std::cout << key << ": " << value << "\n";
  }
  print_table(std::cout, outcomes);
  if (!options.json.empty()) {
    std::ofstream file(options.json);
    print_json(file, outcomes, facts);
    if (!file.flush()) {
      throw std::runtime_error("cannot write " + options.json);
    }
  }
  const bool failed =
      std::any_of(outcomes.begin(), outcomes.end(), [](const Outcome& outcome) { return !outcome.error.empty(); });
  return failed ? 1 : 0;
}

int run(const Options& options) {
  if (options.help || options.list) {
    std::cout << (options.help ? usage : "");
    for (const Scenario& scenario : options.list ? chosen_scenarios(options) : std::vector<Scenario>{}) {
      for (const Figure& figure : scenario.figures) {
        std::cout << scenario.name << ": " << figure.what << ", " << figure.unit << "\n";
      }
    }
    return 0;
  }
  (void)chosen_scenarios(options);
  return guarded([&] { return bench(options); });
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  try {
    return holdfast::bench::run(
        holdfast::bench::parse_options(std::vector<std::string>(argv + 1, argv + argc), HOLDFAST_BINARY));
  } catch (const std::invalid_argument& error) {
    std::cerr << "bench_traffic: " << error.what() << "\n" << holdfast::bench::usage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "bench_traffic: " << error.what() << "\n";
    return 1;
  }
}
