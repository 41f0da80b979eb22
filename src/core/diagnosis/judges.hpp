#pragma once

#include <string>
#include <vector>

#include "holdfast/diagnosis.hpp"

/// One judge a kind of findings, each in the file of its layer.
namespace holdfast::diagnosis {

Judgement judge(const DeviceFindings& found);
Judgement judge(const ModemFindings& found);
Judgement judge(const LinkFindings& found);
Judgement judge(const AddressFindings& found);
Judgement judge(const RouteFindings& found);
Judgement judge(const NeighbourFindings& found);
Judgement judge(const NameFindings& found);
Judgement judge(const PathFindings& found);
Judgement judge(const TcpFindings& found);
/// Who knows what became of an echo can tell more; null: nobody sent one.
Judgement judge(const TcpFindings& found, const PathFindings* path);
Judgement judge(Layer layer, const StepFindings& found);
Judgement judge(const TargetFindings& found);
Judgement judge(const KeepaliveFindings& found);

// ---- what they say ------------------------------------------------------------------------------------------------

Judgement pass(Layer layer, std::string measured);
/// Fails where the cause is an error, and warns where it is a warning; a note passes, and is told all the same. The
/// layer is the cause's; the next step too, unless `next_step` has a better one.
Judgement blame(Cause cause, std::string measured, std::string next_step = {});
/// The first by severity, then in this order; the others become its evidence.
Judgement worst(std::vector<Judgement> judgements);

/// What to do about a relay that can't be reached, where its neighbours tell; else `otherwise`.
std::string next_step_beside(const NeighbourFindings& found, std::string otherwise);

/// "a, b and c"
std::string listed(const std::vector<std::string>& words);
/// "0.3 s", "12 ms"
std::string seconds(Milliseconds time);

}  // namespace holdfast::diagnosis
