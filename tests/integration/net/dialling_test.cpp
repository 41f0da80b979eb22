#include "net/dial/dialling.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <vector>

#include "integration/net/loop.hpp"

using namespace holdfast;
using namespace holdfast::net;
using holdfast::test::run_until;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

/// An attempt's way to a relay on the loopback, whose name leads to a port where nobody listens too.
struct Way {
  Way() {
    spec.host_name = "relay.example";
    spec.port = acceptor.local_endpoint().port();
  }

  const PhaseCompleted* completed(OpeningPhase phase) const {
    const auto* last = told.empty() ? nullptr : std::get_if<PhaseCompleted>(&told.back());
    return last != nullptr && last->phase == phase ? last : nullptr;
  }

  asio::io_context loop;
  tcp::acceptor acceptor{loop, {asio::ip::make_address("127.0.0.1"), 0}};
  Resolver resolver{loop.get_executor(), [](const std::string&, std::uint16_t port, AddressFamily) {
                      return Answer{0, 0, {{asio::ip::make_address("127.0.0.1"), port}}};
                    }};
  TunnelSpec spec;
  std::vector<SessionEvent> told;
  Dialling dialling{loop.get_executor(), resolver, spec, options_of(spec, std::nullopt),
                    [this](SessionEvent event) { told.push_back(std::move(event)); }};
};

}  // namespace

TEST_CASE("a way leads to the first address that takes the connection, and both its ends are kept") {
  Way way;
  way.dialling.resolve();
  REQUIRE(run_until(way.loop, [&] { return way.completed(OpeningPhase::resolve) != nullptr; }));
  const PhaseCompleted resolved = *way.completed(OpeningPhase::resolve);
  CHECK(resolved.found.said == std::vector<std::string>{"127.0.0.1"});
  CHECK_FALSE(way.dialling.ends());

  way.dialling.connect({{"127.0.0.2", "127.0.0.1"}, 2});
  REQUIRE(run_until(way.loop, [&] { return way.completed(OpeningPhase::connect) != nullptr; }));
  CHECK(way.completed(OpeningPhase::connect)->address == "127.0.0.1");
  CHECK(way.dialling.ends().value().relay == way.acceptor.local_endpoint());
  CHECK(way.dialling.ends()->ours == asio::ip::make_address("127.0.0.1"));

  tcp::socket socket = way.dialling.take_socket();
  CHECK(socket.remote_endpoint() == way.acceptor.local_endpoint());
}

TEST_CASE("a way that ends at an address that refuses tells why, and has no ends") {
  Way way;
  way.dialling.connect({{"127.0.0.2"}, 1});
  REQUIRE(run_until(way.loop, [&] { return !way.told.empty(); }));
  CHECK(std::get<SessionFailed>(way.told.back()).failure.cause == Cause::connection_refused);
  CHECK_FALSE(way.dialling.ends());
}
