// The model relay says what a real sshd says: each case is tried at both.
#include "support/sshd.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <list>

#include "integration/relay/lease_fixture.hpp"
#include "relay/script.hpp"
#include "simulation/relay.hpp"
#include "support/net.hpp"
#include "support/wait.hpp"

using namespace holdfast;
using namespace holdfast::test;
using simulation::LeaseKind;
using simulation::RelayConfig;

namespace {

struct Knocking {
  KnockAnswer answer{};
  bool speaks = false;

  friend bool operator==(const Knocking&, const Knocking&) = default;
};

/// OpenSSH's own server and clients.
class Real {
 public:
  explicit Real(const RelayConfig& config = {}) : sshd_({.config = lines_for(config)}) {
    if (config.lease == LeaseKind::none) sshd_.account().set_shell("/usr/sbin/nologin");
  }

  using Client = std::list<Process>::iterator;

  /// A session with a listener; none if the relay refuses it.
  std::optional<Client> holds(std::uint16_t port) {
    sessions_.emplace_back(command({"-N", "-v", "-o", "ExitOnForwardFailure=yes", "-R", forward(port)}));
    const Client session = std::prev(sessions_.end());
    const auto says = [&](const char* what) { return session->errors().find(what) != std::string::npos; };
    REQUIRE(wait_until([&] { return says("remote forward success") || says("remote port forwarding failed"); }));
    if (says("remote forward success")) return session;
    sessions_.erase(session);
    return std::nullopt;
  }
  void vanishes(Client session) { session->signal(SIGSTOP); }
  void ends(Client session) { sessions_.erase(session); }
  void relay_lets_go_of(std::uint16_t port) {
    CHECK(wait_until([&] { return !is_listening(port); }));
  }

  Knocking knocks(std::uint16_t port) {
    Process client{command({"-vv", "-W", "localhost:" + std::to_string(port)})};
    const auto says = [&](const char* what) { return client.errors().find(what) != std::string::npos; };
    REQUIRE(wait_until([&] { return says("open confirm") || says("open failed"); }));
    if (says("administratively prohibited")) return {KnockAnswer::not_permitted, false};
    if (says("Connection refused")) return {KnockAnswer::nobody_listens, false};
    return {KnockAnswer::opened, !holds_for([&] { return client.output().empty(); }, 400ms)};
  }

  /// A connection that does not log in; false if it is turned away.
  bool connects() {
    Socket socket = Socket::connect_tcp("127.0.0.1", sshd_.port());
    if (!socket.receive_until("\n").starts_with("SSH-2.0-")) return false;
    sockets_.push_back(std::move(socket));
    return true;
  }
  void one_leaves() { sockets_.pop_front(); }

  bool has_a_lease() { return script("device") != nullptr; }
  /// A session of this device with a listener and a record of it.
  void holds_and_records(std::uint16_t port, const std::string& device) {
    leased_.emplace_back(
        command({"-T", "-o", "ExitOnForwardFailure=yes", "-R", forward(port)}, relay::exec_command(false)));
    REQUIRE(leased_.back().ask("hello 1 600 " + device).starts_with("holdfast 1 "));
    REQUIRE(leased_.back().ask("hold localhost " + std::to_string(port)) == "held");
  }
  void all_that_recorded_vanish() {
    for (Conversation& each : leased_) each.process().signal(SIGSTOP);
  }
  EvictOutcome evicts(std::uint16_t port, const std::string& device) {
    const std::string answer = script(device)->ask("evict localhost " + std::to_string(port));
    if (answer == "free") return EvictOutcome::freed;
    return answer.starts_with("other ") ? EvictOutcome::other_device : EvictOutcome::not_ours;
  }

 private:
  static std::vector<std::string> lines_for(const RelayConfig& config) {
    std::vector<std::string> lines;
    if (!config.knocks) lines.emplace_back("PermitOpen none");
    if (config.max_startups != 100) lines.push_back("MaxStartups " + std::to_string(config.max_startups));
    if (config.forgets_after < 10s) lines.insert(lines.end(), {"ClientAliveInterval 1", "ClientAliveCountMax 1"});
    return lines;
  }
  Command command(const std::vector<std::string>& options, const std::string& what = "") const {
    return Command{sshd_.ssh_command(options, what)};
  }
  std::string forward(std::uint16_t port) const {
    return std::to_string(port) + ":127.0.0.1:" + std::to_string(sshd_.port()) /* which speaks first */;
  }
  /// Null if there is no script.
  Conversation* script(const std::string& device) {
    scripts_.emplace_back(command({"-T"}, relay::exec_command(false)));
    return scripts_.back().ask("hello 1 600 " + device).starts_with("holdfast 1 ") ? &scripts_.back() : nullptr;
  }

  Sshd sshd_;
  std::list<Process> sessions_;
  std::list<Conversation> leased_, scripts_;
  std::list<Socket> sockets_;
};

class Model {
 public:
  explicit Model(const RelayConfig& config = {}) : relay_(config) {}

  using Client = simulation::SessionNumber;

  std::optional<Client> holds(std::uint16_t port) {
    const Client session = log_in(1);
    if (relay_.listen(session, port, now_)) return session;
    relay_.ended(session);
    return std::nullopt;
  }
  void vanishes(Client session) { relay_.abandoned(session, now_); }
  void ends(Client session) { relay_.ended(session); }
  void relay_lets_go_of(std::uint16_t) { now_ += relay_.config().forgets_after; }
  Knocking knocks(std::uint16_t port) {
    const auto opened = relay_.knock(port, true, now_);
    return {opened.answer, opened.speaks};
  }
  bool connects() { return relay_.lets_in(now_); }
  void one_leaves() { relay_.left(0s, now_); }

  bool has_a_lease() { return relay_.open_lease(log_in(1), 10min, now_); }
  void holds_and_records(std::uint16_t port, const std::string& device) {
    recorded_.push_back(log_in(number_of(device)));
    REQUIRE(relay_.open_lease(recorded_.back(), 10min, now_));
    REQUIRE(relay_.listen(recorded_.back(), port, now_));
    relay_.record(recorded_.back(), port);
  }
  void all_that_recorded_vanish() {
    for (const Client each : recorded_) relay_.abandoned(each, now_);
  }
  EvictOutcome evicts(std::uint16_t port, const std::string& device) {
    return relay_.evict(number_of(device), port, false, now_).outcome;
  }

 private:
  static simulation::DeviceNumber number_of(const std::string& device) { return device == "device" ? 1 : 2; }
  Client log_in(simulation::DeviceNumber device) {
    REQUIRE(relay_.lets_in(now_));
    return relay_.logged_in(device, now_);
  }

  simulation::Relay relay_;
  std::vector<Client> recorded_;
  TimePoint now_{1h};
};

}  // namespace

TEST_CASE_TEMPLATE("a listener is granted once, and again when its session has ended", Server, Real, Model) {
  Server server;
  const std::uint16_t port = free_port();
  const auto first = server.holds(port);
  REQUIRE(first);
  CHECK_FALSE(server.holds(port));
  server.ends(*first);
  CHECK(wait_until([&] { return server.knocks(port).answer == KnockAnswer::nobody_listens; }));
  CHECK(server.holds(port));
}

TEST_CASE_TEMPLATE("a session whose device is gone keeps its listener until the relay gives it up", Server, Real,
                   Model) {
  RelayConfig forgetful;
  forgetful.forgets_after = 2s;
  Server server{forgetful};
  const std::uint16_t port = free_port();
  const auto first = server.holds(port);
  REQUIRE(first);
  server.vanishes(*first);
  CHECK_FALSE(server.holds(port));
  server.relay_lets_go_of(port);
  CHECK(server.holds(port));
}

TEST_CASE_TEMPLATE("a knock tells a living listener, a silent one, and none", Server, Real, Model) {
  Server server;
  const std::uint16_t port = free_port();
  CHECK(server.knocks(port) == Knocking{KnockAnswer::nobody_listens, false});
  const auto session = server.holds(port);
  REQUIRE(session);
  CHECK(server.knocks(port) == Knocking{KnockAnswer::opened, true});
  server.vanishes(*session);
  CHECK(server.knocks(port) == Knocking{KnockAnswer::opened, false});
}

TEST_CASE_TEMPLATE("where nothing may be opened, nobody may knock", Server, Real, Model) {
  RelayConfig closed;
  closed.knocks = false;
  Server server{closed};
  CHECK(server.knocks(free_port()) == Knocking{KnockAnswer::not_permitted, false});
}

TEST_CASE_TEMPLATE("the lease evicts what this device has recorded, and nobody else's", Server, Real, Model) {
  Server server;
  REQUIRE(server.has_a_lease());
  const std::uint16_t port = free_port(), others = free_port(), unrecorded = free_port();
  server.holds_and_records(port, "device");
  server.holds_and_records(others, "stranger");
  REQUIRE(server.holds(unrecorded));
  server.all_that_recorded_vanish();
  CHECK(server.evicts(others, "device") == EvictOutcome::other_device);
  CHECK(server.evicts(unrecorded, "device") == EvictOutcome::not_ours);
  CHECK_FALSE(server.holds(port));
  CHECK(server.evicts(port, "device") == EvictOutcome::freed);
  CHECK(server.holds(port));
  CHECK_FALSE(server.holds(others));
}

TEST_CASE_TEMPLATE("an account without a shell has no lease", Server, Real, Model) {
  RelayConfig closed;
  closed.lease = LeaseKind::none;
  Server server{closed};
  CHECK_FALSE(server.has_a_lease());
}

TEST_CASE_TEMPLATE("as many as MaxStartups may be on their way to the login, and one more when one leaves", Server,
                   Real, Model) {
  RelayConfig narrow;
  narrow.max_startups = 2;
  narrow.penalties = false;
  Server server{narrow};
  CHECK(server.connects());
  CHECK(server.connects());
  CHECK_FALSE(server.connects());
  server.one_leaves();
  CHECK(wait_until([&] { return server.connects(); }));
}
