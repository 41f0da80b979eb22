#include "net/dial/banner.hpp"

#include "fuzz/fuzz.hpp"

namespace {

using holdfast::fuzz::promise;
using holdfast::net::Banner;

/// Where it is cut, how many KiB come first, and the rest.
void run(std::string_view input) {
  const std::uint8_t seed = holdfast::fuzz::take_byte(input);
  std::string bytes(std::size_t{holdfast::fuzz::take_byte(input)} % 5 * 1000, 'x');
  bytes += input;

  Banner whole;
  const Banner::Found found = whole.take(bytes);
  Banner in_pieces;
  Banner::Found last = Banner::Found::nothing_yet;
  for (const std::string_view piece : holdfast::fuzz::in_pieces(bytes, seed)) {
    const Banner::Found next = in_pieces.take(piece);
    promise(last == Banner::Found::nothing_yet || next == last, "what was found stays found");
    last = next;
  }
  promise(last == found, "in pieces it says the same as in one");
  promise(whole.is_penalty() == in_pieces.is_penalty(), "in pieces it is the same penalty");
  promise(found != Banner::Found::nothing_yet || bytes.size() < 4096, "no more than 4 KiB are read");
}

const holdfast::fuzz::Harness harness("banner", run);

}  // namespace
