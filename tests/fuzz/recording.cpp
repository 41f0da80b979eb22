#include "record/recording.hpp"

#include "fuzz/fuzz.hpp"
#include "record/text.hpp"

namespace {

using namespace holdfast;
using fuzz::promise;

constexpr const char* beginning = R"(holdfast recording 1
tunnel 1 relay
| tunnels:
|   relay:
|     host_name: relay.example
|     user: device
|     identity_file: /key
|     remote_forward: 4649:localhost:22
)";

void try_recording(const std::string& text) {
  const auto recording = record::parse(text);
  if (recording) {
    for (const record::RecordedTunnel& tunnel : recording->tunnels) {
      for (std::size_t index = 1; index < tunnel.steps.size(); ++index)
        promise(tunnel.steps[index].at >= tunnel.steps[index - 1].at, "time does not go back");
    }
    return;
  }
  promise(!recording.error().empty() && recording.error()[0] >= '1' && recording.error()[0] <= '9',
          "what is refused has a line");
  promise(fuzz::is_harmless_line(recording.error()), "a terminal can show what is wrong");
}

/// A recording, its lines, and what begins with an event.
void run(std::string_view input) {
  try_recording(std::string{input});
  try_recording(beginning + std::string{input});
  const auto event = record::parse_event(input);
  if (!event) {
    promise(fuzz::is_harmless_line(event.error()), "a terminal can show what is wrong");
    return;
  }
  const std::string text = record::to_text(event->event);
  promise(text + std::string{event->rest} == input, "an event has one form");
  promise(fuzz::is_harmless_line(text), "a terminal can show an event");
  // The core takes any event.
  step({}, {}, event->event, TimePoint{}, [] { return 0.5; });
}

const fuzz::Harness harness("recording", run);

}  // namespace
