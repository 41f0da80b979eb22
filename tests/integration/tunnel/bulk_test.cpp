// A gigabyte each way at once, while the relay asks for new keys after each megabyte. HOLDFAST_TEST_BULK_MB changes the
// size; sanitizers make it 32, because there it is the code that is tested and not the amount.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <thread>

#include "scenario.hpp"
#include "support/pattern.hpp"

using namespace holdfast::test;

namespace {

constexpr std::size_t chunk = std::size_t{256} * 1024;

std::size_t bulk_size() {
  const char* megabytes = std::getenv("HOLDFAST_TEST_BULK_MB");
  return (megabytes != nullptr ? std::strtoul(megabytes, nullptr, 10) : sanitized ? 32 : 1024) << 20;
}

void send_pattern(Socket& socket, std::uint64_t seed, std::size_t size) {
  Pattern pattern(seed);
  for (std::size_t left = size; left > 0;) {
    const std::size_t piece = std::min(left, chunk);
    socket.send(pattern.next(piece));
    left -= piece;
  }
  socket.finish_sending();
}

/// How many bytes came as they should before the end of the stream or the first wrong one.
std::size_t receive_pattern(Socket& socket, std::uint64_t seed) {
  Pattern pattern(seed);
  std::size_t good = 0;
  for (std::string data = socket.receive(chunk); !data.empty(); data = socket.receive(chunk)) {
    if (!pattern.matches(data)) {
      return good;
    }
    good += data.size();
  }
  return good;
}

}  // namespace

TEST_CASE("a gigabyte each way at once survives a new key exchange for each megabyte") {
  const std::size_t size = bulk_size();
  SshdOptions options;
  options.config = {"RekeyLimit 1M", "LogLevel DEBUG1"};
  const Sshd relay(options);
  std::atomic<std::size_t> arrived_at_target = 0;
  const TargetServer target([&](Socket& socket) {
    std::thread sender([&] {
      try {
        send_pattern(socket, 1, size);
      } catch (const std::exception&) {  // seen at the other end
      }
    });
    try {
      arrived_at_target = receive_pattern(socket, 2);
    } catch (const std::exception&) {
    }
    sender.join();
  });
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());

  Socket caller = Socket::connect_tcp("127.0.0.1", port, 120s);
  std::size_t arrived_at_caller = 0;
  std::thread receiver([&] {
    try {
      arrived_at_caller = receive_pattern(caller, 1);
    } catch (const std::exception&) {
    }
  });
  CHECK_NOTHROW(send_pattern(caller, 2, size));
  receiver.join();
  CHECK(arrived_at_caller == size);
  CHECK(wait_until([&] { return arrived_at_target == size; }, 60s));

  const Json tunnel = holdfast.tunnel();
  CHECK(tunnel["attempt"] == 1);
  CHECK(tunnel["bytes_received"].get<std::size_t>() > size);
  CHECK(tunnel["bytes_sent"].get<std::size_t>() > size);
  std::size_t rekeys = 0;
  const std::string log = relay.log();
  for (std::size_t at = 0; (at = log.find("SSH2_MSG_NEWKEYS received", at)) != std::string::npos; ++at) {
    ++rekeys;
  }
  CHECK(rekeys > (size >> 20) / 2);
}
