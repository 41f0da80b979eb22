#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/findings.hpp"

/// Which layer is at fault: pure, of what was found.
namespace holdfast {

enum class CheckResult { pass, warn, fail, skip };
/// "pass", "warn", "fail", "skip".
std::string_view to_string(CheckResult result);

/// What is made of the findings of one layer.
struct Judgement {
  Layer layer{};
  CheckResult result{};
  std::string measured{};               ///< "eth0 has a carrier"; of a skipped one, why
  std::optional<Cause> cause{};         ///< of warn and fail
  std::vector<std::string> evidence{};  ///< a line each
  std::string next_step{};              ///< of warn and fail, and where it is worth saying, of skip
  std::optional<Layer> hidden_by{};     ///< the lower one that explains this one

  friend bool operator==(const Judgement&, const Judgement&) = default;
};

struct Diagnosis {
  std::vector<Judgement> judgements;  ///< from the device up, one a layer that was looked at
  std::optional<Layer> answer;        ///< the layer at fault; else the lowest that warns; none: all is well
};

/// What a server says first at this port, where that is known: "SSH-" for 22; else empty.
std::string_view first_words_of(std::uint16_t port);

/// Says that no service holds the tunnel. It follows from nothing below, nothing above shows otherwise, and nothing
/// follows from it: what a look met beside it, the service will meet as well.
bool nobody_holds(const Judgement& judgement);

/// "192.0.2.7" of "192.0.2.7:22", "2001:db8::1" of "[2001:db8::1]:22".
std::string host_of(const std::string& endpoint);

/// By itself, whatever the others say.
Judgement judge(Layer layer, const Finding& finding);

/// All together: of several faults the lowest that explains the others is the answer. What lies below a layer that
/// passes can't be as bad as it looks, and only warns.
Diagnosis diagnose(const Findings& findings);

/// "fail": of `diagnosis.answer`; pass without one.
CheckResult result_of(const Diagnosis& diagnosis);

/// "down: the modem is registered, and has no data connection (APN internet)": the answer in a line; empty if all is
/// well.
std::string answer_of(const Diagnosis& diagnosis);

}  // namespace holdfast
