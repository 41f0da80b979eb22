// A relay that wants its data in packets of a few bytes, or of none. libssh 0.10 loops over what is written to such a
// channel, with 256 MB for it and ten seconds and more of the only thread.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "scene.hpp"

using namespace holdfast::test;

namespace {

constexpr std::uint32_t usual_window = 2 * 1024 * 1024;
constexpr std::uint32_t usual_packet = 32 * 1024;
constexpr std::uint32_t most = 0xffffffff;

/// On each channel of this type, in one session.
struct Offer {
  std::string type;
  say::Room room;
};

std::vector<Offer> on_each_type(const std::vector<say::Room>& rooms) {
  std::vector<Offer> offers;
  for (const char* type : {"session", "direct-tcpip", "forwarded-tcpip"}) {
    for (const say::Room& room : rooms) offers.push_back({type, room});
  }
  return offers;
}

/// The client has asked for such a channel, or taken ours.
Which trigger(const std::string& type) {
  if (type == "session") return channel_request("exec");
  return type == "direct-tcpip" ? opening(type) : of_type(msg::channel_open_confirmation);
}

/// Until long after the client had something to say on the channel.
void stay(RelaySession& session) {
  constexpr int turns = 50;  // of the client's loop, at least
  for (int turn = 0; turn < turns; ++turn) session.ping();
}

/// A session for each offer.
void check(const std::vector<Offer>& offers) {
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> over = 0;
  const Scene scene([&](RelaySession& session) {
    const std::size_t number = next++;
    if (number >= offers.size()) return session.serve();
    try {
      session.offer(offers[number].type, offers[number].room);
      session.handle(session.serve_until(trigger(offers[number].type)));
      stay(session);
    } catch (const PeerGone&) {  // rather than that
    }
    ++over;
  });
  CHECK(wait_until([&] { return over >= offers.size(); }, 120s));
  if (over < offers.size()) MESSAGE("stuck at ", offers[over].type, ", packets of ", offers[over].room.packet);
  scene.check_cost({.cpu_time = 5s});
}

}  // namespace

TEST_CASE("a relay that takes no data, or any, in packets of any size holds up nobody") {
  std::vector<say::Room> rooms;
  for (const std::uint32_t packet : {1U, 9U, 11U, 12U, 63U, most}) rooms.push_back({usual_window, packet});
  for (const std::uint32_t window : {0U, 1U, most}) rooms.push_back({window, usual_packet});
  rooms.push_back({most, most});
  check(on_each_type(rooms));
}

TEST_CASE("a relay that takes packets of 10 bytes holds up nobody") {
  check(on_each_type({{usual_window, 10}}));
}
