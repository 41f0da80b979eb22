#include "traffic/report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <ostream>

namespace holdfast::bench {
namespace {

struct Summary {
  double rival = 0;
  double holdfast = 0;
  double ratio = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Summary summary(const Outcome& outcome, std::size_t figure) {
  std::vector<double> rival;
  std::vector<double> holdfast;
  std::vector<double> ratios;
  for (const Outcome::Pair& pair : outcome.pairs) {
    rival.push_back(pair.rival[figure]);
    holdfast.push_back(pair.holdfast[figure]);
    ratios.push_back(pair.holdfast[figure] / pair.rival[figure]);
  }
  return {median(rival), median(holdfast), median(ratios)};
}

bool met(const Wanted& wanted, const Summary& values) {
  switch (wanted.bound) {
    case Wanted::Bound::ratio_at_least:
      return values.ratio >= wanted.limit;
    case Wanted::Bound::ratio_at_most:
      return values.ratio <= wanted.limit;
    case Wanted::Bound::value_at_most:
      return values.holdfast <= wanted.limit;
  }
  return false;
}

const char* name_of(Wanted::Bound bound) {
  switch (bound) {
    case Wanted::Bound::ratio_at_least:
      return "ratio at least";
    case Wanted::Bound::ratio_at_most:
      return "ratio at most";
    case Wanted::Bound::value_at_most:
      return "value at most";
  }
  return "";
}

std::string formatted(const char* format, double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, value);
  return buffer.data();
}

std::string wanted_text(const Wanted& wanted) {
  switch (wanted.bound) {
    case Wanted::Bound::ratio_at_least:
      return formatted("≥ %.2f ×", wanted.limit);
    case Wanted::Bound::ratio_at_most:
      return formatted("≤ %.2f ×", wanted.limit);
    case Wanted::Bound::value_at_most:
      return formatted("≤ %.0f", wanted.limit);
  }
  return "";
}

/// As wide as it looks: in UTF-8, not in bytes.
std::string padded(const std::string& text, std::size_t width, bool left) {
  const auto shown = static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
  const std::string space(width - std::min(width, shown), ' ');
  return left ? text + space : space + text;
}

void print_line(std::ostream& out, const std::vector<std::string>& cells) {
  constexpr std::array<std::size_t, 7> widths{62, 7, 9, 9, 6, 8, 3};
  out << "|";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    out << " " << padded(cells[i], widths[i], i < 2) << " |";
  }
  out << "\n";
}

}  // namespace

std::string number(double value) {
  const double size = std::abs(value);
  return formatted(size >= 1000 ? "%.0f" : size >= 100 ? "%.1f" : size >= 0.1 ? "%.2f" : "%.3f", value);
}

void print_table(std::ostream& out, const std::vector<Outcome>& outcomes) {
  Program rival = Program::autossh;
  for (const Outcome& outcome : outcomes) {
    if (&outcome == &outcomes.front() || outcome.scenario.rival != rival) {
      rival = outcome.scenario.rival;
      out << (&outcome == &outcomes.front() ? "" : "\n");
      print_line(out, {"median", "unit", name_of(rival), "holdfast", "ratio", "wanted", "met"});
      print_line(out, {"---", "---", "--:", "--:", "--:", "--:", "---"});
    }
    for (std::size_t i = 0; i < outcome.scenario.figures.size(); ++i) {
      const Figure& figure = outcome.scenario.figures[i];
      const std::string wanted = figure.wanted ? wanted_text(*figure.wanted) : "";
      if (!outcome.error.empty()) {
        print_line(out, {figure.what, figure.unit, "failed", "failed", "", wanted, ""});
        continue;
      }
      const Summary values = summary(outcome, i);
      print_line(out, {figure.what, figure.unit, number(values.rival), number(values.holdfast),
                       formatted("%.2f", values.ratio), wanted,
                       !figure.wanted                ? ""
                       : met(*figure.wanted, values) ? "yes"
                                                     : "NO"});
    }
  }
}

void print_json(std::ostream& out, const std::vector<Outcome>& outcomes,
                const std::map<std::string, std::string>& about) {
  nlohmann::ordered_json document(about);
  document["results"] = nlohmann::ordered_json::array();
  for (const Outcome& outcome : outcomes) {
    for (std::size_t i = 0; i < outcome.scenario.figures.size(); ++i) {
      const Figure& figure = outcome.scenario.figures[i];
      nlohmann::ordered_json row{{"row", outcome.scenario.name},
                                 {"what", figure.what},
                                 {"unit", figure.unit},
                                 {"rival", name_of(outcome.scenario.rival)}};
      if (figure.wanted) {
        row["wanted"] = {{"bound", name_of(figure.wanted->bound)}, {"limit", figure.wanted->limit}};
      }
      if (!outcome.error.empty()) {
        row["error"] = outcome.error;
      } else {
        const Summary values = summary(outcome, i);
        row["median"] = {{"rival", values.rival}, {"holdfast", values.holdfast}, {"ratio", values.ratio}};
        if (figure.wanted) {
          row["met"] = met(*figure.wanted, values);
        }
        for (const Outcome::Pair& pair : outcome.pairs) {
          row["pairs"].push_back({{"rival", pair.rival[i]}, {"holdfast", pair.holdfast[i]}});
        }
      }
      document["results"].push_back(row);
    }
  }
  out << document.dump(2) << "\n";
}

}  // namespace holdfast::bench
