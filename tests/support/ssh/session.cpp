#include "support/ssh/session.hpp"

#include <utility>

namespace holdfast::test {
namespace {

/// So much is made before it is handed to the kernel at once.
constexpr std::size_t flood_piece = 65536;

}  // namespace

RelaySession::RelaySession(Socket& socket, const KeyPair& host_key, const RelayOptions& options)
    : transport_(socket, host_key, options.banner, options.strict_kex),
      honest_([this](const std::string& payload) { say_honestly(payload); }) {}

void RelaySession::begin() {
  if (std::exchange(begun_, true)) return;
  transport_.send_banner();
  transport_.receive_banner();
  transport_.send_kexinit();
}

Packet RelaySession::serve_until(const Which& which) {
  begin();
  for (;;) {
    Packet packet = transport_.receive();
    if (which(packet)) return packet;
    handle(packet);
  }
}

void RelaySession::serve() {
  try {
    serve_until([](const Packet& packet) { return packet.type() == msg::disconnect; });
  } catch (const PeerGone&) {  // what it is for
  }
}

void RelaySession::serve_what_came() {
  while (transport_.has_input()) handle(transport_.receive());
}

void RelaySession::handle(const Packet& packet) {
  if (!transport_.handle(packet)) return honest_.handle(packet);
  while (!held_back_.empty() && !transport_.exchanging_keys()) {
    transport_.send(held_back_.front());
    held_back_.pop_front();
  }
}

void RelaySession::say_honestly(const std::string& payload) {
  if (transport_.exchanging_keys()) return held_back_.push_back(payload);
  transport_.send(payload);
}

std::size_t RelaySession::flood(const Next& next, Flood limits) {
  return flood_bytes([&] { return seal(next()); }, limits);
}

std::size_t RelaySession::flood_bytes(const Next& next, Flood limits) {
  const auto deadline = std::chrono::steady_clock::now() + limits.time;
  std::size_t sent = 0;
  try {
    while (sent < limits.count) {
      std::string piece;
      std::size_t count = 0;
      for (; sent + count < limits.count && piece.size() < flood_piece; ++count) piece += next();
      if (!transport_.send_until(piece, deadline, limits.reading)) break;
      sent += count;
    }
  } catch (const PeerGone&) {  // it had enough
  }
  return sent;
}

void RelaySession::ping() {
  transport_.send(say::global_request("keepalive@openssh.com", true));
  serve_until([](const Packet& packet) {
    return packet.type() == msg::request_failure || packet.type() == msg::request_success;
  });
}

void RelaySession::rekey() {
  const std::size_t before = transport_.key_exchanges();
  transport_.send_kexinit();
  while (transport_.key_exchanges() == before) handle(transport_.receive());
}

}  // namespace holdfast::test
