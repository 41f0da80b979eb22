#include "record/recording.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <utility>

#include "config/load.hpp"
#include "record/text.hpp"

namespace holdfast::record {
namespace {

constexpr std::string_view magic = "holdfast recording ";
constexpr std::string_view version = "1";

std::string number_text(double value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(std::begin(buffer), std::end(buffer), value);
  return {std::begin(buffer), end};
}

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct ExactTime {
  std::string_view name;
  Duration& (*of)(TunnelSpec& spec);
};

/// The times of a tunnel. A configuration, and so what it is written as, has them in whole seconds; the simulation's
/// may be finer.
constexpr ExactTime exact_times[] = {
    {"fail_back_after", [](TunnelSpec& spec) -> Duration& { return spec.fail_back_after; }},
    {"server_alive_interval", [](TunnelSpec& spec) -> Duration& { return spec.liveness.server_alive_interval; }},
    {"connect_timeout", [](TunnelSpec& spec) -> Duration& { return spec.connect_timeout; }},
    {"drain_timeout", [](TunnelSpec& spec) -> Duration& { return spec.drain_timeout; }},
    {"rekey_limit", [](TunnelSpec& spec) -> Duration& { return spec.rekey_limit.time; }},
    {"verify_interval", [](TunnelSpec& spec) -> Duration& { return spec.verify_interval; }},
    {"network.first", [](TunnelSpec& spec) -> Duration& { return spec.backoff.network.first; }},
    {"network.cap", [](TunnelSpec& spec) -> Duration& { return spec.backoff.network.cap; }},
    {"listener.first", [](TunnelSpec& spec) -> Duration& { return spec.backoff.listener.first; }},
    {"listener.cap", [](TunnelSpec& spec) -> Duration& { return spec.backoff.listener.cap; }},
    {"refused.first", [](TunnelSpec& spec) -> Duration& { return spec.backoff.refused.first; }},
    {"refused.cap", [](TunnelSpec& spec) -> Duration& { return spec.backoff.refused.cap; }},
    {"penalty.first", [](TunnelSpec& spec) -> Duration& { return spec.backoff.penalty.first; }},
    {"penalty.cap", [](TunnelSpec& spec) -> Duration& { return spec.backoff.penalty.cap; }},
    {"reset_after", [](TunnelSpec& spec) -> Duration& { return spec.backoff.reset_after; }},
};

Duration whole_seconds(Duration exact) {
  return std::chrono::floor<std::chrono::seconds>(exact);
}

/// All that a recording says is written so.
bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char each) { return each >= 0x20 && each < 0x7f; });
}

/// What stands before the separator, or all; both are taken.
std::string_view take_until(std::string_view& text, std::string_view separator) {
  const std::size_t end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + separator.size());
  return taken;
}

bool take(std::string_view& text, std::string_view beginning) {
  if (!text.starts_with(beginning)) return false;
  text.remove_prefix(beginning.size());
  return true;
}

/// The device's keys need not be here.
class OtherDevicesFiles final : public config::Files {
 public:
  Kind private_key(const std::string&) const override { return Kind::good; }
  Kind readable_file(const std::string&) const override { return Kind::good; }
  std::optional<std::string> credentials_directory() const override { return std::nullopt; }
  std::string congestion_controls() const override { return {}; }
};

/// Speaks of no forward that the tunnel does not have.
bool fits(const TunnelEvent& event, const TunnelSpec& spec) {
  const auto* of_session = std::get_if<OfSession>(&event);
  if (of_session == nullptr) return true;
  return std::visit(
      [&](const auto& what) {
        if constexpr (requires { what.forward; }) {
          return what.forward < spec.remote_forward.size();
        } else {
          return true;
        }
      },
      of_session->event);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  tl::expected<Recording, std::string> parse() && {
    if (!first_line(take_line())) return problem();
    // A process that was ended may have left half a line.
    while (text_.find('\n') != text_.npos) {
      std::string_view line = take_line();
      if (!recording_.end.empty()) {
        wrong("something follows the end; keep one recording in a file");
      } else if (take(line, "| ")) {
        configuration_ += std::string{line} + "\n";
      } else {
        end_of_configuration();
        other_line(line);
      }
      if (!problem_.empty()) return problem();
    }
    end_of_configuration();
    if (!problem_.empty()) return problem();
    return std::move(recording_);
  }

 private:
  std::string_view take_line() {
    ++line_;
    return take_until(text_, "\n");
  }

  bool first_line(std::string_view line) {
    if (!take(line, magic)) return wrong("this is no recording; give the file that 'holdfast run --record' wrote");
    return line == version ||
           wrong("of recordings, version 1 is known here; replay it with the holdfast that wrote it");
  }

  void other_line(std::string_view line) {
    if (line.starts_with("#")) return;
    if (take(line, "tunnel ")) return tunnel(line);
    if (take(line, "exact ")) return exact(line);
    if (!is_printable(line)) {
      wrong("it has a byte that no recording has; was the line changed?");
      return;
    }
    if (take(line, "lost ")) return lost(line);
    if (take(line, "end ")) return end(line);
    step(line);
  }

  void tunnel(std::string_view line) {
    const auto read = number<std::size_t>(take_until(line, " "));
    if (read != recording_.tunnels.size() + 1) {
      wrong("tunnels are numbered from 1 on; was a line taken out?");
      return;
    }
    recording_.tunnels.push_back({std::string{line}, {}, {}});
    configuration_at_ = line_;
  }

  /// Reads the configuration of the last tunnel, whose lines are complete.
  void end_of_configuration() {
    if (configuration_.empty() && !configuration_at_) return;
    if (!configuration_at_) {
      wrong("a configuration without its tunnel; was a line taken out?");
      return;
    }
    const std::size_t first = *std::exchange(configuration_at_, std::nullopt);
    RecordedTunnel& tunnel = recording_.tunnels.back();
    auto loaded = config::parse(std::exchange(configuration_, {}), "configuration", OtherDevicesFiles{});
    if (!loaded) {
      const config::Problem& problem = loaded.error().front();
      line_ = first + static_cast<std::size_t>(problem.line);
      wrong("in the configuration: " + (problem.key.empty() ? "" : problem.key + ": ") + problem.message +
            "; was a line changed?");
    } else if (loaded->config.tunnels.size() != 1 || loaded->config.tunnels.front().name != tunnel.name) {
      line_ = first;
      wrong("its configuration is not that of one tunnel of this name; was a line changed?");
    } else {
      tunnel.spec = std::move(loaded->config.tunnels.front());
    }
  }

  /// Reads a time of the last tunnel's that YAML has only in whole seconds.
  void exact(std::string_view line) {
    const std::string_view name = take_until(line, " ");
    const auto* const known = std::find_if(std::begin(exact_times), std::end(exact_times),
                                           [&](const ExactTime& each) { return each.name == name; });
    const auto time = parse_duration(line);
    if (recording_.tunnels.empty() || !recording_.tunnels.back().steps.empty() || known == std::end(exact_times)) {
      wrong("no tunnel stands before it that has such a time; was a line moved?");
    } else if (Duration& rounded = known->of(recording_.tunnels.back().spec);
               !time || whole_seconds(*time) != whole_seconds(rounded)) {
      wrong("its time is not the configuration's, " + to_text(rounded) +
            " and less than a second; was a line changed?");
    } else {
      rounded = *time;
    }
  }

  void lost(std::string_view line) {
    const auto steps = number<std::uint64_t>(line);
    if (!steps || *steps == 0) wrong("how many steps were lost is missing; was the line changed?");
    recording_.lost += steps.value_or(0);
  }

  void end(std::string_view line) {
    recording_.end = line;
    if (line.empty()) wrong("why it ends is missing; was the line changed?");
  }

  void step(std::string_view line) {
    RecordedStep step{line_, {}, {}, {}, {}, {}};
    const auto at = parse_time(take_until(line, " "));
    if (!at) {
      wrong("it begins with no time such as 8183.25; was the line changed, or is it a newer version's?");
      return;
    }
    step.at = *at;
    const auto tunnel = number<std::size_t>(take_until(line, " "));
    if (!tunnel || *tunnel == 0 || *tunnel > recording_.tunnels.size()) {
      wrong("behind the time the number of a tunnel is missing; was a line taken out?");
      return;
    }
    auto event = parse_event(line);
    if (!event) {
      wrong(event.error() + "; was the line changed?");
      return;
    }
    step.event = std::move(event->event);
    if (!fits(step.event, recording_.tunnels[*tunnel - 1].spec)) {
      wrong("the tunnel has no such forward; was the line changed?");
      return;
    }
    line = event->rest;
    if (line.find(" -> ") == line.npos) {
      wrong("behind the event -> and the state are missing; was the line changed?");
      return;
    }
    if (!dice(take_until(line, " -> "), step.dice)) return;
    step.state = take_until(line, " : ");
    step.actions = line;
    std::vector<RecordedStep>& steps = recording_.tunnels[*tunnel - 1].steps;
    if (!steps.empty() && step.at < steps.back().at) {
      wrong("its time is before that of the tunnel's step before; was a line moved?");
    } else if (recording_.lost == 0) {
      steps.push_back(std::move(step));
    }
  }

  bool dice(std::string_view all, std::vector<double>& drawn) {
    if (!all.empty() && !take(all, " dice="))
      return wrong("between the event and -> only dice= is known; was the line changed?");
    while (!all.empty()) {
      const auto each = number<double>(take_until(all, ","));
      if (!each || !(*each >= 0 && *each <= 1)) return wrong("a dice is no number from 0 to 1; was the line changed?");
      drawn.push_back(*each);
    }
    return true;
  }

  bool wrong(std::string what) {
    if (problem_.empty()) problem_ = std::to_string(line_) + ": " + std::move(what);
    return false;
  }
  tl::unexpected<std::string> problem() const { return tl::unexpected{problem_}; }

  std::string_view text_;
  std::size_t line_ = 0;
  Recording recording_;
  std::string configuration_;
  std::optional<std::size_t> configuration_at_;
  std::string problem_;
};

}  // namespace

std::string first_lines(const std::string& made) {
  return std::string{magic} + std::string{version} + "\n# " + made + "\n";
}

std::string tunnel_lines(std::size_t number, const TunnelSpec& spec) {
  Config config;
  config.tunnels = {spec};
  config.tunnels.front().relay_selection = RelaySelection::ordered;  // they are in the order that was chosen
  std::string lines = "tunnel " + std::to_string(number) + " " + spec.name + "\n";
  const std::string yaml = config::to_yaml(config);
  for (std::string_view rest = yaml; !rest.empty();) lines += "| " + std::string{take_until(rest, "\n")} + "\n";
  for (const ExactTime& each : exact_times) {
    const Duration time = each.of(config.tunnels.front());
    if (time != whole_seconds(time)) lines += "exact " + std::string{each.name} + " " + to_text(time) + "\n";
  }
  return lines;
}

std::string step_line(std::size_t tunnel, TimePoint at, const TunnelEvent& event, const std::vector<double>& dice,
                      const Step& step) {
  std::string line = to_text(at) + " " + std::to_string(tunnel) + " " + to_text(event);
  for (std::size_t index = 0; index < dice.size(); ++index)
    line += (index == 0 ? " dice=" : ",") + number_text(dice[index]);
  line += " -> " + to_text(step.next);
  if (!step.actions.empty()) line += " : " + to_text(step.actions);
  return line + "\n";
}

std::string lost_line(std::uint64_t steps) {
  return "lost " + std::to_string(steps) + "\n";
}

std::string end_line(const std::string& why) {
  return "end " + why + "\n";
}

std::string to_text(const std::vector<TunnelAction>& actions) {
  std::string text;
  for (const TunnelAction& action : actions) text += (text.empty() ? "" : "; ") + to_text(action);
  return text;
}

tl::expected<Recording, std::string> parse(std::string_view text) {
  return Parser{text}.parse();
}

}  // namespace holdfast::record
