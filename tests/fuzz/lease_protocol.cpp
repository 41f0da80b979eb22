#include "relay/lease_protocol.hpp"

#include <cstdlib>

#include "fuzz/fuzz.hpp"
#include "holdfast/overloaded.hpp"

namespace {

using namespace holdfast;
using namespace holdfast::relay;
using fuzz::promise;

std::string word_of(answer::Nobody why) {
  switch (why) {
    case answer::Nobody::unknown:
      return "unknown";
    case answer::Nobody::gone:
      return "gone";
    case answer::Nobody::mismatch:
      return "mismatch";
  }
  std::abort();
}

/// As lease.sh says it.
std::string line_of(const Answer& answer) {
  return std::visit(
      overloaded{
          [](const answer::Greeting& it) {
            return "holdfast " + std::to_string(it.version) + " " + std::to_string(it.sshd);
          },
          [](const answer::Unsupported& it) { return "unsupported " + it.reason; },
          [](const answer::Beat&) { return std::string{}; }, [](const answer::Noted&) { return std::string{"noted"}; },
          [](const answer::Clock& it) { return it.time ? "clock " + std::to_string(*it.time) : std::string{"clock"}; },
          [](const answer::Held& it) {
            std::string line = "held";
            for (const std::string& socket : it.listening) line += " " + socket;
            return line;
          },
          [](const answer::Keys& it) {
            std::string line = "keys";
            for (const PublicKey& key : it.keys) line += " " + key.type + " " + key.base64;
            return line;
          },
          [](const answer::Dropped&) { return std::string{"dropped"}; },
          [](const answer::Freed&) { return std::string{"free"}; },
          [](const answer::Own&) { return std::string{"own"}; },
          [](const answer::Other& it) {
            const std::string line = (it.twin ? "twin " : "other ") + it.device + " " + std::to_string(it.age.count());
            if (it.run == 0) return line;
            return line + " " + std::to_string(it.run) + " " + std::to_string(it.guard->count());
          },
          [](const answer::NotEvicted& it) {
            return word_of(it.why) + (it.listener_uid ? " " + std::to_string(*it.listener_uid) : "");
          },
          [](const answer::Denied&) { return std::string{"denied"}; },
          [](const answer::TimedOut&) { return std::string{"timeout"}; },
          [](const answer::Error&) { return std::string{"error"}; },
          [](const answer::Malformed&) { return std::string{"\n"}; }},
      answer);
}

/// What comes behind `before`, at once and in pieces.
void try_stream(const std::string& before, std::string_view bytes, std::uint8_t seed) {
  AnswerStream stream;
  stream.feed(before);
  AnswerStream in_pieces = stream;
  const std::vector<Answer> whole = stream.feed(bytes);
  std::vector<Answer> answers;
  for (const std::string_view piece : fuzz::in_pieces(bytes, seed)) {
    for (Answer& answer : in_pieces.feed(piece)) answers.push_back(std::move(answer));
  }
  promise(answers == whole, "in pieces it says the same as in one");
  for (std::size_t index = 0; index + 1 < whole.size(); ++index) {
    promise(!std::holds_alternative<answer::Malformed>(whole[index]), "nothing follows what makes no sense");
  }
  promise(whole.empty() || !std::holds_alternative<answer::Malformed>(whole.back()) || stream.feed("\nheld\n").empty(),
          "what makes no sense ends the stream");
}

/// Where it is cut, how far a login shell is from having said too much, and what comes then.
void run(std::string_view input) {
  const std::uint8_t seed = fuzz::take_byte(input);
  const std::size_t left = std::size_t{fuzz::take_byte(input)} * 2;
  const std::string_view line = input.substr(0, input.find('\n'));
  const Answer answer = parse_answer(line);
  if (!std::holds_alternative<answer::Malformed>(answer)) promise(line_of(answer) == line, "an answer has one form");

  try_stream(left == 0 ? "" : std::string(max_noise_bytes - left, ' ') + "\n", input, seed);
  try_stream("holdfast 1 4711\n", input, seed);

  for (const auto& sent : {hold_line(line, 4649), evict_line(line, 1), who_line(line, 65535),
                           hello_line(std::chrono::seconds{seed}, line)}) {
    promise(!sent || (sent->find('\n') == sent->size() - 1 && fuzz::is_harmless(*sent)), "what is sent is one line");
  }
}

const fuzz::Harness harness("lease_protocol", run);

}  // namespace
