#include "recovery/report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <ostream>

namespace holdfast::bench {
namespace {

using lab::Fault;
using lab::Unit;

std::string number(const char* format, double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, value);
  return buffer.data();
}

/// A run that was not back in time counts as longer than any that was; failed measurements don't count.
double rank(const Measurement& measurement) {
  return measurement.result.value.value_or(std::numeric_limits<double>::infinity());
}

/// The upper one of two, so that the median is one of the runs.
Measurement median(std::vector<Measurement> runs) {
  std::vector<Measurement> good;
  std::copy_if(runs.begin(), runs.end(), std::back_inserter(good),
               [](const Measurement& run) { return run.error.empty(); });
  if (good.empty()) {
    return runs.empty() ? Measurement{{}, "not run"} : runs.front();
  }
  std::sort(good.begin(), good.end(), [](const Measurement& a, const Measurement& b) { return rank(a) < rank(b); });
  return good[good.size() / 2];
}

std::string ratio(const std::map<std::string, std::vector<Measurement>>& row,
                  const std::vector<std::string>& subjects) {
  double best = std::numeric_limits<double>::infinity();
  bool capped = true;
  for (std::size_t i = 0; i + 1 < subjects.size(); ++i) {
    const Measurement other = median(row.at(subjects[i]));
    if (other.error.empty()) {
      const double value = other.result.value.value_or(other.result.limit);
      if (value < best) {
        best = value;
        capped = !other.result.value;
      }
    }
  }
  const Measurement own = median(row.at(subjects.back()));
  if (!own.error.empty() || !own.result.value || best == std::numeric_limits<double>::infinity() || best == 0) {
    return "";
  }
  return (capped ? "< " : "") + number("%.2f", *own.result.value / best);
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
      result += escape.data();
    } else {
      result += c;
    }
  }
  return result + '"';
}

void print_run(std::ostream& out, const Measurement& run) {
  out << "{\"value\": " << (run.result.value ? number("%.3f", *run.result.value) : "null")
      << ", \"limit\": " << number("%g", run.result.limit) << ", \"remark\": " << quoted(run.result.remark);
  if (!run.error.empty()) {
    out << ", \"error\": " << quoted(run.error);
  }
  out << "}";
}

}  // namespace

std::string cell(const Measurement& measurement, Unit unit) {
  if (!measurement.error.empty()) {
    return "failed";
  }
  if (!measurement.result.value) {
    return number("> %g", measurement.result.limit);
  }
  const double value = *measurement.result.value;
  return number(unit == Unit::bytes_per_hour ? "%.0f" : value < 0.1 ? "%.3f" : "%.2f", value);
}

void print_table(std::ostream& out, const Table& table, const std::vector<Fault>& faults,
                 const std::vector<std::string>& subjects) {
  std::size_t width = 0;
  for (const Fault& fault : faults) {
    width = std::max(width, fault.what.size());
  }
  const auto line = [&](const std::string& first, const std::vector<std::string>& cells) {
    out << "| " << first << std::string(width - std::min(width, first.size()), ' ') << " |";
    for (const std::string& text : cells) {
      out << std::string(9 - std::min<std::size_t>(9, text.size()), ' ') << text << " |";
    }
    out << "\n";
  };
  std::vector<std::string> head = subjects;
  std::vector<std::string> rule(subjects.size(), "--:");
  if (subjects.size() > 1) {
    head.push_back("ratio");
    rule.push_back("--:");
  }
  line("median, in seconds unless said", head);
  line("---", rule);
  for (const Fault& fault : faults) {
    std::vector<std::string> cells;
    for (const std::string& subject : subjects) {
      cells.push_back(cell(median(table.at(fault.name).at(subject)), fault.unit));
    }
    if (subjects.size() > 1) {
      cells.push_back(ratio(table.at(fault.name), subjects));
    }
    line(fault.what, cells);
  }
}

void print_json(std::ostream& out, const Table& table, const std::vector<Fault>& faults,
                const std::vector<std::string>& subjects, const std::map<std::string, std::string>& about) {
  out << "{\n";
  for (const auto& [key, value] : about) {
    out << "  " << quoted(key) << ": " << quoted(value) << ",\n";
  }
  out << "  \"results\": [";
  const char* separator = "\n";
  for (const Fault& fault : faults) {
    for (const std::string& subject : subjects) {
      const auto& runs = table.at(fault.name).at(subject);
      const Measurement middle = median(runs);
      out << separator << "    {\"fault\": " << quoted(fault.name) << ", \"what\": " << quoted(fault.what)
          << ", \"subject\": " << quoted(subject)
          << ", \"unit\": " << (fault.unit == Unit::seconds ? "\"s\"" : "\"bytes/h\"")
          << ",\n     \"median\": " << (middle.result.value ? number("%.3f", *middle.result.value) : "null")
          << ", \"runs\": [";
      for (std::size_t i = 0; i < runs.size(); ++i) {
        out << (i == 0 ? "" : ", ");
        print_run(out, runs[i]);
      }
      out << "]}";
      separator = ",\n";
    }
  }
  out << "\n  ]\n}\n";
}

}  // namespace holdfast::bench
