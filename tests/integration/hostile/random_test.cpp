// A relay that says anything at all once it has let us in: packets of random types and shapes, by numbered seeds.
#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <set>
#include <vector>

#include "scene.hpp"

using namespace holdfast::test;

namespace {

/// Random packets. One seed makes the same packets each time.
class Babble {
 public:
  explicit Babble(std::uint32_t seed) : wild_(seed % 3 == 0), random_(seed) {}

  std::string next() {
    if (!wild_ || flag()) return shaped();
    if (flag()) return text(1 + below(64));  // of no shape
    return Writer(known_type()).raw(text(below(200))).bytes();
  }
  bool flag() { return below(2) == 0; }

 private:
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }
  std::string text(std::size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_() & 0xffU);
    return bytes;
  }

  /// A few that exist, and the edges.
  std::uint32_t number() {
    constexpr std::uint32_t edges[] = {0, 1, 2, 10, 32, 43, 44, 45, 46, 100, 101, 0x7fffffff, 0x80000000, 0xffffffff};
    return flag() ? edges[below(std::size(edges))] : below(200);
  }
  std::uint8_t known_type() {
    constexpr std::uint8_t types[] = {msg::ignore,
                                      msg::unimplemented,
                                      msg::debug,
                                      msg::service_request,
                                      msg::service_accept,
                                      msg::kexinit,
                                      msg::newkeys,
                                      msg::kex_ecdh_init,
                                      msg::kex_ecdh_reply,
                                      msg::userauth_request,
                                      msg::userauth_failure,
                                      msg::userauth_success,
                                      msg::userauth_pk_ok,
                                      msg::global_request,
                                      msg::request_success,
                                      msg::request_failure,
                                      msg::channel_open,
                                      msg::channel_open_confirmation,
                                      msg::channel_open_failure,
                                      msg::channel_window_adjust,
                                      msg::channel_data,
                                      msg::channel_extended_data,
                                      msg::channel_eof,
                                      msg::channel_close,
                                      msg::channel_request,
                                      msg::channel_success,
                                      msg::channel_failure};
    return types[below(std::size(types))];
  }
  std::string name() {
    static const std::vector<std::string> names{"session",
                                                "x11",
                                                "forwarded-tcpip",
                                                "direct-tcpip",
                                                "auth-agent@openssh.com",
                                                "exec",
                                                "shell",
                                                "exit-status",
                                                "exit-signal",
                                                "pty-req",
                                                "tcpip-forward",
                                                "cancel-tcpip-forward",
                                                "keepalive@openssh.com",
                                                "hostkeys-00@openssh.com",
                                                "",
                                                "localhost"};
    return flag() ? names[below(static_cast<std::uint32_t>(names.size()))] : text(below(300));
  }
  say::Room room() { return {number(), number()}; }

  /// Such as could be meant. The last few end most sessions.
  std::string shaped() {
    switch (below(wild_ ? 16 : 14)) {
      case 0:
        return say::channel_open(name(), number(), text(below(40)), room());
      case 1:
        return say::forwarded_tcpip(number(), name(), number(), room());
      case 2:
        return say::channel_open_confirmation(number(), number(), room());
      case 3:
        return say::channel_open_failure(number(), number(), name());
      case 4:
        return say::channel_window_adjust(number(), number());
      case 5:
        return say::channel_data(number(), text(below(2000)));
      case 6:
        return say::channel_extended_data(number(), number(), text(below(2000)));
      case 7:
        return say::channel_eof(number());
      case 8:
        return say::channel_close(number());
      case 9:
        return say::channel_request(number(), name(), flag(), text(below(40)));
      case 10:
        return flag() ? say::channel_success(number()) : say::channel_failure(number());
      case 11:
        return say::global_request(name(), flag(), text(below(40)));
      case 12:
        return flag() ? say::request_success(number()) : say::request_failure();
      case 13:
        return flag() ? say::ignore(text(below(2000))) : say::debug(text(below(200)));
      case 14:
        return flag() ? say::userauth_success() : say::userauth_failure(name(), flag());
      default:
        return below(20) == 0 ? say::disconnect(name(), number()) : say::service_accept(name());
    }
  }

  bool wild_;
  std::mt19937 random_;
};

constexpr std::uint32_t packets_a_seed = 300;
constexpr std::uint32_t seeds = 60;

}  // namespace

TEST_CASE("a relay that says anything at all costs its session, and is tried again") {
  const char* const from_environment = std::getenv("HOLDFAST_TEST_SEED");
  const auto first_seed = static_cast<std::uint32_t>(from_environment != nullptr ? std::atol(from_environment) : 1);
  std::atomic<std::uint32_t> next_seed = first_seed;
  const Scene scene([&](RelaySession& session) {
    const std::uint32_t seed = next_seed++;
    Babble babble(seed);
    session.handle(session.serve_until(is_login));
    for (std::uint32_t packet = 0; packet < packets_a_seed; ++packet) {
      session.send(babble.next());
      if (babble.flag()) session.serve_what_came();
    }
    session.send(say::global_request("are you there?", true));
    session.serve_until(of_type(msg::request_failure));
  });
  REQUIRE(wait_until([&] { return next_seed > first_seed + seeds; }, 120s));
  scene.check_cost();
}
