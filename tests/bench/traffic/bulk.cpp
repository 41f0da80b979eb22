#include <chrono>

#include "traffic/content.hpp"
#include "traffic/scenario.hpp"

namespace holdfast::bench {
namespace {

struct Cipher {
  std::string name;     ///< in the row's
  std::string what;     ///< in the table
  std::string ciphers;  ///< empty: each one's default
  Wanted cpu_up;
  Wanted cpu_down;
};

Scenario bulk_on_loopback(Way way, const Cipher& cipher) {
  using enum Wanted::Bound;
  const bool up = way == Way::from_device;
  const std::string what = "bulk " + arrow(way) + ", " + cipher.what;
  Scenario scenario{
      .name = std::string("bulk-") + (up ? "up-" : "down-") + cipher.name,
      .figures = {{.what = what, .unit = "MB/s"},
                  {.what = what + ": client CPU", .unit = "s/GB", .wanted = up ? cipher.cpu_up : cipher.cpu_down}},
      .measure = [way, ciphers = cipher.ciphers](Program program, const Options& options, Beds& beds) {
        Client client(beds.loopback(), program, {.holdfast = options.holdfast, .ciphers = ciphers});
        return bulk(client, way, options.size_mb * std::uint64_t{1'000'000});
      }};
  if (cipher.ciphers.empty()) {
    scenario.figures[0].wanted = Wanted{ratio_at_least, up ? 1.2 : 1.0};
  }
  return scenario;
}

Scenario bulk_far_away(Way way) {
  using enum Wanted::Bound;
  const bool up = way == Way::from_device;
  const std::string what = "bulk " + arrow(way) + ", RTT 100 ms";
  Scenario scenario{.name = up ? "bulk-up-100ms" : "bulk-down-100ms",
                    .figures = {{.what = what, .unit = "MB/s"}, {.what = what + ": client CPU", .unit = "s/GB"}},
                    .measure = [way](Program program, const Options& options, Beds& beds) {
                      return bulk(start_client(beds.far_loopback(), program, options), way,
                                  options.size_mb * std::uint64_t{1'000'000} / 4);
                    }};
  if (!up) {
    scenario.figures[0].wanted = Wanted{ratio_at_least, 1.5};
  }
  return scenario;
}

}  // namespace

Scenario::Values bulk(const Client& client, Way way, std::uint64_t bytes) {
  {
    test::Socket warm_up = client.visit();
    transfer(warm_up, way, 2'000'000);
  }
  const double cpu_before = client.cpu_seconds();
  test::Socket visitor = client.visit();
  const auto start = std::chrono::steady_clock::now();
  transfer(visitor, way, bytes);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const double cpu = client.cpu_seconds() - cpu_before;
  const auto size = static_cast<double>(bytes);
  return {size / 1e6 / took.count(), cpu / (size / 1e9)};
}

std::vector<Scenario> bulk_scenarios() {
  using enum Wanted::Bound;
  std::vector<Scenario> all;
  for (const Cipher& cipher :
       {Cipher{"default", "each one's default", "", {ratio_at_most, 0.65}, {ratio_at_most, 0.75}},
        Cipher{"chacha20",
               "chacha20-poly1305",
               "chacha20-poly1305@openssh.com",
               {ratio_at_most, 0.75},
               {ratio_at_most, 0.85}},
        Cipher{"aes128gcm", "aes128-gcm", "aes128-gcm@openssh.com", {ratio_at_most, 1.05}, {ratio_at_most, 1.15}}}) {
    for (const Way way : {Way::from_device, Way::to_device}) {
      all.push_back(bulk_on_loopback(way, cipher));
    }
  }
  all.push_back(bulk_far_away(Way::from_device));
  all.push_back(bulk_far_away(Way::to_device));
  return all;
}

}  // namespace holdfast::bench
