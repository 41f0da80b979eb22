// Does anything grow? Many short connections and many new sessions through one holdfast, and its memory and descriptors
// afterwards beside those after the first few of them.

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "lab/probe.hpp"
#include "support/http_unix.hpp"
#include "traffic/bed.hpp"
#include "traffic/client.hpp"
#include "traffic/content.hpp"
#include "traffic/guarded.hpp"

namespace holdfast::bench {
namespace {

using namespace std::chrono_literals;

constexpr const char* usage = R"(usage: soak [OPTION...]
Short connections and new sessions through one holdfast, against a real sshd, each connection's content checked. Fails
if the memory or the number of open descriptors has then grown. Needs no root.

  --connections N   (100000)
  --reconnects N    (1000); every tenth because the relay's session is killed, the others by `reconnect`
  --at-once N       connections at the same time (16)
  --growth PERCENT  that memory may have grown by (5)
  --holdfast PATH   the binary (the one of this build)
)";

struct Options {
  unsigned connections = 100'000;
  unsigned reconnects = 1000;
  unsigned at_once = 16;
  unsigned growth = 5;
  std::string holdfast = HOLDFAST_BINARY;
  bool help = false;
};

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  for (auto word = arguments.begin(); word != arguments.end(); ++word) {
    const std::string option = *word;
    if (option == "--help" || option == "-h") {
      options.help = true;
      continue;
    }
    if (word + 1 == arguments.end()) {
      throw std::invalid_argument(option + " is unknown or needs a value");
    }
    const std::string& value = *++word;
    if (option == "--connections") {
      options.connections = count(option, value, 100'000'000);
    } else if (option == "--reconnects") {
      options.reconnects = count(option, value, 1'000'000);
    } else if (option == "--at-once") {
      options.at_once = count(option, value);
    } else if (option == "--growth") {
      options.growth = count(option, value);
    } else if (option == "--holdfast") {
      options.holdfast = value;
    } else {
      throw std::invalid_argument("unknown option '" + option + "'");
    }
  }
  return options;
}

struct Footprint {
  Memory memory;
  std::size_t descriptors = 0;
};

class Soak {
 public:
  explicit Soak(const Options& options)
      : options_(options),
        client_(bed_, Program::holdfast,
                {.holdfast = options.holdfast,
                 .more = {"backoff: {network: {first: 1, cap: 1}, listener: {first: 1, cap: 1}}"}}) {}

  /// So many of each, well mixed.
  void go_through(unsigned connections, unsigned reconnects) {
    const unsigned rounds = std::max(reconnects, 1U);
    for (unsigned round = 0; round < rounds; ++round) {
      if (round < reconnects) {
        reconnect(round % 10 == 9);
      }
      connect(connections / rounds + (round < connections % rounds ? 1 : 0));
    }
  }

  Footprint footprint() const {
    lab::let_pass(3s);  // the last connections' ends, and the proof
    return {client_.memory(), client_.descriptors()};
  }

 private:
  void connect(unsigned connections) {
    std::atomic<unsigned> left = connections;
    std::vector<std::future<void>> threads;
    for (unsigned i = 0; i < options_.at_once; ++i) {
      threads.push_back(std::async(std::launch::async, [this, &left] {
        for (unsigned number = left; number > 0;) {
          if (left.compare_exchange_weak(number, number - 1)) {
            test::Socket visitor = client_.visit();
            transfer(visitor, number % 2 == 0 ? Way::from_device : Way::to_device, 1 + number % 20'000);
            number = left;
          }
        }
      }));
    }
    for (auto& thread : threads) {
      thread.get();
    }
  }

  void reconnect(bool by_killing) {
    const unsigned before = sessions();
    std::vector<test::Socket> cut_off;
    if (by_killing) {
      for (int i = 0; i < 5; ++i) {
        cut_off.push_back(client_.visit());
      }
      bed_.kill_sessions();
    } else if (const auto answer = request("POST", "/v1/tunnels/relay/reconnect"); answer.status != 202) {
      throw std::runtime_error("no reconnect: " + answer.body);
    }
    if (!test::wait_until([&] { return sessions() > before && bed_.listening(client_.port()); }, 60s)) {
      throw std::runtime_error("not back within a minute: " + request("GET", "/v1/status").body);
    }
  }

  unsigned sessions() const {
    client_.check_alive();
    const auto status = nlohmann::json::parse(request("GET", "/v1/status").body);
    return status.at("tunnels").at(0).at("sessions_established").get<unsigned>();
  }

  test::HttpResponse request(const std::string& method, const std::string& target) const {
    return test::http_request(client_.control_socket(), method, target);
  }

  Options options_;
  Loopback bed_;
  Client client_;
};

/// False if it has grown by more than `percent`.
bool report(const char* what, double before, double after, double percent) {
  const double growth = (after - before) / before * 100;
  const bool good = growth <= percent;
  std::printf("%-18s %9.0f %9.0f %+8.1f %%  %s\n", what, before, after, growth, good ? "" : "GROWN");
  return good;
}

int soak(const Options& options) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);

  const auto start = std::chrono::steady_clock::now();
  Soak soak(options);
  const unsigned first_connections = std::max(options.connections / 20, options.at_once);
  const unsigned first_reconnects = std::max(options.reconnects / 20, 10U);
  soak.go_through(first_connections, first_reconnects);
  const Footprint before = soak.footprint();
  soak.go_through(options.connections, options.reconnects);
  const Footprint after = soak.footprint();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;

  std::printf("%u connections and %u reconnects, after %u and %u to warm up: %.0f s\n", options.connections,
              options.reconnects, first_connections, first_reconnects, took.count());
  std::printf("%-18s %9s %9s\n", "", "before", "after");
  bool good = report("PSS, KiB", before.memory.proportional, after.memory.proportional, options.growth);
  good = report("anonymous, KiB", before.memory.anonymous, after.memory.anonymous, options.growth) && good;
  good =
      report("open descriptors", static_cast<double>(before.descriptors), static_cast<double>(after.descriptors), 0) &&
      good;
  std::fflush(stdout);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  using namespace holdfast::bench;
  try {
    const Options options = parse(std::vector<std::string>(argv + 1, argv + argc));
    if (options.help) {
      std::cout << usage;
      return 0;
    }
    return guarded([&] { return soak(options); });
  } catch (const std::invalid_argument& error) {
    std::cerr << "soak: " << error.what() << "\n" << usage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "soak: " << error.what() << "\n";
    return 1;
  }
}
