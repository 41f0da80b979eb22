// Runs the whole machine against model relays, seed by seed, and says which promise it broke and how to see that again.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <fstream>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "simulation/replay.hpp"
#include "simulation/run.hpp"
#include "simulation/shrink.hpp"

using namespace holdfast;
using namespace holdfast::simulation;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view usage =
    "usage: simulate [--seeds N] [--seed S] [--profile healthy|lossy|hostile|storm] [--days D] [--jobs N]\n"
    "                [--seconds T] [--shrink T] [--cost]\n"
    "       simulate --replay FILE [--shrink T]\n"
    "  --seeds N    tries seeds 1 to N, each with each profile (default: 100)\n"
    "  --seed S     only this one, or the first of N\n"
    "  --profile P  only with this one\n"
    "  --days D     of simulated time for each (default: 7)\n"
    "  --jobs N     at a time (default: all processors)\n"
    "  --seconds T  begins no further one after that\n"
    "  --shrink T   makes what broke shorter for so many seconds (default: 5; 0: not at all)\n"
    "  --cost       instead: what a device and its relay cost, of a thousand\n"
    "  --replay F   instead: what 'holdfast run --record F' wrote, with this core: does it decide the same?\n";

constexpr std::uint64_t most_shown = 3;

struct Options {
  std::uint64_t seeds = 100, first = 1, days = 7, jobs = std::max(1U, std::thread::hardware_concurrency());
  bool one = false, cost = false;
  std::optional<Duration> limit;
  Duration shrink = 5s;
  std::string replay;
  std::vector<Profile> profiles{simulation::profiles.begin(), simulation::profiles.end()};
};

std::uint64_t number(const std::string& option, const std::string& text) {
  std::size_t end = 0;
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos && text.size() < 19;
  const std::uint64_t value = digits ? std::stoull(text, &end) : 0;
  if (!digits) throw std::invalid_argument(option + " takes a number, not '" + text + "'");
  return value;
}

Profile profile_named(const std::string& name) {
  for (const Profile each : profiles) {
    if (name == to_string(each)) return each;
  }
  throw std::invalid_argument("--profile takes healthy, lossy, hostile or storm, not '" + name + "'");
}

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  bool seeds_given = false;
  for (std::size_t index = 0; index < arguments.size(); index += 2) {
    const std::string& option = arguments[index];
    if (option == "--cost") {
      options.cost = true;
      --index;
      continue;
    }
    if (index + 1 == arguments.size()) throw std::invalid_argument(option + " takes a value; see --help");
    const std::string& value = arguments[index + 1];
    if (option == "--seeds") {
      options.seeds = number(option, value);
      seeds_given = true;
    } else if (option == "--seed") {
      options.first = number(option, value);
      options.one = true;
    } else if (option == "--profile") {
      options.profiles = {profile_named(value)};
    } else if (option == "--days") {
      options.days = std::max<std::uint64_t>(1, number(option, value));
    } else if (option == "--jobs") {
      options.jobs = std::max<std::uint64_t>(1, number(option, value));
    } else if (option == "--seconds") {
      options.limit = std::chrono::seconds{number(option, value)};
    } else if (option == "--shrink") {
      options.shrink = std::chrono::seconds{number(option, value)};
    } else if (option == "--replay") {
      if (value.empty()) throw std::invalid_argument("--replay takes a file; see --help");
      options.replay = value;
    } else {
      throw std::invalid_argument("no such option: " + option + "; see --help");
    }
  }
  if (options.one && !seeds_given) options.seeds = 1;
  return options;
}

std::string command_of(std::uint64_t seed, Profile profile, const Options& options) {
  return "simulate --seed " + std::to_string(seed) + " --profile " + std::string{to_string(profile)} + " --days " +
         std::to_string(options.days);
}

std::string shown(const Violation& broken, const std::string& command) {
  return "broken: " + std::string{to_string(broken.promise)} + ": " + broken.what + "\n  promised by " +
         std::string{given_by(broken.promise)} + "\n  to see it again: " + command + "\n";
}

std::string shown(const Shrunk& shrunk, const std::string& command) {
  const std::string what =
      shrunk.by_events ? " as a unit test:\n" : " seen by the world only; what went into step():\n";
  return command + what + as_unit_test(shrunk, command) + "\n";
}

/// All that was tried so far, by all threads.
class Tally {
 public:
  explicit Tally(const Options& options) : options_(options) {}

  void add(const Outcome& outcome) {
    const std::lock_guard lock{mutex_};
    ++runs_;
    steps_ += outcome.steps;
    simulated_ += outcome.simulated;
    if (outcome.broken) ++broken_;
  }

  void show(const std::string& text) {
    const std::lock_guard lock{mutex_};
    std::cout << text << std::flush;
  }

  int finish(Duration took) const {
    const double seconds = std::chrono::duration<double>(took).count();
    const double years = std::chrono::duration<double>(simulated_).count() / 86400 / 365;
    std::printf(
        "%llu runs of seeds from %llu, %.1f simulated years, %llu steps in %.1f s: %.2f years a second, %.1f us a "
        "step\n",
        static_cast<unsigned long long>(runs_), static_cast<unsigned long long>(options_.first), years,
        static_cast<unsigned long long>(steps_), seconds, years / seconds,
        seconds * 1e6 * static_cast<double>(options_.jobs) / static_cast<double>(std::max<std::uint64_t>(steps_, 1)));
    if (broken_ > 0) std::printf("%llu of them broke a promise\n", static_cast<unsigned long long>(broken_));
    return broken_ == 0 && runs_ > 0 ? 0 : 1;
  }

  bool enough() const { return broken_ >= most_shown; }

 private:
  const Options& options_;
  std::mutex mutex_;
  std::uint64_t runs_ = 0, steps_ = 0;
  std::atomic<std::uint64_t> broken_ = 0;
  Duration simulated_{};
};

int simulate(const Options& options) {
  const TimePoint began = Clock::now();
  Tally tally{options};
  std::atomic<std::uint64_t> next = 0;
  const std::uint64_t runs = options.seeds * options.profiles.size();
  const auto work = [&] {
    while (!tally.enough()) {
      const std::uint64_t run = next++;
      if (run >= runs || (options.limit && Clock::now() - began > *options.limit)) return;
      const std::uint64_t seed = options.first + run / options.profiles.size();
      const Profile profile = options.profiles[run % options.profiles.size()];
      const Setup setup = draw_setup(seed, profile, 24h * options.days);
      const std::vector<Fault> faults = draw_faults(setup, profile);
      const Outcome outcome = play(setup, faults);
      const std::string command = command_of(seed, profile, options);
      tally.add(outcome);
      if (!outcome.broken) continue;
      tally.show(shown(*outcome.broken, command));
      if (options.shrink > 0s) tally.show(shown(shrink(setup, faults, *outcome.broken, options.shrink), command));
    }
  };
  std::vector<std::thread> threads;
  for (std::uint64_t n = 1; n < options.jobs; ++n) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return tally.finish(Clock::now() - began);
}

/// True if it decided the same and kept its promises.
bool replay_tunnel(const record::RecordedTunnel& tunnel, const Options& options) {
  const Replayed replayed = replay(tunnel);
  std::cout << tunnel.name << ": " << replayed.fed.size() << " of " << tunnel.steps.size() << " steps replayed\n";
  if (const auto& differs = replayed.differs) {
    std::cout << options.replay << ":" << differs->line
              << ": this core decides otherwise\n  recorded: " << differs->recorded << "\n  now:      " << differs->now
              << "\n";
  }
  if (!replayed.broken) return !replayed.differs;
  const std::string command = "simulate --replay " + options.replay;
  std::cout << options.replay << ":" << tunnel.steps[replayed.fed.size() - 1].line << ": "
            << shown(*replayed.broken, command) << std::flush;
  if (options.shrink > 0s)
    std::cout << shown(shrink(tunnel.spec, replayed.fed, *replayed.broken, options.shrink), command);
  return false;
}

/// No more than a recording can have.
std::string text_of(const std::string& path) {
  constexpr std::size_t most = std::size_t{64} << 20U;
  std::ifstream file{path, std::ios::binary};
  std::string text;
  std::string block(std::size_t{1} << 16U, '\0');
  while (file && text.size() <= most) {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    text.append(block, 0, static_cast<std::size_t>(file.gcount()));
  }
  if (text.size() > most)
    throw std::invalid_argument(path + " is larger than a recording; give the file that 'holdfast run --record' wrote");
  if (!file.eof()) throw std::invalid_argument("can't read " + path + "; is it a file that you may read?");
  return text;
}

int replay_file(const Options& options) {
  const auto recording = record::parse(text_of(options.replay));
  if (!recording) throw std::invalid_argument(options.replay + ":" + recording.error());
  bool good = true;
  for (const record::RecordedTunnel& tunnel : recording->tunnels) good = replay_tunnel(tunnel, options) && good;
  if (recording->lost > 0)
    std::cout << recording->lost << " steps were not recorded; what follows them can't be replayed\n";
  std::cout << "the recording ends: " << (recording->end.empty() ? "without a word" : recording->end) << "\n";
  return good ? 0 : 1;
}

/// A thousand devices, each with a relay of its own, an hour of each.
int cost() {
  constexpr std::size_t count = 1000;
  TunnelSpec spec;
  spec.name = "relay";
  spec.host_name = "relay.example";
  spec.remote_forward.push_back({"localhost", 0, TcpTarget{"localhost", 22}});
  const std::size_t before = ::mallinfo2().uordblks;
  std::deque<std::vector<Relay>> relays(count, {Relay{RelayConfig{}}});
  std::deque<Device> devices;
  for (DeviceNumber number = 0; number < count; ++number)
    devices.emplace_back(number, spec, relays[number], number, true);
  const TimePoint began = Clock::now();
  for (Device& device : devices) {
    TimePoint now{24h};
    device.boot(now);
    for (const TimePoint end = now + 1h; now < end; now = std::max(now, device.next())) device.advance(now);
  }
  const double took = std::chrono::duration<double, std::micro>(Clock::now() - began).count();
  std::uint64_t steps = 0;
  for (const Device& device : devices) steps += device.steps();
  std::printf("%zu bytes a device (0: not counted here), %zu of them its object; %.1f us a step, %.0f steps an hour\n",
              (::mallinfo2().uordblks - before) / count, sizeof(Device), took / static_cast<double>(steps),
              static_cast<double>(steps) / count);
  return 0;
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (!arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h")) {
    std::cout << usage;
    return 0;
  }
  try {
    const Options options = parse(arguments);
    if (!options.replay.empty()) return replay_file(options);
    return options.cost ? cost() : simulate(options);
  } catch (const std::invalid_argument& problem) {
    std::cerr << "simulate: " << problem.what() << "\n";
    return 2;
  }
}
