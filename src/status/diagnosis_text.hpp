#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/diagnosis.hpp"
#include "status/table.hpp"

/// A diagnosis as people read it. Pure; what comes from outside is made printable.
namespace holdfast::status {

/// Where it is written.
struct Page {
  Page(Colour in, std::size_t letters = 80) : colour(in), width(letters) {}  // NOLINT: a colour is a page of 80

  Colour colour;
  std::size_t width;  ///< of a line, in letters
};

/// By $COLUMNS, or else what the terminal says (0: nothing): what is wider is harder to read, and no screen is
/// narrower. 80 where there is no terminal.
std::size_t width_of(bool is_terminal, std::string_view columns, unsigned said_by_terminal);

/// " FAIL  name server    no answer from DNS (192.0.2.53)" and below it the evidence of a layer that does not pass.
std::string text_of(const Judgement& judgement, const Page& page);

/// " -     banner, login  not reached" for layers that only wait for a lower one.
std::string not_reached(const std::vector<Judgement>& skipped, const Page& page);

/// " warn  fleet        ..." of whatever was looked at, and below it `lines` as they are.
std::string remark(CheckResult result, const std::string& about, const std::string& what,
                   const std::vector<std::string>& lines, const Page& page);

/// The answer, whose line above says what was seen, what follows from it, and the next step.
std::string conclusion(const Diagnosis& diagnosis, const Page& page);

/// "listener: nobody listens at the relay's port"; "nothing is wrong".
std::string in_a_line(const Diagnosis& diagnosis);

/// For `holdfast doctor --explain`.
std::string explanation(const CauseFacts& facts, const Page& page);
/// What can be wrong with a layer.
std::string explanation(Layer layer, const Page& page);
/// By either name, "tcp" or "relay's port", in any spelling: "relays-port". None if no layer is called that.
std::optional<Layer> layer_called(const std::string& name);
/// The names of causes and layers that are nearest to it, for who mistyped one; never empty.
std::vector<std::string> names_like(const std::string& name);

/// What people call it: "gateway" for Layer::neighbour.
std::string label_of(Layer layer);

}  // namespace holdfast::status
