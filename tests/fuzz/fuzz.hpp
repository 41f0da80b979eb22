#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

/// Harnesses: each feeds one parser with anybody's bytes, and aborts when a promise is broken. libFuzzer drives them
/// (tools/fuzz), and unit_fuzz tries what lies in corpus/NAME.
namespace holdfast::fuzz {

using Run = void (*)(std::string_view input);

/// Made once in each harness's file: `const Harness harness("config", run);`
class Harness {
 public:
  Harness(const char* name, Run function);

  const char* name() const { return name_; }
  void run(std::string_view input) const { run_(input); }

 private:
  const char* name_;
  Run run_;
};

/// Those that are linked in.
const std::vector<const Harness*>& harnesses();

/// Prints the promise and aborts unless it is kept.
void promise(bool kept, const char* what);

/// The input's first byte, which is taken from it; 0 if there is none.
std::uint8_t take_byte(std::string_view& input);
/// What stands before the first line break, or all; both are taken from the input.
std::string_view take_line(std::string_view& input);

/// The input cut into pieces; `seed` decides where.
std::vector<std::string_view> in_pieces(std::string_view input, std::uint8_t seed);

/// No control character that a terminal obeys: C0 but line breaks, DEL, C1 as UTF-8 has it.
bool is_harmless(std::string_view text);
/// The same, and no line break.
bool is_harmless_line(std::string_view text);

}  // namespace holdfast::fuzz
