#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/public_key.hpp"
#include "holdfast/transport.hpp"
#include "holdfast/tunnel.hpp"
#include "ssh/channel.hpp"
#include "ssh/storage.hpp"

/// One SSH session over libssh, never blocking, on one Asio thread. No ssh_* type leaves this folder.
namespace holdfast::ssh {

/// Bytes on the wire (TCP payload) and packets received.
struct Traffic {
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t packets_received = 0;
};

/// What a session tells its owner. Always called from the event loop, never from inside a call of the owner's into
/// the session; the owner may destroy the session in any of them. After SessionFailed or SessionClosed nothing more
/// comes.
class SessionObserver {
 public:
  /// One of these:
  /// - PhaseCompleted: banner; key_exchange, once the relay's host key is found good; authenticate;
  /// - ForwardAnswered, with the requested port unless that was 0;
  /// - ListenerCancelled: answered, even if by a refusal (Dropbear does not find its own listener), so that nobody gets
  ///   in there any more;
  /// - Received;
  /// - TransportStalled, every two seconds for as long as it is so: what was sent is repeated, or something that the
  ///   relay sent is missing;
  /// - SessionFailed or SessionClosed.
  virtual void on_event(SessionEvent event) = 0;
  /// accept-new: the relay's key was unknown and is known from now on; "ssh-ed25519 SHA256:...".
  virtual void on_host_key_met(const std::string& key) = 0;
  virtual void on_keepalive_answered(Duration round_trip) = 0;
  /// A connection to one of our listeners. Dropping the request refuses it.
  virtual void on_open_request(OpenRequest request) = 0;
  /// The relay asked for a channel of a kind or a port that we never asked for; it was refused.
  virtual void on_unwanted_open(const std::string& what) = 0;

 protected:
  ~SessionObserver() = default;
};

/// What the sessions with one relay learn for those that follow.
struct Learnt {
  /// False once a request that was sent with the login found no answer: then it waits until we are let in. A session
  /// that died just then by itself has the same effect, which costs a round trip.
  bool reads_ahead = true;
};

/// Owner: the attempt. Destroying the session (or drop()) ends it at once without a word to the relay; every
/// Channel of it is then dead (its writes take nothing) but safe to keep and to destroy.
class Session {
 public:
  /// `socket` is connected, TCP_NODELAY set. `spec` must outlive the session.
  Session(boost::asio::ip::tcp::socket socket, const TunnelSpec& spec, SessionObserver& observer,
          std::shared_ptr<Storage> storage, std::shared_ptr<Learnt> learnt = std::make_shared<Learnt>());
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// PhaseCompleted{banner} and {key_exchange}, or SessionFailed.
  void open();
  /// With `spec.identity_file`, certificates and the agent: PhaseCompleted or SessionFailed. With one key, no agent and
  /// no port to be chosen, an OpenSSH relay is asked for the first forward in the same flight, unless it has been in
  /// vain before. Never without `listen_ahead`. That forward is still to be requested, once authenticated.
  void authenticate(bool listen_ahead = true);
  /// Asks for spec.remote_forward[forward]: ForwardAnswered. Global requests queue; libssh has one slot.
  void request_forward(std::size_t forward);
  void cancel_forward(std::size_t forward);
  /// keepalive@openssh.com. A probe whose predecessor is unanswered can't be sent and is only counted by the caller.
  void send_keepalive();
  /// A connection from the relay to `host`:`port`, as the relay sees them. The handler is called from the loop, unless
  /// the session ends first.
  void open_direct_tcpip(const std::string& host, std::uint16_t port, OpenHandler handler);
  /// Runs a command in the account at the relay.
  void open_exec(const std::string& command, OpenHandler handler);
  /// What the relay told of its other host keys, in the account. "ssh-ed25519 SHA256:..." of each that is new, and
  /// known from now on: see host_key.hpp.
  std::vector<std::string> learn_host_keys(const std::vector<PublicKey>& told);
  /// Writes what is queued, closes channels, and waits up to 2 s for the relay's CLOSEs (until its visitors have read
  /// what was on its way). Then it sends SSH_MSG_DISCONNECT and FIN, and waits for the relay to close: SessionClosed
  /// (also on an error). Has no deadline over a dead link: the owner drops it.
  void close();

  /// Ends the session without a word and hands its socket out, if it is still open: the relay learns nothing of it
  /// until somebody closes or resets that. Nothing more is observed.
  std::optional<boost::asio::ip::tcp::socket> release_socket();

  Traffic traffic() const;
  /// What the session cost at the IP level, both ways; see wire_bytes.hpp.
  std::uint64_t wire_bytes() const;
  /// How long TCP may wait before it repeats what the relay has not acknowledged; zero if there is nothing.
  Duration repetition_wait() const;
  /// How long ago the relay's kernel acknowledged something; none without a socket.
  std::optional<Duration> since_acknowledged() const;
  /// What TCP knows of the connection now; none without a socket.
  std::optional<TransportReport> transport();
  // banner_at_login(), instead_of_banner(), host_key() and algorithms() stay when the session is over.

  /// In the relay's words, made fit for a log line, a line each: what it says to who logs in (Banner in sshd_config).
  const std::vector<std::string>& banner_at_login() const;
  /// What came in the place of an SSH banner, likewise; empty if nothing did.
  std::string instead_of_banner() const;
  /// By its banner; not OpenSSH for Windows.
  bool relay_is_openssh() const;
  /// "ssh-ed25519 SHA256:...": the relay's host key, good or not; empty before the key exchange.
  const std::string& host_key() const;
  /// Where no algorithm is common: both lists, a line each.
  const std::vector<std::string>& algorithms() const;
  /// The cipher of the running keys, towards the relay: "chacha20-poly1305@openssh.com"; empty before key exchange.
  std::string cipher() const;
  /// Why that one: "the processor has instructions for AES-GCM", "configured".
  std::string cipher_reason() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace holdfast::ssh
