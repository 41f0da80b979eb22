// What does a hostile relay cost the others? One holdfast with two tunnels: a keystroke's way there and back through an
// honest relay, while a script plays the other relay, beside the same while that one is honest too.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "lab/probe.hpp"
#include "support/http_unix.hpp"
#include "support/ssh/relay.hpp"
#include "traffic/bed.hpp"
#include "traffic/client.hpp"
#include "traffic/content.hpp"
#include "traffic/guarded.hpp"

namespace holdfast::bench {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using test::RelaySession;

constexpr const char* description =
    R"(Echoes through an honest relay (a real sshd) while another relay of the same process attacks, beside echoes while it
does not, in pairs. Fails if a median of the 99th percentiles is more than --most times what it is alone. Needs no root.)";

struct Options {
  unsigned pairs = 5;
  unsigned seconds = 3;
  double most = 2;
  std::string holdfast = HOLDFAST_BINARY;
};

// ---- the attacks -----------------------------------------------------------------------------------------------

/// On a session that the client has logged in to, and runs its lease in. Ends when it likes to.
struct Attack {
  const char* name;
  test::ScriptedRelay::Script script;
};

RelaySession::Next again(std::string payload) {
  return [payload = std::move(payload)] { return payload; };
}

void until_the_lease(RelaySession& session) {
  session.handle(session.serve_until(test::channel_request("exec")));
}

test::ScriptedRelay::Script flood_of(RelaySession::Next next) {
  return [next = std::move(next)](RelaySession& session) {
    until_the_lease(session);
    session.flood(next, {.time = 2s});
  };
}

std::vector<Attack> attacks() {
  namespace say = test::say;
  return {
      {"packets of 10 bytes",
       [](RelaySession& session) {
         session.offer("session", {2 * 1024 * 1024, 10});
         until_the_lease(session);
         session.serve();
       }},
      {"a flood of channel opens",
       [](RelaySession& session) {
         until_the_lease(session);
         session.flood(
             [number = std::uint32_t{1000}]() mutable { return say::forwarded_tcpip(++number, "localhost", 1); },
             {.time = 2s});
       }},
      {"a flood of visitors",
       [](RelaySession& session) {
         until_the_lease(session);
         const test::HonestRelay::Listener held = session.listeners().at(0);
         session.flood(
             [&, number = std::uint32_t{1000}]() mutable {
               return say::forwarded_tcpip(++number, held.address, held.port);
             },
             {.time = 2s});
       }},
      {"a flood of global requests", flood_of(again(say::global_request("keepalive@openssh.com", true)))},
      {"a flood of SSH_MSG_IGNORE", flood_of(again(say::ignore(std::string(30'000, 'x'))))},
      {"opens, and answers that nobody reads",
       [](RelaySession& session) {
         until_the_lease(session);
         session.flood([number = std::uint32_t{1000}]() mutable { return say::channel_open("x11", ++number); },
                       {.time = 2s, .reading = false});
       }},
      {"an exchange of keys behind the other",
       [](RelaySession& session) {
         until_the_lease(session);
         for (const auto end = Clock::now() + 2s; Clock::now() < end;) session.rekey();
       }},
      {"noise instead of packets",
       [](RelaySession& session) {
         until_the_lease(session);
         session.flood_bytes(again(std::string(65'536, '\xff')), {.time = 2s});
       }},
      {"lines before the banner",
       [](RelaySession& session) { session.flood_bytes(again(std::string(200, 'x') + "\r\n"), {.time = 2s}); }},
  };
}

/// Honest until it is told to attack.
class Relay {
 public:
  void attack_with(const Attack* attack) { attack_ = attack; }
  std::uint16_t port() const { return relay_.port(); }
  std::string user() const { return relay_.user(); }
  std::string host() const { return relay_.host(); }
  std::string known_hosts() const { return relay_.known_hosts(); }
  unsigned attacked() const { return attacked_; }  ///< sessions up to now

 private:
  void talk(RelaySession& session) {
    // What the attack costs is to be holdfast's, not what its other end takes from the processor.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 19);
    const Attack* const attack = attack_;
    if (attack == nullptr) return session.serve();
    ++attacked_;
    attack->script(session);
  }

  std::atomic<const Attack*> attack_ = nullptr;
  std::atomic<unsigned> attacked_ = 0;
  test::ScriptedRelay relay_{[this](RelaySession& session) { talk(session); }};
};

// ---- what is measured ------------------------------------------------------------------------------------------

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double percentile_99(std::vector<double>& times) {
  std::sort(times.begin(), times.end());
  return times[times.size() * 99 / 100];
}

class Soak {
 public:
  explicit Soak(const Options& options) : options_(options), client_(bed_, Program::holdfast, client_options()) {
    const int on = 1;
    ::setsockopt(visitor_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    visitor_.send("echo\n");
  }

  /// False if the attack costs the honest tunnel too much.
  bool under(const Attack& attack) {
    std::vector<double> alone;
    std::vector<double> beside;
    std::vector<double> ratios;
    const unsigned before = relay_.attacked();
    for (unsigned pair = 0; pair < options_.pairs; ++pair) {
      relay_.attack_with(nullptr);
      if (!test::wait_until([&] { return dial() == "established"; }, 60s)) throw std::runtime_error("not back");
      alone.push_back(window(false));
      relay_.attack_with(&attack);
      new_session();
      beside.push_back(window(true));
      ratios.push_back(beside.back() / alone.back());
    }
    client_.check_alive();
    const double ratio = median(ratios);
    const bool good = ratio <= options_.most;
    std::printf("%-38s %8u %9.2f %9.2f %7.2f  %s\n", attack.name, relay_.attacked() - before, median(alone),
                median(beside), ratio, good ? "" : "TOO MUCH");
    std::fflush(stdout);
    return good;
  }

 private:
  ClientOptions client_options() {
    const std::string known_hosts = dir_ / "known_hosts";
    test::write_file(known_hosts, relay_.known_hosts());
    lab::TunnelSettings hostile = bed_.tunnel();
    hostile.host = relay_.host();
    hostile.ssh_port = relay_.port();
    hostile.user = relay_.user();
    hostile.known_hosts = known_hosts;
    hostile.port = test::free_port();
    return {.holdfast = options_.holdfast, .beside = {hostile}};
  }

  /// The 99th percentile of the echoes of one window, in ms. With `hostile` the other tunnel never waits for its next
  /// try: an attacker has all the time.
  double window(bool hostile) {
    std::vector<double> times;
    const Clock::time_point end = Clock::now() + std::chrono::seconds(options_.seconds);
    for (Clock::time_point next_session = Clock::now(); Clock::now() < end;) {
      if (hostile && Clock::now() >= next_session) {
        dial();
        next_session += 500ms;
      }
      const std::string sent(content_.next(64));
      const Clock::time_point start = Clock::now();
      visitor_.send(sent);
      if (visitor_.receive_exactly(sent.size()) != sent) throw std::runtime_error("a wrong echo");
      times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
      lab::let_pass(1ms);
    }
    return percentile_99(times);
  }

  void new_session() { test::http_request(client_.control_socket(), "POST", "/v1/tunnels/relay1/reconnect"); }

  /// Lets the tunnel to the hostile relay wait for nothing; its state.
  std::string dial() {
    const auto status = nlohmann::json::parse(test::http_request(client_.status_socket(), "GET", "/v1/status").body);
    for (const auto& tunnel : status.at("tunnels")) {
      if (tunnel.at("name") != "relay1") continue;
      const auto state = tunnel.at("state").get<std::string>();
      if (state == "backing_off") new_session();
      return state;
    }
    throw std::runtime_error("no tunnel relay1");
  }

  Options options_;
  test::TempDir dir_;
  Loopback bed_;
  Relay relay_;
  Client client_;
  Content content_;
  test::Socket visitor_ = client_.visit();
};

int soak(const Options& options) {
  Soak soak(options);
  std::printf("%-38s %8s %9s %9s %7s\n", "echo p99, ms", "sessions", "alone", "beside", "ratio");
  bool good = true;
  for (const Attack& attack : attacks()) good = soak.under(attack) && good;
  return good ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  using namespace holdfast::bench;
  Options options;
  CLI::App app{description, "soak_hostile"};
  app.add_option("--pairs", options.pairs, "Pairs of windows for each attack")
      ->capture_default_str()
      ->check(CLI::Range(1U, 1000U));
  app.add_option("--seconds", options.seconds, "What a window lasts")
      ->capture_default_str()
      ->check(CLI::Range(1U, 3600U));
  app.add_option("--most", options.most, "Times the 99th percentile alone")->capture_default_str();
  app.add_option("--holdfast", options.holdfast, "The binary")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return guarded([&] { return soak(options); });
  } catch (const std::exception& error) {
    std::cerr << "soak_hostile: " << error.what() << "\n";
    return 1;
  }
}
