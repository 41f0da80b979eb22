#include "net/dial/connector.hpp"

#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <list>
#include <utility>

#include "integration/net/loop.hpp"
#include "support/wait.hpp"

using namespace holdfast;
using namespace holdfast::net;
using holdfast::test::run_until;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

struct Listening {
  explicit Listening(asio::io_context& loop, const char* address = "127.0.0.1")
      : acceptor(loop, tcp::endpoint(asio::ip::make_address(address), 0)) {}
  tcp::endpoint endpoint() const { return acceptor.local_endpoint(); }

  tcp::acceptor acceptor;
};

/// Bound, so that nobody else gets the port, but not listening: answers a SYN with RST.
struct Refusing {
  explicit Refusing(asio::io_context& loop) : socket(loop, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}
  tcp::endpoint endpoint() const { return socket.local_endpoint(); }

  tcp::socket socket;
};

/// A listener whose queue is full: the kernel drops the SYNs to it.
struct Silent {
  explicit Silent(asio::io_context& loop) : acceptor(loop) {
    acceptor.open(tcp::v4());
    acceptor.bind({asio::ip::address_v4::loopback(), 0});
    acceptor.listen(0);
    const tcp::endpoint address = acceptor.local_endpoint();
    for (int i = 0; i < 4; ++i) {
      tcp::socket& client = clients.emplace_back(loop, tcp::v4());
      client.native_non_blocking(true);
      static_cast<void>(::connect(client.native_handle(), address.data(), static_cast<socklen_t>(address.size())));
    }
    REQUIRE(test::wait_until([this] { return connected(clients.front()); }));
    REQUIRE_FALSE(connected(clients.back()));
  }
  static bool connected(tcp::socket& socket) {
    pollfd entry{socket.native_handle(), POLLOUT, 0};
    return ::poll(&entry, 1, 0) == 1;
  }
  tcp::endpoint endpoint() const { return acceptor.local_endpoint(); }

  tcp::acceptor acceptor;
  std::list<tcp::socket> clients;
};

struct Outcome {
  int calls = 0;
  std::optional<tl::expected<tcp::socket, Failure>> result;

  ConnectHandler handler() {
    return [this](auto socket) {
      ++calls;
      result.emplace(std::move(socket));
    };
  }
};

class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const rlimit none{0, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

 private:
  rlimit before_{};
};

Failure failure_of(asio::io_context& loop, Endpoints endpoints, ConnectOptions options = {}) {
  Outcome outcome;
  const auto operation = connect(loop.get_executor(), std::move(endpoints), std::move(options), outcome.handler());
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  REQUIRE_FALSE(*outcome.result);
  return outcome.result->error();
}

int option(tcp::socket& socket, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  REQUIRE(::getsockopt(socket.native_handle(), level, name, &value, &size) == 0);
  return value;
}

}  // namespace

TEST_CASE("a connected socket has the options that were asked for") {
  asio::io_context loop;
  const Listening listening(loop);
  Outcome outcome;
  ConnectOptions options;
  options.user_timeout = std::chrono::seconds{240};
  SUBCASE("with keep-alive") {
    options.tcp_keep_alive = true;
  }
  SUBCASE("without keep-alive") {
    options.tcp_keep_alive = false;
  }
  const auto operation = connect(loop.get_executor(), {listening.endpoint()}, options, outcome.handler());
  CHECK(outcome.calls == 0);
  loop.poll_one();
  CHECK(outcome.calls == 0);
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  REQUIRE(*outcome.result);
  tcp::socket& socket = **outcome.result;
  CHECK(socket.remote_endpoint() == listening.endpoint());
  CHECK(option(socket, IPPROTO_TCP, TCP_NODELAY) == 1);
  CHECK(option(socket, SOL_SOCKET, SO_KEEPALIVE) == (options.tcp_keep_alive ? 1 : 0));
  CHECK(option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT) == 240'000);
}

TEST_CASE("a keepalive that is not acknowledged is sent again after a quarter of the time, a second at least") {
  asio::io_context loop;
  const Listening listening(loop);
  const auto check = [&](Duration after, int idle, int again) {
    Outcome outcome;
    ConnectOptions options;
    options.keepalive_after = after;
    const auto operation = connect(loop.get_executor(), {listening.endpoint()}, options, outcome.handler());
    REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
    REQUIRE(*outcome.result);
    CHECK(option(**outcome.result, IPPROTO_TCP, TCP_KEEPIDLE) == idle);
    CHECK(option(**outcome.result, IPPROTO_TCP, TCP_KEEPINTVL) == again);
  };
  check(std::chrono::minutes{1}, 60, 15);
  check(std::chrono::seconds{5}, 5, 2);
  check(std::chrono::seconds{1}, 1, 1);
  check(std::chrono::hours{48}, 32767, 32767);
}

TEST_CASE("a connected socket has the congestion control that was asked for, or the kernel's own") {
  asio::io_context loop;
  const Listening listening(loop);
  const auto connected_with = [&](const std::string& name) {
    Outcome outcome;
    ConnectOptions options;
    options.congestion_control = name;
    const auto operation = connect(loop.get_executor(), {listening.endpoint()}, options, outcome.handler());
    REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
    REQUIRE(*outcome.result);
    return congestion_control(**outcome.result);
  };
  const std::string own = connected_with("");
  CHECK_FALSE(own.empty());
  CHECK(connected_with("reno") == "reno");  // is built in, and allowed to all
  CHECK(connected_with("nonesuch") == own);
}

TEST_CASE("a refused connection names the endpoint") {
  asio::io_context loop;
  const Refusing refusing(loop);
  const Failure failure = failure_of(loop, {refusing.endpoint()});
  CHECK(failure.cause == Cause::connection_refused);
  CHECK(failure.operation == "connect to");
  CHECK(failure.subject == "127.0.0.1:" + std::to_string(refusing.endpoint().port()));
  CHECK(failure.detail == "Connection refused");
}

TEST_CASE("after a refused endpoint the next one is tried at once") {
  asio::io_context loop;
  const Refusing refusing(loop);
  const Listening listening(loop);
  Endpoints endpoints(20, refusing.endpoint());
  endpoints.push_back(listening.endpoint());
  Outcome outcome;
  const auto start = std::chrono::steady_clock::now();
  const auto operation = connect(loop.get_executor(), endpoints, {}, outcome.handler());
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  REQUIRE(*outcome.result);
  // 20 attempts 250 ms apart would take 5 s.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds{2500});
}

TEST_CASE("a silent endpoint holds the next one up for 250 ms, and is closed when that wins") {
  asio::io_context loop;
  const Silent silent(loop);
  const Listening listening(loop);
  Outcome outcome;
  const std::size_t before = open_descriptors();
  const auto start = std::chrono::steady_clock::now();
  const auto operation = connect(loop.get_executor(), {silent.endpoint(), listening.endpoint()}, {}, outcome.handler());
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  REQUIRE(*outcome.result);
  CHECK((*outcome.result)->remote_endpoint() == listening.endpoint());
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds{250});
  CHECK(open_descriptors() == before + 1);
  loop.poll();
  CHECK(outcome.calls == 1);
}

TEST_CASE("each endpoint that was tried is remembered, with when, and how it failed") {
  asio::io_context loop;
  const Refusing refusing(loop);
  const Silent silent(loop);
  const Listening listening(loop);
  Outcome outcome;
  const TimePoint start = Clock::now();
  const auto operation = connect(loop.get_executor(), {refusing.endpoint(), silent.endpoint(), listening.endpoint()},
                                 {}, outcome.handler());
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  const auto& tries = operation->tries();
  REQUIRE(tries.size() == 3);
  CHECK(tries[0].endpoint == refusing.endpoint());
  CHECK(tries[0].began >= start);
  CHECK(tries[0].ended >= tries[0].began);
  CHECK(tries[0].failure.value().cause == Cause::connection_refused);
  CHECK(tries[1].endpoint == silent.endpoint());
  CHECK_FALSE(tries[1].ended);  // given up when the last one connected
  CHECK_FALSE(tries[1].failure);
  CHECK(tries[2].endpoint == listening.endpoint());
  CHECK(tries[2].ended >= tries[2].began);
  CHECK_FALSE(tries[2].failure);
}

TEST_CASE("of several failures the one that got furthest is told, whatever the order") {
  asio::io_context loop;
  const Refusing refusing(loop);
  // An IPv6 socket can't be bound to an IPv4 address.
  ConnectOptions options;
  options.bind_address = "127.0.0.1";
  const tcp::endpoint other_family(asio::ip::address_v6::loopback(), refusing.endpoint().port());
  CHECK(failure_of(loop, {refusing.endpoint(), other_family}, options).cause == Cause::connection_refused);
  CHECK(failure_of(loop, {other_family, refusing.endpoint()}, options).cause == Cause::connection_refused);
  CHECK(failure_of(loop, {other_family}, options).cause == Cause::local_address_unavailable);
}

TEST_CASE("without an endpoint there is a failure, not a hang") {
  asio::io_context loop;
  CHECK(failure_of(loop, {}).cause == Cause::unreachable);
}

TEST_CASE("bind_address is the address that the other side sees") {
  asio::io_context loop;
  Listening listening(loop);
  Outcome outcome;
  ConnectOptions options;
  options.bind_address = "127.0.0.5";
  const auto operation = connect(loop.get_executor(), {listening.endpoint()}, options, outcome.handler());
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  REQUIRE(*outcome.result);
  CHECK(listening.acceptor.accept().remote_endpoint().address() == asio::ip::make_address("127.0.0.5"));
}

TEST_CASE("an address that is not ours can't be bound, and the failure names it") {
  asio::io_context loop;
  const Listening listening(loop);
  ConnectOptions options;
  SUBCASE("of another host") {
    options.bind_address = "192.0.2.1";
  }
  SUBCASE("not an address") {
    options.bind_address = "eth0";
  }
  const Failure failure = failure_of(loop, {listening.endpoint()}, options);
  CHECK(failure.cause == Cause::local_address_unavailable);
  CHECK(failure.operation == "bind");
  CHECK(failure.subject == options.bind_address);
}

TEST_CASE("bind_interface restricts to that interface") {
  asio::io_context loop;
  const Listening listening(loop);
  ConnectOptions options;
  options.bind_interface = "lo";
  Outcome outcome;
  const auto operation = connect(loop.get_executor(), {listening.endpoint()}, options, outcome.handler());
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  CHECK(outcome.result->has_value());

  options.bind_interface = "nonesuch0";
  const Failure failure = failure_of(loop, {listening.endpoint()}, options);
  CHECK(failure.cause == Cause::local_address_unavailable);
  CHECK(failure.subject == "nonesuch0");
}

TEST_CASE("out of descriptors is an error of this machine") {
  asio::io_context loop;
  const Refusing refusing(loop);
  const Failure failure = [&] {
    const NoMoreDescriptors limit;
    return failure_of(loop, {refusing.endpoint()});
  }();
  CHECK(failure.cause == Cause::local_error);
  CHECK(failure.detail == "Too many open files");
}

TEST_CASE("destroying the operation closes what it opened and calls nobody") {
  asio::io_context loop;
  const Silent silent(loop);
  Outcome outcome;
  const std::size_t before = open_descriptors();
  auto operation = connect(loop.get_executor(), {silent.endpoint(), silent.endpoint()}, {}, outcome.handler());
  REQUIRE(run_until(loop, [&] { return open_descriptors() == before + 2; }));
  operation.reset();
  CHECK(open_descriptors() == before);
  loop.run();
  CHECK(outcome.calls == 0);
}

TEST_CASE("the handler may destroy its operation") {
  asio::io_context loop;
  const Listening listening(loop);
  std::unique_ptr<Operation> operation;
  int calls = 0;
  operation = connect(loop.get_executor(), {listening.endpoint()}, {}, [&](auto) {
    operation.reset();
    ++calls;
  });
  loop.run();
  CHECK(calls == 1);
}

TEST_CASE("an attempt from an address that is gone fails at once, and no other does") {
  asio::io_context loop;
  const Silent silent(loop);
  Outcome outcome;
  const auto operation = connect(loop.get_executor(), {silent.endpoint()}, {}, outcome.handler());
  const std::size_t before = open_descriptors();
  REQUIRE(run_until(loop, [&] { return open_descriptors() == before + 1; }));
  operation->address_gone(asio::ip::make_address("127.0.0.9"));
  loop.poll();
  CHECK(outcome.calls == 0);
  operation->address_gone(asio::ip::make_address("127.0.0.1"));
  CHECK(outcome.calls == 0);  // never from inside
  loop.poll();
  REQUIRE(outcome.calls == 1);
  REQUIRE_FALSE(*outcome.result);
  CHECK(outcome.result->error().cause == Cause::unreachable);
  CHECK(outcome.result->error().detail == "this device's address 127.0.0.1 is gone");
}

TEST_CASE("when an attempt's address is gone the next endpoint is tried") {
  asio::io_context loop;
  const Silent silent(loop);
  const Listening listening(loop);
  Outcome outcome;
  const std::size_t before = open_descriptors();
  const auto operation = connect(loop.get_executor(), {silent.endpoint(), listening.endpoint()}, {}, outcome.handler());
  REQUIRE(run_until(loop, [&] { return open_descriptors() == before + 1; }));
  operation->address_gone(asio::ip::make_address("127.0.0.1"));
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  CHECK(*outcome.result);
}

TEST_CASE("the second choice has to wait until those that race got nowhere, or two seconds") {
  asio::io_context loop;
  const Listening second_choice(loop);
  const Silent silent(loop);
  const Refusing refusing(loop);
  ConnectOptions options;
  Endpoints racers;
  std::chrono::milliseconds least{0};
  SUBCASE("one of them is silent") {
    racers = {silent.endpoint(), refusing.endpoint()};
    least = std::chrono::milliseconds{1950};
  }
  SUBCASE("all refuse") {
    racers = {refusing.endpoint(), refusing.endpoint()};
  }
  options.racing = racers.size();
  racers.push_back(second_choice.endpoint());
  const auto start = std::chrono::steady_clock::now();
  Outcome outcome;
  const auto operation = connect(loop.get_executor(), racers, options, outcome.handler());
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  REQUIRE(*outcome.result);
  CHECK((*outcome.result)->remote_endpoint() == second_choice.endpoint());
  const auto waited = std::chrono::steady_clock::now() - start;
  CHECK(waited >= least);
  CHECK((least.count() > 0 || waited < std::chrono::milliseconds{1000}));
}
