#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "holdfast/diagnosis.hpp"

/// What a look found, a line a layer: what the control socket streams and a file can keep (docs/diagnosis.md).
namespace holdfast::status {

/// {"schema":1,"layer":"link","kind":"link","found":{...}} and a line feed.
std::string to_line(Layer layer, const Finding& finding);
/// Keys that are missing have their defaults, others are left out: an older or newer holdfast may have written it.
tl::expected<std::pair<Layer, Finding>, std::string> from_line(std::string_view line);

/// For `holdfast doctor --json`: the findings, and what they come to.
std::string to_json(const std::string& tunnel, const Findings& findings, const Diagnosis& diagnosis);
/// Such a document, or the lines of a stream. The error says what is wrong with it, and where.
tl::expected<Findings, std::string> read_findings(const std::string& text);

struct Recorded {
  std::string tunnel;  ///< empty: it is not told
  Findings findings;
};
/// Such documents one after the other, one a tunnel, or the bundle that they are in; else as read_findings(). Not
/// empty.
tl::expected<std::vector<Recorded>, std::string> read_recorded(const std::string& text);

}  // namespace holdfast::status
