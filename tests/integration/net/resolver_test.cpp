#include "net/resolver.hpp"

#include <doctest/doctest.h>
#include <netdb.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "integration/net/loop.hpp"
#include "net/disk.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::net;
using holdfast::test::run_until;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

tcp::endpoint at(const char* address, std::uint16_t port = 22) {
  return {asio::ip::make_address(address), port};
}

/// Lookups that wait until they are let go, as those of a dead DNS server do.
class HeldLookup {
 public:
  ~HeldLookup() { release({}); }

  Lookup function() {
    return [state = state_](const std::string&, std::uint16_t, AddressFamily) {
      ++state->started;
      return state->answer.get();
    };
  }
  void release(Answer answer) {
    if (!std::exchange(released_, true)) state_->promise.set_value(std::move(answer));
  }
  int started() const { return state_->started; }
  /// Whether no thread and no Resolver holds the function any more.
  bool let_go() const { return state_.use_count() == 1; }

 private:
  struct State {
    std::promise<Answer> promise;
    std::shared_future<Answer> answer = promise.get_future().share();
    std::atomic<int> started = 0;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
  bool released_ = false;
};

struct Outcome {
  int calls = 0;
  tl::expected<Endpoints, Failure> result;

  ResolveHandler handler() {
    return [this](auto answer) {
      ++calls;
      result = std::move(answer);
    };
  }
};

Answer no_lookup(const std::string&, std::uint16_t, AddressFamily) {
  FAIL("looked up");
  return {};
}

}  // namespace

TEST_CASE("Happy Eyeballs order interleaves the families and keeps the resolver's order in each") {
  CHECK(happy_eyeballs_order({at("2001:db8::1"), at("2001:db8::2"), at("2001:db8::3"), at("192.0.2.1")}) ==
        Endpoints{at("2001:db8::1"), at("192.0.2.1"), at("2001:db8::2"), at("2001:db8::3")});
  CHECK(happy_eyeballs_order({at("192.0.2.1"), at("192.0.2.2"), at("2001:db8::1")}) ==
        Endpoints{at("192.0.2.1"), at("2001:db8::1"), at("192.0.2.2")});
  CHECK(happy_eyeballs_order({at("192.0.2.1"), at("192.0.2.1")}) == Endpoints{at("192.0.2.1")});
  CHECK(happy_eyeballs_order({}).empty());
}

TEST_CASE("a literal address is answered without a lookup, but never from inside resolve()") {
  asio::io_context loop;
  Resolver resolver(loop.get_executor(), no_lookup);
  Outcome v4;
  Outcome v6;
  const auto first = resolver.resolve("192.0.2.7", 22, AddressFamily::any, v4.handler());
  const auto second = resolver.resolve("2001:db8::7", 2222, AddressFamily::inet6, v6.handler());
  CHECK(v4.calls == 0);
  loop.run();
  CHECK(v4.result == Endpoints{at("192.0.2.7")});
  CHECK(v6.result == Endpoints{at("2001:db8::7", 2222)});
}

TEST_CASE("localhost is always the loopback addresses of the family asked for") {
  asio::io_context loop;
  Resolver resolver(loop.get_executor(), no_lookup);
  Outcome any;
  Outcome v4;
  const auto first = resolver.resolve("localhost", 80, AddressFamily::any, any.handler());
  const auto second = resolver.resolve("LocalHost", 80, AddressFamily::inet, v4.handler());
  loop.run();
  CHECK(any.result == Endpoints{at("::1", 80), at("127.0.0.1", 80)});
  CHECK(v4.result == Endpoints{at("127.0.0.1", 80)});
}

TEST_CASE("a literal address of the other family is a name that is not found") {
  asio::io_context loop;
  Resolver resolver(loop.get_executor(), no_lookup);
  Outcome outcome;
  const auto operation = resolver.resolve("192.0.2.7", 22, AddressFamily::inet6, outcome.handler());
  loop.run();
  REQUIRE_FALSE(outcome.result);
  CHECK(outcome.result.error().cause == Cause::name_not_found);
  CHECK(outcome.result.error().operation == "resolve");
  CHECK(outcome.result.error().subject == "192.0.2.7");
}

TEST_CASE("each of getaddrinfo's errors has its cause") {
  const auto cause_of = [](int error, int system_error) {
    asio::io_context loop;
    Resolver resolver(loop.get_executor(), [=](auto&&...) { return Answer{error, system_error, {}}; });
    Outcome outcome;
    const auto operation = resolver.resolve("relay.example", 22, AddressFamily::any, outcome.handler());
    loop.run();
    REQUIRE_FALSE(outcome.result);
    CHECK(outcome.result.error().subject == "relay.example");
    CHECK_FALSE(outcome.result.error().detail.empty());
    return outcome.result.error().cause;
  };
  CHECK(cause_of(EAI_NONAME, 0) == Cause::name_not_found);
  CHECK(cause_of(EAI_NODATA, 0) == Cause::name_not_found);
  CHECK(cause_of(EAI_ADDRFAMILY, 0) == Cause::name_not_found);
  CHECK(cause_of(0, 0) == Cause::name_not_found);
  CHECK(cause_of(EAI_AGAIN, 0) == Cause::resolver_unavailable);
  CHECK(cause_of(EAI_FAIL, 0) == Cause::resolver_unavailable);
  CHECK(cause_of(EAI_SYSTEM, EIO) == Cause::resolver_unavailable);
  CHECK(cause_of(EAI_SYSTEM, EMFILE) == Cause::local_error);
  CHECK(cause_of(EAI_MEMORY, 0) == Cause::local_error);
}

TEST_CASE("lookups of the same name that is still being looked up share one thread") {
  asio::io_context loop;
  HeldLookup lookup;
  Resolver resolver(loop.get_executor(), lookup.function());
  Outcome first;
  Outcome second;
  Outcome other_port;
  const auto one = resolver.resolve("relay.example", 22, AddressFamily::any, first.handler());
  const auto two = resolver.resolve("relay.example", 22, AddressFamily::any, second.handler());
  const auto three = resolver.resolve("relay.example", 2222, AddressFamily::any, other_port.handler());
  REQUIRE(run_until(loop, [&] { return lookup.started() == 2; }));
  lookup.release({0, 0, {at("192.0.2.1")}});
  REQUIRE(run_until(loop, [&] { return first.calls + second.calls + other_port.calls == 3; }));
  CHECK(lookup.started() == 2);
  CHECK(second.result == Endpoints{at("192.0.2.1")});
}

TEST_CASE("a cancelled lookup does not keep the loop running, nor calls back") {
  asio::io_context loop;
  HeldLookup lookup;
  Resolver resolver(loop.get_executor(), lookup.function());
  Outcome outcome;
  auto operation = resolver.resolve("relay.example", 22, AddressFamily::any, outcome.handler());
  loop.poll();
  operation.reset();
  loop.run();  // returns although the lookup still hangs
  lookup.release({0, 0, {at("192.0.2.1")}});
  loop.restart();
  loop.run();
  CHECK(outcome.calls == 0);
}

TEST_CASE("a lookup that starts after a cancelled one joins it") {
  asio::io_context loop;
  HeldLookup lookup;
  Resolver resolver(loop.get_executor(), lookup.function());
  Outcome given_up;
  Outcome outcome;
  auto operation = resolver.resolve("relay.example", 22, AddressFamily::any, given_up.handler());
  REQUIRE(run_until(loop, [&] { return lookup.started() == 1; }));
  operation.reset();
  operation = resolver.resolve("relay.example", 22, AddressFamily::any, outcome.handler());
  lookup.release({0, 0, {at("192.0.2.1")}});
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  CHECK(lookup.started() == 1);
  CHECK(given_up.calls == 0);
}

TEST_CASE("an answer that came when nobody waited any more is not used for a later lookup") {
  asio::io_context loop;
  std::atomic<int> lookups = 0;
  const auto token = std::make_shared<int>();
  Resolver resolver(loop.get_executor(), [&lookups, token](auto&&...) {
    return Answer{++lookups == 1 ? EAI_AGAIN : 0, 0, {at("192.0.2.1")}};
  });
  Outcome outcome;
  static_cast<void>(resolver.resolve("relay.example", 22, AddressFamily::any, outcome.handler()));
  // The test and the Resolver hold the function, and no thread does any more.
  REQUIRE(run_until(loop, [&] { return lookups == 1 && token.use_count() == 2; }));
  const auto operation = resolver.resolve("relay.example", 22, AddressFamily::any, outcome.handler());
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  CHECK(lookups == 2);
  CHECK(outcome.result == Endpoints{at("192.0.2.1")});
}

TEST_CASE("a lookup may outlive the Resolver and the loop") {
  HeldLookup lookup;
  Outcome outcome;
  {
    std::unique_ptr<Operation> operation;
    {
      asio::io_context loop;
      Resolver resolver(loop.get_executor(), lookup.function());
      operation = resolver.resolve("relay.example", 22, AddressFamily::any, outcome.handler());
      REQUIRE(run_until(loop, [&] { return lookup.started() == 1; }));
    }
  }
  lookup.release({0, 0, {at("192.0.2.1")}});
  asio::io_context loop;
  REQUIRE(run_until(loop, [&] { return lookup.let_go(); }));
  CHECK(outcome.calls == 0);
}

TEST_CASE("a handler may cancel the other lookups and destroy the Resolver") {
  asio::io_context loop;
  HeldLookup lookup;
  auto resolver = std::make_unique<Resolver>(loop.get_executor(), lookup.function());
  std::unique_ptr<Operation> first;
  std::unique_ptr<Operation> second;
  int calls = 0;
  const auto drop_all = [&](auto&&) {
    ++calls;
    first.reset();
    second.reset();
    resolver.reset();
  };
  first = resolver->resolve("relay.example", 22, AddressFamily::any, drop_all);
  second = resolver->resolve("relay.example", 22, AddressFamily::any, drop_all);
  lookup.release({0, 0, {at("192.0.2.1")}});
  REQUIRE(run_until(loop, [&] { return calls > 0; }));
  loop.poll();
  CHECK(calls == 1);
}

TEST_CASE("the system's resolver finds a numeric form that is not a literal") {
  asio::io_context loop;
  Resolver resolver(loop.get_executor());
  Outcome outcome;
  const auto operation = resolver.resolve("127.1", 22, AddressFamily::any, outcome.handler());
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  CHECK(outcome.result == Endpoints{at("127.0.0.1")});
}

// ---- the cache ----------------------------------------------------------------------------------------------------

namespace {

const std::chrono::sys_seconds now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());

/// A resolver that found relay.example at 192.0.2.1 three hours ago, and what it says.
struct Remembering {
  Remembering(asio::io_context& loop, Lookup lookup, const std::string& path = "")
      : resolver(
            loop.get_executor(), known(path), [this](const std::string& line) { said.push_back(line); },
            std::make_shared<Disk>(loop.get_executor()), std::move(lookup)) {}

  static AddressCache known(const std::string& path) {
    AddressCache cache(path, {});
    cache.store("relay.example", AddressFamily::any, {asio::ip::make_address("192.0.2.1")},
                now - std::chrono::hours{3});
    return cache;
  }
  std::unique_ptr<Operation> look_up(Outcome& outcome) {
    return resolver.resolve("relay.example", 2222, AddressFamily::any, outcome.handler());
  }

  std::vector<std::string> said;
  Resolver resolver;
};

}  // namespace

TEST_CASE("a lookup that fails is answered by the addresses of before, and that is said once") {
  asio::io_context loop;
  Remembering remembering(loop, [](auto&&...) { return Answer{EAI_AGAIN, 0, {}}; });
  for (int times = 1; times <= 2; ++times) {
    Outcome outcome;
    const auto operation = remembering.look_up(outcome);
    CHECK(outcome.calls == 0);
    REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
    CHECK(outcome.result == Endpoints{at("192.0.2.1", 2222)});
  }
  REQUIRE(remembering.said.size() == 1);
  CHECK(remembering.said[0].starts_with("using the addresses of relay.example from 3 h"));
  CHECK(remembering.said[0].find("the resolver fails (") != std::string::npos);
}

TEST_CASE("a name server that denies a name that there was is not believed, but quoted") {
  asio::io_context loop;
  Remembering remembering(loop, [](auto&&...) { return Answer{EAI_NONAME, 0, {}}; });
  Outcome outcome;
  const auto operation = remembering.look_up(outcome);
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  CHECK(outcome.result == Endpoints{at("192.0.2.1", 2222)});
  REQUIRE(remembering.said.size() == 1);
  CHECK(remembering.said[0].find("there is no such name") != std::string::npos);
}

TEST_CASE("a name that was never found fails as ever") {
  asio::io_context loop;
  Remembering remembering(loop, [](auto&&...) { return Answer{EAI_AGAIN, 0, {}}; });
  Outcome outcome;
  const auto operation = remembering.resolver.resolve("other.example", 22, AddressFamily::any, outcome.handler());
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  CHECK_FALSE(outcome.result);
  CHECK(remembering.said.empty());
}

TEST_CASE("a lookup that hangs is answered by the addresses of before after a second, and the next one at once") {
  asio::io_context loop;
  HeldLookup lookup;
  Remembering remembering(loop, lookup.function());
  const auto start = std::chrono::steady_clock::now();
  Outcome outcome;
  const auto operation = remembering.look_up(outcome);
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  const auto waited = std::chrono::steady_clock::now() - start;
  CHECK(waited >= std::chrono::milliseconds{950});
  CHECK(outcome.result == Endpoints{at("192.0.2.1", 2222)});

  const auto again = std::chrono::steady_clock::now();
  Outcome second;
  const auto next = remembering.look_up(second);
  REQUIRE(run_until(loop, [&] { return second.calls == 1; }));
  CHECK(std::chrono::steady_clock::now() - again < std::chrono::milliseconds{500});
  CHECK(lookup.started() == 1);
  CHECK(remembering.said.size() == 1);
  loop.poll();
  CHECK(outcome.calls == 1);
}

TEST_CASE("a late answer is kept for the next lookup, and in the file, though nobody waits for it any more") {
  asio::io_context loop;
  HeldLookup lookup;
  const holdfast::test::TempDir dir;
  Remembering remembering(loop, lookup.function(), dir / "addresses");
  Outcome outcome;
  auto operation = remembering.look_up(outcome);
  REQUIRE(run_until(loop, [&] { return lookup.started() == 1; }));
  operation.reset();
  lookup.release({0, 0, {at("192.0.2.9", 2222)}});
  REQUIRE(run_until(loop, [&] { return std::filesystem::exists(dir / "addresses"); }));
  CHECK(holdfast::test::read_file(dir / "addresses").find(" 192.0.2.9\n") != std::string::npos);
  CHECK(outcome.calls == 0);
}

TEST_CASE("after a good answer the next outage is said again") {
  asio::io_context loop;
  std::atomic<bool> dead = true;
  Remembering remembering(loop, [&dead](auto&&...) {
    return dead ? Answer{EAI_AGAIN, 0, {}} : Answer{0, 0, {at("192.0.2.9", 2222)}};
  });
  const auto look_up = [&] {
    Outcome outcome;
    const auto operation = remembering.look_up(outcome);
    REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
    REQUIRE(outcome.result);
    return outcome.result->front().address().to_string();
  };
  CHECK(look_up() == "192.0.2.1");
  dead = false;
  CHECK(look_up() == "192.0.2.9");
  dead = true;
  CHECK(look_up() == "192.0.2.9");
  CHECK(remembering.said.size() == 2);
}

TEST_CASE("what is asked after the network changed does not join what was asked before") {
  asio::io_context loop;
  HeldLookup lookup;
  Resolver resolver(loop.get_executor(), lookup.function());
  Outcome before;
  Outcome after;
  const auto first = resolver.resolve("relay.example", 22, AddressFamily::any, before.handler());
  resolver.network_changed();
  const auto second = resolver.resolve("relay.example", 22, AddressFamily::any, after.handler());
  REQUIRE(run_until(loop, [&] { return lookup.started() == 2; }));
  lookup.release({0, 0, {at("192.0.2.1")}});
  REQUIRE(run_until(loop, [&] { return before.calls == 1 && after.calls == 1; }));
}

TEST_CASE("however often the network changes, lookups that hang are few") {
  asio::io_context loop;
  HeldLookup lookup;
  Resolver resolver(loop.get_executor(), lookup.function());
  Outcome outcome;
  std::vector<std::unique_ptr<Operation>> operations;
  for (int times = 0; times < 100; ++times) {
    operations.push_back(resolver.resolve("relay.example", 22, AddressFamily::any, outcome.handler()));
    resolver.network_changed();
  }
  REQUIRE(run_until(loop, [&] { return lookup.started() == 16; }));
  lookup.release({0, 0, {at("192.0.2.1")}});
  REQUIRE(run_until(loop, [&] { return outcome.calls == 100; }));
  CHECK(lookup.started() == 16);
}

// ---- a relay's addresses --------------------------------------------------------------------------------------------

namespace {

/// What a name leads to once it was looked up.
RelayAddresses find_relay(asio::io_context& loop, Resolver& resolver, const std::string& host) {
  std::optional<tl::expected<RelayAddresses, Failure>> found;
  const auto operation =
      resolver.find_relay(host, 2222, AddressFamily::any, [&](auto addresses) { found = std::move(addresses); });
  REQUIRE(run_until(loop, [&] { return found.has_value(); }));
  REQUIRE(*found);
  return **found;
}

}  // namespace

TEST_CASE("DNS's word for a relay is not remembered before its key was right there") {
  asio::io_context loop;
  std::atomic<bool> dead = false;
  Remembering remembering(loop, [&dead](auto&&...) {
    return dead ? Answer{EAI_AGAIN, 0, {}} : Answer{0, 0, {at("198.51.100.7", 2222)}};
  });
  const Endpoints was{at("192.0.2.1", 2222)};
  const Endpoints now_is{at("198.51.100.7", 2222)};
  const RelayAddresses found = find_relay(loop, remembering.resolver, "relay.example");
  CHECK(found.said == now_is);
  CHECK(found.remembered == was);
  CHECK(found.age.value() >= std::chrono::hours{3});

  // Nor does one who looks the same name up for something else teach it.
  Outcome outcome;
  const auto operation = remembering.look_up(outcome);
  REQUIRE(run_until(loop, [&] { return outcome.calls == 1; }));
  CHECK(find_relay(loop, remembering.resolver, "relay.example").remembered == was);

  dead = true;
  const RelayAddresses in_the_dark = find_relay(loop, remembering.resolver, "relay.example");
  CHECK(in_the_dark.said.empty());
  CHECK(in_the_dark.remembered == was);

  remembering.resolver.was_right("relay.example", AddressFamily::any, asio::ip::make_address("198.51.100.7"), now_is);
  CHECK(find_relay(loop, remembering.resolver, "relay.example").remembered == now_is);
}

TEST_CASE("of a relay that is a literal or this device there is nothing to remember") {
  asio::io_context loop;
  Remembering remembering(loop, no_lookup);
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    remembering.resolver.was_right(host, AddressFamily::any, asio::ip::make_address("127.0.0.1"), {});
    const RelayAddresses found = find_relay(loop, remembering.resolver, host);
    CHECK_FALSE(found.said.empty());
    CHECK(found.remembered.empty());
  }
}
