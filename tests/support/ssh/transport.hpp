#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "support/net.hpp"
#include "support/ssh/crypto.hpp"
#include "support/ssh/wire.hpp"

namespace holdfast::test {

/// The other side closed, reset, or did not read or write for too long. How most scripts of a relay end.
class PeerGone : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// RFC 4253 of the server's side, for one connection: banners, packets, exchanges of keys. curve25519-sha256,
/// ssh-ed25519, aes256-ctr, hmac-sha2-256-etm@openssh.com, and nothing else. It keeps no order: anything can be sent at
/// any time, and an exchange of keys goes on only as handle() is called.
class SshTransport {
 public:
  SshTransport(Socket& socket, const KeyPair& host_key, std::string banner, bool strict_kex);

  /// The host key as in known_hosts: "ssh-ed25519 AAAA...".
  static std::string known_key(const KeyPair& host_key);

  void send_banner();
  void receive_banner();  ///< the client's

  /// The next packet, whatever it is.
  Packet receive();
  /// Something of a next packet is there.
  bool has_input() const;
  void send(std::string_view payload) { send_bytes(seal(payload)); }
  /// The packet of this payload, as it has to go out next.
  std::string seal(std::string_view payload);
  /// As they are.
  void send_bytes(std::string_view bytes);
  /// As much as goes until `deadline`; what is left stands in front of whatever is sent next. With `reading`, what
  /// comes meanwhile is kept for receive(). True if nothing is left.
  bool send_until(std::string_view bytes, std::chrono::steady_clock::time_point deadline, bool reading);

  /// Begins an exchange of keys, or answers the client's.
  void send_kexinit();
  /// A packet of an exchange of keys: does what follows from it. False if it is none.
  bool handle(const Packet& packet);
  /// Between KEXINIT and NEWKEYS of ours nobody honest sends anything else.
  bool exchanging_keys() const { return !our_kexinit_.empty() && !newkeys_sent_; }
  std::size_t key_exchanges() const { return key_exchanges_; }  ///< that are over

 private:
  struct Direction {
    std::optional<Aes256Ctr> cipher;
    std::string mac_key;
    std::uint32_t sequence = 0;
  };

  std::string take(std::size_t count);
  void receive_more();
  void on_kexinit(const Packet& packet);
  void on_ecdh_init(const Packet& packet);
  void change_keys(Direction& direction, char iv, char key, char mac) const;
  std::string derive(char what) const;

  Socket& socket_;
  const KeyPair& host_key_;
  std::string banner_;
  std::string client_banner_;
  bool strict_kex_;
  std::string inbox_;
  std::size_t taken_ = 0;  ///< of it
  std::string outbox_;
  Direction in_;
  Direction out_;

  std::string our_kexinit_;  ///< empty between exchanges
  std::string their_kexinit_;
  bool newkeys_sent_ = false;
  bool skip_guess_ = false;
  std::string secret_;  ///< as mpint
  std::string hash_;
  std::string session_id_;
  std::size_t key_exchanges_ = 0;
};

}  // namespace holdfast::test
