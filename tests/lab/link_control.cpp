#include "lab/link_control.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace holdfast::lab {
namespace {

Duration from_ms(double ms) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(ms));
}
double to_ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

std::optional<double> number(const std::string& text) {
  try {
    std::size_t used = 0;
    const double value = std::stod(text, &used);
    return used == text.size() && std::isfinite(value) && value >= 0 ? std::optional(value) : std::nullopt;
  } catch (const std::exception&) {
    return {};
  }
}

/// False if the key is unknown or the value out of range.
bool assign(LinkSettings& settings, const std::string& key, double value) {
  if (key == "delay_ms" && value <= 60'000) {
    settings.delay = from_ms(value);
  } else if (key == "jitter_ms" && value <= 60'000) {
    settings.jitter = from_ms(value);
  } else if (key == "loss" && value <= 1) {
    settings.loss = value;
  } else if (key == "rate") {
    settings.rate = static_cast<std::uint64_t>(value);
  } else if (key == "queue") {
    settings.queue = static_cast<std::size_t>(value);
  } else if (key == "order") {
    settings.keep_order = value != 0;
  } else if (key == "blackhole") {
    settings.blackhole = value != 0;
  } else {
    return false;
  }
  return true;
}

std::string set(Link& link, std::istringstream& words) {
  std::string direction;
  words >> direction;
  const bool both = direction == "both";
  if (!both && direction != "up" && direction != "down") {
    return "error: set up, down or both";
  }
  LinkSettings up = link.up.settings();
  LinkSettings down = link.down.settings();
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    const auto value = equals == std::string::npos ? std::nullopt : number(word.substr(equals + 1));
    const std::string key = word.substr(0, equals);
    if (!value || !assign(up, key, *value) || !assign(down, key, *value)) {
      return "error: " + word;
    }
  }
  if (both || direction == "up") {
    link.up.configure(up);
  }
  if (both || direction == "down") {
    link.down.configure(down);
  }
  return "ok";
}

std::string text(const LinkCounters& counters) {
  const auto pair = [](const Count& count) {
    return std::to_string(count.packets) + "/" + std::to_string(count.bytes);
  };
  return "offered=" + pair(counters.offered) + " delivered=" + pair(counters.delivered) +
         " lost=" + pair(counters.lost) + " dropped=" + pair(counters.dropped) +
         " swallowed=" + pair(counters.swallowed);
}

}  // namespace

std::string control(Link& link, std::string_view line) {
  std::istringstream words{std::string(line)};
  std::string command;
  words >> command;
  if (command == "set") {
    return set(link, words);
  }
  if (command == "flush") {
    link.up.flush();
    link.down.flush();
    return "ok";
  }
  if (command == "stats") {
    return "up " + text(link.up.counters()) + " down " + text(link.down.counters());
  }
  return "error: set, flush or stats";
}

std::string set_line(std::string_view direction, const LinkSettings& settings) {
  std::ostringstream line;
  line << "set " << direction << " delay_ms=" << to_ms(settings.delay) << " jitter_ms=" << to_ms(settings.jitter)
       << " loss=" << settings.loss << " rate=" << settings.rate << " queue=" << settings.queue
       << " order=" << settings.keep_order << " blackhole=" << settings.blackhole;
  return line.str();
}

LinkStats parse_stats(const std::string& answer) {
  LinkStats stats;
  std::istringstream words(answer);
  const auto expect = [&](const char* wanted) {
    std::string word;
    if (!(words >> word) || word != wanted) {
      throw std::runtime_error("not the link's stats: " + answer);
    }
  };
  const auto read = [&](const char* name, Count& count) {
    std::string word;
    unsigned long long packets = 0;
    unsigned long long bytes = 0;
    words >> word;
    if (std::sscanf(word.c_str(), (std::string(name) + "=%llu/%llu").c_str(), &packets, &bytes) != 2) {
      throw std::runtime_error("not the link's stats: " + answer);
    }
    count = {packets, bytes};
  };
  for (const auto& [name, counters] : {std::pair("up", &stats.up), std::pair("down", &stats.down)}) {
    expect(name);
    read("offered", counters->offered);
    read("delivered", counters->delivered);
    read("lost", counters->lost);
    read("dropped", counters->dropped);
    read("swallowed", counters->swallowed);
  }
  return stats;
}

}  // namespace holdfast::lab
