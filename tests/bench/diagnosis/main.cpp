// For each fault: seconds until `holdfast doctor` has named it, and until `ssh -vvv` ends, with its last words.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "lab/atlas/atlas.hpp"
#include "support/net.hpp"
#include "support/process.hpp"
#include "support/targets.hpp"
#include "support/temp_dir.hpp"

namespace holdfast::bench {
namespace {

using lab::Bedside;
using lab::Clock;
using lab::Duration;
using lab::Lab;
using lab::TimePoint;

constexpr auto patience = std::chrono::seconds{45};

/// What stands in the relay's place has to outlive the look.
struct Made {
  std::optional<test::TargetServer> instead{};
};

struct Fault {
  std::string name;
  std::string cause;  ///< that the doctor has to name
  std::function<void(Bedside&, Made&)> make;
};

void on_the_way(Bedside& bedside, const std::string& hook, const std::string& rule) {
  bedside.lab.carrier().run(
      {"nft", "-f", "-"}, "table ip fault {\n chain act {\n  type filter hook " + hook + ";\n  " + rule + "\n }\n}\n");
}

void answer_instead(Bedside& bedside, Made& made, test::Conversation conversation) {
  bedside.relay.terminate();
  const lab::InNetwork here(bedside.lab.relay());
  made.instead.emplace(std::move(conversation), test::Listener::tcp_everywhere(Lab::ssh_port));
}

std::vector<Fault> faults() {
  return {
      {"the link is switched off", "link_down", [](Bedside& bedside, Made&) { bedside.lab.set_device_link(false); }},
      {"no default route", "no_default_route",
       [](Bedside& bedside, Made&) { bedside.lab.device().ip("route del default\n"); }},
      {"the gateway does not answer ARP", "gateway_silent",
       [](Bedside& bedside, Made&) {
         bedside.lab.plug_in_cable();
         bedside.lab.carrier().ip("link set wire0 arp off\n");
       }},
      {"the name server does not answer", "nameserver_silent",
       [](Bedside& bedside, Made&) {
         bedside.lab.forget_relay_name();
         bedside.lab.device().run({"sh", "-c", "echo nameserver 192.0.2.53 >/etc/resolv.conf"});
       }},
      {"answers come from another address", "answered_from_elsewhere",
       [](Bedside& bedside, Made&) {
         on_the_way(bedside, "postrouting priority 300", "ip saddr 198.51.100.2 ip saddr set 198.51.100.9");
       }},
      {"large packets vanish", "path_mtu",
       [](Bedside& bedside, Made&) { on_the_way(bedside, "forward priority -10", "meta length > 1300 drop"); }},
      {"a firewall drops the port", "connection_timed_out",
       [](Bedside& bedside, Made&) { on_the_way(bedside, "forward priority -10", "tcp dport { 22, 443 } drop"); }},
      {"sshd does not run", "connection_refused", [](Bedside& bedside, Made&) { bedside.relay.terminate(); }},
      {"a web server answers", "captive_portal",
       [](Bedside& bedside, Made& made) {
         answer_instead(bedside, made, [](test::Socket& socket) {
           socket.receive();
           socket.send("HTTP/1.1 400 Bad Request\r\n\r\n");
         });
       }},
      {"what answers says nothing", "no_banner",
       [](Bedside& bedside, Made& made) {
         answer_instead(bedside, made, [](test::Socket& socket) { socket.receive_all(); });
       }},
      {"the key is not taken", "authentication_refused",
       [](Bedside& bedside, Made&) { bedside.subject.settings().user = "nobody-there"; }},
      {"somebody has the listener's port", "listener_held_live",
       [](Bedside& bedside, Made& made) {
         const lab::InNetwork here(bedside.lab.relay());
         made.instead.emplace(test::greet_then_echo("hello\r\n"), test::Listener::tcp(lab::Site::tunnel_port));
       }},
      {"the target is down", "target_down", [](Bedside& bedside, Made&) { bedside.stop_target(); }},
  };
}

struct Row {
  std::vector<double> doctor;
  std::vector<double> ssh;  ///< none for a run that patience ended
  std::string answer;
  std::string words;  ///< of ssh, the last time
};

std::string last_line(const std::string& text) {
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == '|')) line.pop_back();
    if (!line.empty()) last = line;
  }
  return last;
}

double seconds_of(Duration time) {
  return std::chrono::duration<double>(time).count();
}

void measure(const Fault& fault, Row& row) {
  Bedside bedside;
  Made made;
  fault.make(bedside, made);
  test::Command ssh{.argv = lab::ssh_arguments(bedside.subject.settings())};
  ssh.argv.insert(ssh.argv.begin(), {"timeout", std::to_string(patience.count()), "ssh", "-vvv"});
  const TimePoint began = Clock::now();
  const test::Finished finished = test::run(bedside.lab.device().on(ssh), patience + std::chrono::seconds{15});
  constexpr int ended_by_timeout = 124;
  if (finished.status.code != ended_by_timeout) row.ssh.push_back(seconds_of(Clock::now() - began));
  row.words = last_line(finished.errors);
  const lab::Seen seen = bedside.examine();
  row.doctor.push_back(seconds_of(seen.took));
  row.answer = seen.cause();
}

std::string median(std::vector<double> values, unsigned runs) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = runs / 2;
  if (middle >= values.size()) return "> " + std::to_string(patience.count());
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", values[middle]);
  return text;
}

int run(unsigned runs) {
  bool all_named = true;
  std::cout << "| fault | holdfast doctor, s | it names | ssh -vvv, s | ssh's last words |\n|---|--:|---|--:|---|\n";
  for (const Fault& fault : faults()) {
    Row row;
    for (unsigned at = 0; at < runs; ++at) measure(fault, row);
    all_named = all_named && row.answer == fault.cause;
    std::cout << "| " << fault.name << " | " << median(row.doctor, runs) << " | `" << row.answer << "` | "
              << median(row.ssh, runs) << " | " << row.words << " |" << std::endl;
  }
  return all_named ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  try {
    if (argc != 1 && (argc != 3 || std::string{argv[1]} != "--runs"))
      throw std::invalid_argument("usage: bench_diagnosis [--runs N]");
    return holdfast::bench::run(argc == 3 ? holdfast::bench::count("--runs", argv[2]) : 3);
  } catch (const std::exception& error) {
    std::cerr << "bench_diagnosis: " << error.what() << '\n';
    return 2;
  }
}
