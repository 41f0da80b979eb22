#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <stdexcept>

#include "lab/probe.hpp"
#include "traffic/scenario.hpp"

namespace holdfast::bench {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// What a keystroke's way there and back takes, again and again, in ms.
std::vector<double> echo_times(test::Socket visitor, unsigned count) {
  const int on = 1;
  ::setsockopt(visitor.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  visitor.send("echo\n");
  Content content;
  std::vector<double> times;
  while (times.size() < count) {
    const std::string sent(content.next(64));
    const Clock::time_point start = Clock::now();
    visitor.send(sent);
    if (visitor.receive_exactly(sent.size()) != sent) {
      throw std::runtime_error("a wrong echo");
    }
    times.push_back(milliseconds_since(start));
  }
  return times;
}

Scenario::Values percentiles(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 99 / 100]};
}

/// A transfer without end in a thread of its own.
class BackgroundBulk {
 public:
  BackgroundBulk(const Client& client, Way way)
      : socket_(client.visit()),
        bytes_(std::async(std::launch::async, [this, way] { return transfer(socket_, way, endless, enough_); })) {}

  ~BackgroundBulk() {
    enough_ = true;
    if (bytes_.valid()) {
      ::shutdown(socket_.fd(), SHUT_RDWR);
    }
  }
  BackgroundBulk(const BackgroundBulk&) = delete;
  BackgroundBulk& operator=(const BackgroundBulk&) = delete;

  /// MB/s since the start; throws if the content was wrong.
  double stop() {
    const double seconds = milliseconds_since(start_) / 1000;
    enough_ = true;
    return static_cast<double>(bytes_.get()) / 1e6 / seconds;
  }

 private:
  std::atomic<bool> enough_ = false;
  test::Socket socket_;
  Clock::time_point start_ = Clock::now();
  std::future<std::uint64_t> bytes_;
};

/// From the visitor's connect to the target's greeting, p50 and p99 in ms.
Scenario::Values set_up_times(const Client& client, unsigned count) {
  std::vector<double> times;
  while (times.size() < count) {
    const Clock::time_point start = Clock::now();
    client.visit().close();
    times.push_back(milliseconds_since(start));
  }
  return percentiles(times);
}

std::vector<Figure> echo_figures(const std::string& what) {
  return {{.what = what + ", p50", .unit = "ms"}, {.what = what + ", p99", .unit = "ms"}};
}

}  // namespace

Scenario::Values echoes(const Client& client, unsigned connections, unsigned count) {
  std::vector<std::future<std::vector<double>>> all;
  for (unsigned i = 0; i < connections; ++i) {
    all.push_back(std::async(std::launch::async, echo_times, client.visit(), count));
  }
  std::vector<double> times;
  for (auto& one : all) {
    const std::vector<double> some = one.get();
    times.insert(times.end(), some.begin(), some.end());
  }
  client.check_alive();
  return percentiles(times);
}

Scenario::Values echoes_beside_bulk(const Client& client, Way way, unsigned count) {
  BackgroundBulk bulk(client, way);
  lab::let_pass(1s);  // until every buffer on the way is as full as it will be
  Scenario::Values values = percentiles(echo_times(client.visit(), count));
  values.push_back(bulk.stop());
  client.check_alive();
  return values;
}

std::vector<Scenario> latency_scenarios() {
  std::vector<Scenario> all{
      {.name = "echo-alone",
       .figures = echo_figures("echo alone"),
       .measure = [](Program program, const Options& options,
                     Beds& beds) { return echoes(start_client(beds.loopback(), program, options), 1, 2000); }},
      {.name = "echo-four",
       .figures = echo_figures("echo, four connections at once"),
       .measure = [](Program program, const Options& options, Beds& beds) {
         return echoes(start_client(beds.loopback(), program, options), 4, 1000);
       }}};
  for (const Way way : {Way::from_device, Way::to_device}) {
    Scenario beside{.name = way == Way::from_device ? "echo-beside-up" : "echo-beside-down",
                    .figures = echo_figures("echo beside bulk " + arrow(way)),
                    .measure = [way](Program program, const Options& options, Beds& beds) {
                      return echoes_beside_bulk(start_client(beds.loopback(), program, options), way, 500);
                    }};
    beside.figures.push_back({.what = "bulk " + arrow(way) + " beside echo", .unit = "MB/s"});
    all.push_back(beside);
  }
  all.push_back({.name = "set-up",
                 .figures = echo_figures("visitor's connect to target's greeting"),
                 .measure = [](Program program, const Options& options, Beds& beds) {
                   return set_up_times(start_client(beds.loopback(), program, options), 300);
                 }});
  return all;
}

}  // namespace holdfast::bench
