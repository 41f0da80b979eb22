#include "status/table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <vector>

namespace holdfast::status {
namespace {

// ---- words and numbers -------------------------------------------------------------------------------------------

template <typename... Arguments>
std::string formatted(const char* format, Arguments... arguments) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, arguments...);
  return text.data();
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> units{"kB", "MB", "GB", "TB", "PB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < units.size(); ++unit) value /= 1000;
  return formatted("%.1f ", value) + units.at(unit);
}

std::string milliseconds_text(Duration duration) {
  const double milliseconds = std::chrono::duration<double, std::milli>(duration).count();
  return formatted(milliseconds < 10 ? "%.1f ms" : "%.0f ms", milliseconds);
}

/// "localhost:0" whose port the relay chose becomes "localhost:41237".
std::string listener_text(const ForwardReport& forward) {
  constexpr std::string_view any_port = ":0";
  if (forward.bound_port == 0 || !forward.listener.ends_with(any_port)) return forward.listener;
  return forward.listener.substr(0, forward.listener.size() - 1) + std::to_string(forward.bound_port);
}

// ---- the table ---------------------------------------------------------------------------------------------------

struct Row {
  std::array<std::string, 7> cells;
  std::vector<std::string> notes;  ///< lines below the row
  std::string_view state_colour;
};

constexpr std::string_view green = "\x1b[32m";
constexpr std::string_view yellow = "\x1b[33m";
constexpr std::string_view red = "\x1b[31m";
constexpr std::string_view plain = "\x1b[0m";

std::string_view colour_of(const TunnelReport& tunnel) {
  switch (health(tunnel)) {
    case Health::ok:
      return green;
    case Health::warning:
      return yellow;
    case Health::critical:
    case Health::unknown:
      return red;
  }
  std::abort();
}

std::string session_note(const TunnelReport& tunnel) {
  std::string note = "session " + std::to_string(tunnel.sessions_established);
  if (!tunnel.address.empty()) note += " to " + tunnel.address;
  if (tunnel.cipher) note += ", " + *tunnel.cipher;
  if (!tunnel.cipher_reason.empty()) note += " (" + tunnel.cipher_reason + ")";
  if (tunnel.keepalive_rtt) note += ", round trip " + milliseconds_text(*tunnel.keepalive_rtt);
  return note + ", " + bytes_text(tunnel.bytes_received) + " received, " + bytes_text(tunnel.bytes_sent) + " sent";
}

/// "on the wire 1.2 MB today and 20.0 MB this month (UTC); idle 13.7 kB an hour, which makes 25.0 MB of the month".
std::string data_note(const DataReport& data) {
  std::string note =
      "on the wire " + bytes_text(data.today) + " today and " + bytes_text(data.month) + " this month (UTC)";
  if (data.idle_per_hour) note += "; idle " + bytes_text(*data.idle_per_hour) + " an hour";
  if (data.projected_month) note += ", which makes " + bytes_text(*data.projected_month) + " of the month";
  return note;
}

bool lease_is_missing(const TunnelReport& tunnel) {
  return !tunnel.lease.empty() && tunnel.lease != lease_ready && tunnel.lease != lease_off &&
         tunnel.lease != lease_opening;
}

/// "relay 1 of 2, a.example:22: in use", "...: next look in 6 min; failed 4 min ago: connect to ...".
std::string relay_note(const TunnelReport& tunnel, std::size_t index) {
  const RelayReport& relay = tunnel.relays[index];
  std::string state = relay.current && tunnel.phase.kind == PhaseKind::established ? "in use" : "";
  const auto add = [&](const std::string& text) { state += (state.empty() ? "" : "; ") + text; };
  if (relay.next_try) add("next try in " + to_text(*relay.next_try));
  if (relay.failure) add("failed " + to_text(relay.failure->age) + " ago: " + describe(relay.failure->failure));
  if (shows_wrong_key(relay)) add("what to do: " + std::string{remedy(relay.failure->failure)});
  return "relay " + std::to_string(index + 1) + " of " + std::to_string(tunnel.relays.size()) + ", " + relay.relay +
         ": " + (state.empty() ? "ready" : state);
}

/// What the relay refused before, where something else is the last error by now: a penalty, most likely.
std::optional<std::string> earlier_refusal(const TunnelReport& tunnel) {
  for (const RelayReport& relay : tunnel.relays) {
    if (!relay.current || !relay.refusal || !tunnel.last_error) continue;
    const Failure& failure = relay.refusal->failure;
    if (failure == tunnel.last_error->failure) continue;
    return "refused " + to_text(relay.refusal->age) + " ago: " + describe(failure) + ". " +
           std::string{remedy(failure.cause)};
  }
  return std::nullopt;
}

std::string timeout_words(TimeoutOf of) {
  switch (of) {
    case TimeoutOf::idle_connection:
      return "connections are closed after ";
    case TimeoutOf::session:
      return "sessions are ended at the age of ";
    case TimeoutOf::idle_lease:
      return "the lease's channel is closed after ";
  }
  std::abort();
}

/// What is known of the current relay and the way there: "connections are closed after 20 s of silence; a sign of life
/// every 10 s".
std::vector<std::string> way_notes(const TunnelReport& tunnel) {
  std::vector<std::string> notes;
  for (const RelayReport& relay : tunnel.relays) {
    if (!relay.current) continue;
    for (const Timeout& timeout : relay.timeouts) {
      const bool of_silence = timeout.of != TimeoutOf::session;
      std::string note = timeout_words(timeout.of) + to_text(timeout.after) + (of_silence ? " of silence" : "");
      if (of_silence && tunnel.probe_period) note += "; a sign of life every " + to_text(*tunnel.probe_period);
      notes.push_back(note);
    }
    if (relay.max_segment) {
      notes.push_back("large packets were lost on the way: segments of at most " + std::to_string(*relay.max_segment) +
                      " bytes");
    }
  }
  return notes;
}

/// What the changed configuration does, while the former one serves.
std::vector<std::string> change_notes(const ChangeReport& change) {
  std::vector<std::string> notes{"the former configuration serves until the changed one has logged in at " +
                                 change.relay + ": " + condition(change.phase)};
  if (!change.last_error) return notes;
  const Failure& failure = change.last_error->failure;
  notes.push_back("the changed configuration failed " + to_text(change.last_error->age) + " ago: " + describe(failure));
  notes.push_back("what to do: " + std::string{remedy(failure)});
  return notes;
}

/// "lost in the last 10 min: the session 2 times (idle timeout), the lease once (its script ended)".
std::string losses_note(const std::vector<RecentLosses>& all) {
  const auto minutes = losses_window / std::chrono::minutes{1};
  std::string note = "lost in the last " + std::to_string(minutes) + " min:";
  for (const RecentLosses& losses : all) {
    const std::string times = losses.times == 1 ? "once" : std::to_string(losses.times) + " times";
    note += std::string{&losses == &all.front() ? "" : ","} + " the " + std::string{to_string(losses.of)} +
            (losses.times == most_losses ? " at least " : " ") + times + " (" + losses.last + ")";
  }
  return note;
}

std::vector<std::string> notes_on(const TunnelReport& tunnel) {
  std::vector<std::string> notes;
  if (tunnel.change) notes = change_notes(*tunnel.change);
  for (std::size_t index = 0; tunnel.relays.size() > 1 && index < tunnel.relays.size(); ++index) {
    notes.push_back(relay_note(tunnel, index));
  }
  if (tunnel.phase.kind == PhaseKind::established) notes.push_back(session_note(tunnel));
  for (const std::string& line : tunnel.relay_says) notes.push_back("the relay says: " + line);
  if (tunnel.data) notes.push_back(data_note(*tunnel.data));
  for (std::string& note : way_notes(tunnel)) notes.push_back(std::move(note));
  if (!tunnel.losses.empty()) notes.push_back(losses_note(tunnel.losses));
  if (lease_is_missing(tunnel)) notes.push_back("no lease: " + tunnel.lease);
  if (tunnel.diagnosis) {
    notes.push_back("down for " + to_text(tunnel.diagnosis->outage) + ", at fault is the layer " +
                    std::string{to_string(tunnel.diagnosis->layer)} + ": " + tunnel.diagnosis->sentence);
    notes.push_back("what to do: " + tunnel.diagnosis->next_step);
  }
  if (tunnel.last_error) {
    const Failure& failure = tunnel.last_error->failure;
    notes.push_back("last error " + to_text(tunnel.last_error->age) + " ago: " + describe(failure));
    if (!tunnel.up && !tunnel.diagnosis) notes.push_back("what to do: " + std::string{remedy(failure)});
    if (const auto refusal = earlier_refusal(tunnel)) notes.push_back(*refusal);
  }
  for (const ForwardReport& forward : tunnel.forwards) {
    if (!forward.proof || !forward.proof->failure) continue;
    const Failure& failure = *forward.proof->failure;
    notes.push_back(describe(failure) + ". " + std::string{remedy(failure)});
  }
  if (tunnel.phase.next_retry) notes.push_back("next try in " + to_text(*tunnel.phase.next_retry));
  if (tunnel.refused_opens > 0) {
    notes.push_back("the relay opened " + std::to_string(tunnel.refused_opens) +
                    " channels that nobody asked for; all were refused");
  }
  return notes;
}

void add_rows(std::vector<Row>& rows, const TunnelReport& tunnel) {
  Row row{
      {tunnel.name, in_words(tunnel.phase), to_text(tunnel.in_state), tunnel.relay, "", "", ""}, {}, colour_of(tunnel)};
  for (const ForwardReport& forward : tunnel.forwards) {
    row.cells[4] = listener_text(forward) + " -> " + forward.target;
    row.cells[5] = condition(forward);
    row.cells[6] = std::to_string(forward.connections) + " open, " + std::to_string(forward.accepted) + " in all";
    if (forward.target_refused > 0)
      row.cells[6] += ", " + std::to_string(forward.target_refused) + " refused by target";
    rows.push_back(std::move(row));
    row = {};
  }
  if (tunnel.forwards.empty()) rows.push_back(std::move(row));
  rows.back().notes = notes_on(tunnel);
}

std::string head(const Report& report) {
  const auto up =
      std::count_if(report.tunnels.begin(), report.tunnels.end(), [](const auto& tunnel) { return tunnel.up; });
  std::string text = "holdfast " + report.version + ", running for " + to_text(report.uptime) + " as process " +
                     std::to_string(report.pid) + ": " + std::to_string(up) + " of " +
                     std::to_string(report.tunnels.size()) +
                     (report.tunnels.size() == 1 ? " tunnel up\n" : " tunnels up\n");
  if (report.libssh && !report.libssh->warning.empty()) text += "\n" + report.libssh->warning + "\n";
  if (report.log_dropped > 0) {
    text += "\n" + std::to_string(report.log_dropped) + " lines of the log were dropped: whoever reads it took none\n";
  }
  for (const std::string& problem : report.unsaved)
    text += "\nIn memory only, for it can't be written: " + problem + "\n";
  if (report.last_reload_error) {
    text += "\nThe last reload was refused; the configuration of before is still in force:\n";
    std::istringstream lines{*report.last_reload_error};
    for (std::string line; std::getline(lines, line);) text += "    " + line + "\n";
  }
  return text;
}

/// Columns on the screen: UTF-8's continuation bytes take none.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char letter) { return (letter & 0xC0) != 0x80; }));
}

std::string line_of(const Row& row, const std::array<std::size_t, 7>& widths, Colour colour) {
  std::string line;
  std::size_t owed = 0;  // blanks before the next text, so that no line ends in blanks
  for (std::size_t column = 0; column < row.cells.size(); ++column) {
    const std::string& cell = row.cells.at(column);
    if (!cell.empty()) {
      const bool coloured = colour == Colour::ansi && column == 1 && !row.state_colour.empty();
      line += std::string(owed, ' ');
      line += coloured ? std::string{row.state_colour} + cell + std::string{plain} : cell;
      owed = 0;
    }
    owed += widths.at(column) - width(cell) + 2;
  }
  return line + "\n";
}

}  // namespace

std::string table(const Report& report, Colour colour) {
  std::string text = head(report);
  if (report.tunnels.empty()) return text;

  std::vector<Row> rows{{{"TUNNEL", "STATE", "FOR", "RELAY", "FORWARD", "LISTENER", "CONNECTIONS"}, {}, ""}};
  for (const TunnelReport& tunnel : report.tunnels) add_rows(rows, tunnel);
  std::array<std::size_t, 7> widths{};
  for (const Row& row : rows) {
    for (std::size_t column = 0; column < widths.size(); ++column)
      widths.at(column) = std::max(widths.at(column), width(row.cells.at(column)));
  }
  text += "\n";
  for (const Row& row : rows) {
    text += line_of(row, widths, colour);
    for (const std::string& note : row.notes) text += "    " + note + "\n";
  }
  return text;
}

}  // namespace holdfast::status
