#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/net.hpp"
#include "support/ssh/honest.hpp"
#include "support/ssh/messages.hpp"
#include "support/ssh/transport.hpp"
#include "support/wait.hpp"

namespace holdfast::test {

struct RelayOptions {
  std::string banner = "SSH-2.0-OpenSSH_9.2p1 Test";
  bool strict_kex = true;
};

/// Where a flood ends at the latest.
struct Flood {
  std::size_t count = 1'000'000;
  std::chrono::milliseconds time = 5s;
  bool reading = true;  ///< else what the client answers waits on its side
};

/// One connection in the hands of a script. Anything can be said at any time; what the script does not take into its
/// own hands is done as an honest relay does it.
///
///     session.serve_until(is_login);                 // the client waits for the answer to its login now
///     session.send(say::disconnect("go away"));
///     session.serve();
///
/// Every call throws PeerGone once the client is gone, except serve() and flood().
class RelaySession {
 public:
  using Next = std::function<std::string()>;

  RelaySession(Socket& socket, const KeyPair& host_key, const RelayOptions& options);

  /// Banner and KEXINIT, if they have not been said yet.
  void begin();
  /// Honest, from the banner on, until a packet comes that is asked for, which is returned and left undone.
  Packet serve_until(const Which& which);
  /// Honest until the client is gone.
  void serve();
  /// Honest about what is there already.
  void serve_what_came();
  /// Does with this packet what an honest relay does.
  void handle(const Packet& packet);

  /// The next packet, with nothing done about it.
  Packet receive() { return transport_.receive(); }
  void send(std::string_view payload) { transport_.send(payload); }
  /// Asks for a sign of life, and is honest until it comes: everything sent before has been looked at by then.
  void ping();
  /// No packet: bytes as they are.
  void send_bytes(std::string_view bytes) { transport_.send_bytes(bytes); }
  /// Packets of the payloads that `next` makes, again and again; how many the kernel has taken. Ends early when the
  /// client is gone.
  std::size_t flood(const Next& next, Flood limits = {});
  std::size_t flood_bytes(const Next& next, Flood limits = {});
  /// An exchange of keys, up to its end. To stay in the middle: send_kexinit(), and serve_until() what is to wait.
  void rekey();
  void send_kexinit() { transport_.send_kexinit(); }
  std::string seal(std::string_view payload) { return transport_.seal(payload); }  ///< as it has to go out next

  /// From now on each channel of this type is confirmed, or opened, with this room.
  void offer(const std::string& channel_type, say::Room room) { honest_.offer(channel_type, room); }
  const std::vector<HonestRelay::Listener>& listeners() const { return honest_.listeners(); }
  /// Of a channel that is in honest hands: "session", "direct-tcpip", "forwarded-tcpip".
  std::string type_of(std::uint32_t number) const { return honest_.type_of(number); }
  /// A number for a channel that the script opens or confirms itself.
  std::uint32_t new_number() { return honest_.new_number(); }

 private:
  void say_honestly(const std::string& payload);

  SshTransport transport_;
  HonestRelay honest_;
  std::deque<std::string> held_back_;  ///< by an exchange of keys
  bool begun_ = false;
};

}  // namespace holdfast::test
