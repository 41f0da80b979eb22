#include "relays/row.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <regex>
#include <sstream>
#include <vector>

#include "integration/tunnel/scenario.hpp"
#include "support/pattern.hpp"
#include "support/tcp_proxy.hpp"

namespace holdfast::test {
namespace {

// ---- the document's line ------------------------------------------------------------------------------------------

class Row {
 public:
  void cell(const std::string& text) { line_ += " " + text + " |"; }
  /// For docs/relays.md, which says the same, whatever its numbers.
  void check() const {
    std::cout << "row: " << line_ << std::endl;
    CHECK(without_numbers(documented()) == without_numbers(line_));
  }

 private:
  static std::string name() { return doctest::getContextOptions()->currentTest->m_name; }

  std::string documented() const {
    std::istringstream document(read_file(HOLDFAST_RELAYS_MD));
    for (std::string line; std::getline(document, line);) {
      if (line.starts_with("| " + name() + " |")) return line;
    }
    return "docs/relays.md has no line for it";
  }

  static std::string without_numbers(const std::string& line) {
    return std::regex_replace(line, std::regex("[0-9]+(\\.[0-9]+)*"), "N");
  }

  std::string line_ = "| " + name() + " |";
};

std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

std::string seconds(std::chrono::milliseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(time.count()) / 1000);
  return text;
}

std::string code(const std::string& word) {
  return "`" + word + "`";
}

// ---- what is seen of a relay -----------------------------------------------------------------------------------

/// "OpenSSH_9.2p1 Debian-2+deb12u7"
std::string what_it_says_it_is(const RelayServer& relay) {
  constexpr std::string_view prefix = "SSH-2.0-";
  const std::string line = Socket::connect_tcp(relay.host(), relay.port()).receive_until("\n");
  return line.substr(prefix.size(), line.find_last_not_of("\r\n") + 1 - prefix.size());
}

/// The kernel's own question to a dead peer, on the relay's side of its sessions: "after 119 min", or "never". A socket
/// shows one timer only: while it waits for an acknowledgement, another one.
std::string tcp_keepalive(std::uint16_t port) {
  std::string sockets;
  REQUIRE(wait_until([&] {
    sockets = run_checked({{"ss", "-tnoH", "state", "established", "sport = :" + std::to_string(port)}});
    return !std::regex_search(sockets, std::regex("timer:\\((?!keepalive)"));
  }));
  std::smatch found;
  if (!std::regex_search(sockets, found, std::regex("timer:\\(keepalive,([0-9]+)[0-9.]*(min|sec)"))) return "never";
  return "after " + found.str(1) + (found.str(2) == "sec" ? " s" : " min");
}

std::string last_proof(const Holdfast& holdfast) {
  return holdfast.tunnel()["forwards"][0]["proof"]["result"];
}

bool has_records(const RelayServer& relay) {
  std::error_code none;
  const std::filesystem::directory_iterator all(relay.home() + "/.holdfast", none);
  return !none && begin(all) != end(all);
}

/// Up, proven, and the lease came to something: on record, or why there is none.
bool settles(const Holdfast& holdfast, const RelayServer& relay) {
  return holdfast.wait_for([&](const Json& now) {
    if (now["up"] != true || now["forwards"][0]["proof"].is_null() || now["lease"] == "opening") return false;
    return now["lease"] != "ready" || has_records(relay);
  });
}

// ---- what is tried -----------------------------------------------------------------------------------------------

const std::string greeting = "here\n";

/// Eight at once, and each has its own bytes back.
void exchange_bytes(std::uint16_t port) {
  constexpr std::size_t count = 8;
  std::vector<Socket> callers;
  for (std::size_t i = 0; i < count; ++i) {
    callers.push_back(Socket::connect_tcp("127.0.0.1", port));
    CHECK(callers.back().receive_exactly(greeting.size()) == greeting);
  }
  for (std::uint64_t piece = 0; piece < 5; ++piece) {
    const auto data_of = [piece](std::size_t i) { return Pattern(piece * count + i).next(60000); };
    for (std::size_t i = 0; i < count; ++i) callers[i].send(data_of(i));
    for (std::size_t i = 0; i < count; ++i) {
      const std::string data = data_of(i);
      CHECK((callers[i].receive_exactly(data.size()) == data));
    }
  }
  for (Socket& caller : callers) {
    caller.finish_sending();
    CHECK(caller.receive_all().empty());
  }
}

bool answers(std::uint16_t port) {
  return Socket::connect_tcp("127.0.0.1", port).receive_exactly(greeting.size()) == greeting;
}

Tunnel through(const TcpProxy& network, Tunnel tunnel) {
  tunnel.set("port", std::to_string(network.port())).set("strict_host_key_checking", "accept-new").known_hosts = "";
  return tunnel;
}

bool is_evicted(const Holdfast& holdfast) {
  REQUIRE(holdfast.says(": established"));  // which comes after it
  return holdfast.log().find("ended a dead session of this device") != std::string::npos;
}

/// The device is gone without a word; then it is there again, by another way.
Stopwatch cut_power(Holdfast& holdfast, TcpProxy& network, const Tunnel& afterwards) {
  network.freeze();
  holdfast.write_config({afterwards});
  holdfast.crash();
  const Stopwatch since_it_is_back;
  holdfast.crash_and_start();
  return since_it_is_back;
}

/// How the relay's listener of a dead device is had again.
std::string after_power_cut(const Holdfast& holdfast, const Stopwatch& watch, const std::string& remedy) {
  if (!remedy.empty()) REQUIRE(holdfast.wait_for_failure("listener_held_stale"));
  REQUIRE(holdfast.wait_for_up());
  const std::string time = seconds(watch.elapsed());
  CHECK(is_evicted(holdfast) == remedy.empty());
  return remedy.empty() ? time + ", evicted" : code("listener_held_stale") + ", " + time + " with " + remedy;
}

}  // namespace

std::optional<Place> debian(const std::string& release) {
  const std::string system = read_file("/etc/os-release");
  if (system.find("VERSION_ID=\"" + release + "\"") != std::string::npos) return Place{};
  if (::geteuid() != 0) {
    skip("only root can run another Debian's relay");
    return std::nullopt;
  }
  const Finished made = run({{HOLDFAST_TOOLS "/relay-root", release}}, 10min);
  if (made.status != success) {
    skip("no root of Debian " + release + ": " + last_line(made.errors));
    return std::nullopt;
  }
  return Place{.root = last_line(made.output)};
}

bool installed(const std::vector<std::string>& programs) {
  for (const std::string& program : programs) {
    if (run({{"sh", "-c", "command -v " + program}}).status == success) continue;
    skip(program + " is missing (tools/install-packages relays)");
    return false;
  }
  return true;
}

void relay_row(RelayServer& relay, const std::string& remedy) {
  Row row;
  row.cell(what_it_says_it_is(relay));
  const TargetServer target(greet_then_echo(greeting));
  const std::uint16_t port = free_port();
  const Tunnel direct = Tunnel::to(relay).forward(to_local(port, target.port()));
  {
    Holdfast holdfast(direct);
    REQUIRE(settles(holdfast, relay));
    CHECK(holdfast.tunnel()["attempt"] == 1);
    row.cell(holdfast.tunnel()["lease"]);
    row.cell(last_proof(holdfast));
    row.cell(tcp_keepalive(relay.port()));
    exchange_bytes(port);

    relay.stop();
    REQUIRE(holdfast.wait_for([](const Json& now) { return now["attempt"] >= 3 && now["state"] == "backing_off"; }));
    row.cell(code(holdfast.cause()));
    const Stopwatch watch;
    relay.start();
    REQUIRE(holdfast.wait_for_up());
    row.cell(seconds(watch.elapsed()));
    CHECK(answers(port));

    holdfast.signal(SIGTERM);
    CHECK(holdfast.wait() == success);
    CHECK_FALSE(is_listening(port));
  }
  TcpProxy first_way(relay.port());
  TcpProxy second_way(relay.port());
  Holdfast holdfast(through(first_way, direct));
  REQUIRE(settles(holdfast, relay));
  Tunnel watchful = through(second_way, direct);
  watchful.set("server_alive_interval", "1").set("server_alive_count_max", "1");
  const Stopwatch since_it_is_back = cut_power(holdfast, first_way, watchful);
  row.cell(after_power_cut(holdfast, since_it_is_back, remedy));
  CHECK(answers(port));

  REQUIRE(settles(holdfast, relay));
  second_way.freeze();
  REQUIRE(holdfast.wait_for_failure("relay_silent"));
  const Stopwatch watch;
  second_way.thaw();
  REQUIRE(holdfast.wait_for_up());
  row.cell(seconds(watch.elapsed()));
  CHECK(answers(port));
  row.check();
}

void account_row(Sshd& relay) {
  Row row;
  const TargetServer target(greet_then_echo(greeting));
  const std::uint16_t port = free_port();
  const Tunnel direct = Tunnel::to(relay).forward(to_local(port, target.port()));
  TcpProxy network(relay.port());
  Holdfast holdfast(through(network, direct));
  REQUIRE(settles(holdfast, relay));
  CHECK(answers(port));
  const std::string lease = holdfast.tunnel()["lease"];
  row.cell(lease);
  row.cell(last_proof(holdfast));
  CHECK(holdfast.tunnel()["attempt"] == 1);

  cut_power(holdfast, network, direct);
  REQUIRE(holdfast.wait_for([](const Json& now) {
    return now["up"] == true || (now["forwards"][0]["state"] == "refused" && now["lease"] != "opening");
  }));
  if (holdfast.tunnel()["up"] == true) {
    row.cell(is_evicted(holdfast) ? "evicted" : "had at once");
    CHECK(answers(port));
  } else {
    row.cell(code(holdfast.cause()));
  }
  row.check();
}

}  // namespace holdfast::test
