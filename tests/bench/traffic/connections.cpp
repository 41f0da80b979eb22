#include <chrono>
#include <future>
#include <latch>
#include <stdexcept>

#include "lab/probe.hpp"
#include "traffic/scenario.hpp"

namespace holdfast::bench {
namespace {

using namespace std::chrono_literals;

std::vector<test::Socket> open_connections(const Client& client, unsigned count) {
  std::vector<test::Socket> open;
  while (open.size() < count) {
    open.push_back(client.visit());
  }
  return open;
}

/// Each of them has echoed once, and is then silent.
Scenario::Values idle(const Client& client, unsigned count) {
  std::vector<test::Socket> open = open_connections(client, count);
  for (test::Socket& socket : open) {
    socket.send("echo\nanybody there?");
  }
  for (test::Socket& socket : open) {
    if (socket.receive_exactly(14) != "anybody there?") {
      throw std::runtime_error("a wrong echo");
    }
  }
  lab::let_pass(1s);
  const Memory memory = client.memory();
  return {memory.proportional, memory.anonymous};
}

/// All transfer at the same time, each its share: MB/s and CPU seconds per GB, all together.
Scenario::Values active(const Client& client, unsigned count, Way way, std::uint64_t bytes) {
  std::vector<test::Socket> open = open_connections(client, count);
  std::latch start(1);
  std::vector<std::future<void>> transfers;
  transfers.reserve(count);
  const std::uint64_t share = bytes / count;
  for (test::Socket& socket : open) {
    transfers.push_back(std::async(std::launch::async, [&] {
      start.wait();
      transfer(socket, way, share);
    }));
  }
  const double cpu_before = client.cpu_seconds();
  const auto start_time = std::chrono::steady_clock::now();
  start.count_down();
  for (auto& done : transfers) {
    done.get();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_time;
  const double cpu = client.cpu_seconds() - cpu_before;
  const auto size = static_cast<double>(share * count);
  return {size / 1e6 / took.count(), cpu / (size / 1e9)};
}

}  // namespace

std::vector<Scenario> connections_scenarios() {
  std::vector<Scenario> all;
  for (const unsigned count : {200U, 1000U}) {
    const std::string number = std::to_string(count);
    const std::string name = "connections-" + number;
    all.push_back({.name = name + "-idle",
                   .figures = {{.what = number + " idle connections: PSS", .unit = "KiB"},
                               {.what = number + " idle connections: anonymous", .unit = "KiB"}},
                   .measure = [count](Program program, const Options& options, Beds& beds) {
                     return idle(start_client(beds.loopback(), program, options), count);
                   }});
    if (count == 1000) {
      all.back().figures.front().wanted = Wanted{Wanted::Bound::ratio_at_most, 0.35};
    }
    for (const Way way : {Way::from_device, Way::to_device}) {
      const std::string what = number + " active connections " + arrow(way);
      all.push_back({.name = name + (way == Way::from_device ? "-up" : "-down"),
                     .figures = {{.what = what, .unit = "MB/s"}, {.what = what + ": client CPU", .unit = "s/GB"}},
                     .measure = [count, way](Program program, const Options& options, Beds& beds) {
                       return active(start_client(beds.loopback(), program, options), count, way,
                                     options.size_mb * std::uint64_t{1'000'000} / 4);
                     }});
    }
  }
  return all;
}

}  // namespace holdfast::bench
