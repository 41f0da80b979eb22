#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdfast/diagnosis.hpp"
#include "status/table.hpp"

/// A diagnosis as people read it, in lines of at most 80 letters. Pure; what comes from outside is made printable.
namespace holdfast::status {

/// " FAIL  name server    no answer from DNS (192.0.2.53)" and below it the evidence of a layer that does not pass.
std::string text_of(const Judgement& judgement, Colour colour);

/// " -     banner, login  not reached" for layers that only wait for a lower one.
std::string not_reached(const std::vector<Judgement>& skipped, Colour colour);

/// " warn  fleet        ..." of whatever was looked at, and below it `lines` as they are.
std::string remark(CheckResult result, const std::string& about, const std::string& what,
                   const std::vector<std::string>& lines, Colour colour);

/// The answer, whose line above says what was seen, what follows from it, and the next step.
std::string conclusion(const Diagnosis& diagnosis, Colour colour);

/// For `holdfast doctor --explain`.
std::string explanation(const CauseFacts& facts);
/// Of a layer: what can be wrong with it.
std::string explanation(Layer layer);
/// By either name, "tcp" or "relay's port", in any spelling: "relays-port". None if no layer is called that.
std::optional<Layer> layer_called(const std::string& name);
/// The names of causes and layers that are nearest to it, for who mistyped one; never empty.
std::vector<std::string> names_like(const std::string& name);

/// What people call it: "gateway" for Layer::neighbour.
std::string label_of(Layer layer);

}  // namespace holdfast::status
