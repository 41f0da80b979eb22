#include <algorithm>

#include "fuzz/fuzz.hpp"
#include "ssh/errors.hpp"
#include "ssh/open_refusal.hpp"

namespace {

using namespace holdfast;
using namespace holdfast::ssh;
using fuzz::promise;
using fuzz::take_line;

bool is_ascii_line(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char letter) { return letter >= ' ' && letter <= '~'; });
}

/// How far the session came, a line each of the banner and of the first that came; the rest is libssh's error.
void run(std::string_view input) {
  const std::uint8_t how = fuzz::take_byte(input);
  Death death;
  death.progress = static_cast<Progress>(how % 4);
  death.spoke = (how & 4U) != 0;
  death.banner = take_line(input);
  death.first_line = take_line(input);
  death.error = input;

  const Failure failure = explain(death, {});
  promise(is_ascii_line(failure.detail), "what the relay said is made fit for the log");
  promise(failure.detail.size() <= 220, "what the relay said is cut");
  promise(!describe(failure).empty() && !remedy(failure).empty(), "a failure has words and a remedy");

  if (const auto refusal = refusal_in(input)) {
    promise(is_ascii_line(refusal->words) && refusal->words.size() <= 200,
            "a refusal's words are made fit for the log");
  }
  const std::string clean = sanitize(input);
  promise(sanitize(clean) == clean, "what is fit for the log stays as it is");
}

const fuzz::Harness harness("relay_errors", run);

}  // namespace
