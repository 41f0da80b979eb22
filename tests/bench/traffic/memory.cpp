#include <algorithm>
#include <atomic>
#include <future>
#include <stdexcept>

#include "lab/probe.hpp"
#include "traffic/scenario.hpp"

namespace holdfast::bench {
namespace {

using namespace std::chrono_literals;

Client start_tunnels(Beds& beds, Program program, const Options& options, unsigned tunnels) {
  return {beds.loopback(), program, {.holdfast = options.holdfast, .tunnels = tunnels}};
}

/// Once it has not changed for four seconds: holdfast gives back what the start left two seconds after the last change,
/// and again after a proof that comes later.
Memory idle(const Client& client) {
  constexpr lab::Duration quiet = 4s;
  constexpr lab::Duration limit = 60s;
  const lab::TimePoint start = lab::Clock::now();
  lab::TimePoint changed = start;
  Memory last = client.memory();
  while (lab::Clock::now() - changed < quiet) {
    if (lab::Clock::now() - start > limit) throw std::runtime_error("the client's memory does not come to rest");
    lab::let_pass(100ms);
    const Memory now = client.memory();
    if (now.anonymous != last.anonymous) changed = lab::Clock::now();
    last = now;
  }
  return last;
}

/// The most that it has while each tunnel transfers `bytes`, first one way and then the other.
Memory loaded(const Client& client, unsigned tunnels, std::uint64_t bytes) {
  Memory most;
  for (const Way way : {Way::from_device, Way::to_device}) {
    std::vector<std::future<void>> transfers;
    std::atomic<unsigned> done = 0;
    for (unsigned tunnel = 0; tunnel < tunnels; ++tunnel) {
      transfers.push_back(std::async(std::launch::async, [&client, &done, way, tunnel, bytes] {
        const auto count = [](std::atomic<unsigned>* counter) { ++*counter; };
        const std::unique_ptr<std::atomic<unsigned>, decltype(count)> at_end(&done, count);
        test::Socket visitor = client.visit(tunnel);
        transfer(visitor, way, bytes);
      }));
    }
    while (done < tunnels) {
      const Memory now = client.memory();
      most.proportional = std::max(most.proportional, now.proportional);
      most.anonymous = std::max(most.anonymous, now.anonymous);
      lab::let_pass(10ms);
    }
    for (auto& transfer : transfers) {
      transfer.get();
    }
  }
  return most;
}

Scenario tunnels_scenario(const std::string& name, const std::string& what, Program rival, unsigned tunnels) {
  return {.name = name,
          .figures = {{.what = what + ", idle: PSS", .unit = "KiB"},
                      {.what = what + ", idle: anonymous", .unit = "KiB"},
                      {.what = what + ", loaded: PSS", .unit = "KiB"},
                      {.what = what + ", loaded: anonymous", .unit = "KiB"}},
          .measure =
              [tunnels](Program program, const Options& options, Beds& beds) {
                const Client client = start_tunnels(beds, program, options, tunnels);
                const Memory before = idle(client);
                const Memory busy = loaded(client, tunnels, options.size_mb * std::uint64_t{1'000'000} / tunnels);
                return Scenario::Values{before.proportional, before.anonymous, busy.proportional, busy.anonymous};
              },
          .rival = rival};
}

Scenario further_tunnel() {
  return {.name = "memory-further",
          .figures = {{.what = "each further tunnel of eight, idle: anonymous",
                       .unit = "KiB",
                       .wanted = Wanted{Wanted::Bound::value_at_most, 50}}},
          .measure =
              [](Program program, const Options& options, Beds& beds) {
                const double one = idle(start_tunnels(beds, program, options, 1)).anonymous;
                return Scenario::Values{(idle(start_tunnels(beds, program, options, 8)).anonymous - one) / 7};
              },
          .rival = Program::autossh};
}

}  // namespace

std::vector<Scenario> memory_scenarios() {
  using enum Wanted::Bound;
  Scenario one = tunnels_scenario("memory-1-ssh", "one tunnel", Program::ssh, 1);
  one.figures[1].wanted = Wanted{value_at_most, 1536};
  Scenario one_autossh = tunnels_scenario("memory-1-autossh", "one tunnel", Program::autossh, 1);
  one_autossh.figures[0].wanted = Wanted{ratio_at_most, 1.0};
  Scenario eight = tunnels_scenario("memory-8", "eight tunnels", Program::autossh, 8);
  eight.figures[0].wanted = Wanted{ratio_at_most, 0.2};
  return {one, one_autossh, eight, further_tunnel()};
}

}  // namespace holdfast::bench
