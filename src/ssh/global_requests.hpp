#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/time.hpp"
#include "holdfast/tunnel.hpp"
#include "ssh/handles.hpp"

namespace holdfast::ssh {

struct KeepaliveAnswer {
  Duration round_trip{};
};
/// The relay took a port 0 request, but the port can't be told.
struct PortUnreadable {
  std::size_t forward = 0;
};
using GlobalAnswer = std::variant<ForwardAnswered, ListenerCancelled, KeepaliveAnswer, PortUnreadable>;

/// The session's global requests (RFC 4254, 4), one after the other. libssh has one slot for keepalive, tcpip-forward
/// and cancel-tcpip-forward; a request made while it is taken is not sent, but gets the other one's answer.
class GlobalRequests {
 public:
  explicit GlobalRequests(const std::vector<RemoteForward>& forwards);

  void listen(std::size_t forward);
  /// Sends the request for the listener that is asked for first, before authentication is answered; its listen() is
  /// then done already. Only for a session that ends if that is refused: a relay that has not let us in yet does not
  /// answer, and the slot stays taken.
  void listen_ahead(ssh_session session, const ssh_counter_struct& packets);
  /// What was sent ahead is not answered yet; it never is by a relay that does not read ahead.
  bool ahead_unanswered() const { return ahead_unanswered_; }
  void cancel(std::size_t forward);
  /// False, and nothing happens, while one is outstanding.
  bool keepalive();

  /// Sends what can be sent and collects what came. Call after each pump.
  std::vector<GlobalAnswer> advance(ssh_session session, const ssh_counter_struct& packets);
  /// While true, advance() does the pumping: the port of a port 0 request can only be read right behind its answer.
  /// It stops after a share; then bytes may be left, and another turn is due.
  bool pumps() const;

  /// The forward that a connection to this listener belongs to. The relay repeats the address that it was asked for,
  /// as OpenSSH does; where that is the default, any address will do, as for OpenSSH's client.
  std::optional<std::size_t> find(const std::string& address, std::uint16_t port) const;
  /// A cancelled listener's last connections: no reason for suspicion.
  bool is_cancelling(std::uint16_t port) const;

 private:
  struct Listener {
    std::uint16_t port = 0;  ///< 0: not held
    bool cancelling = false;
  };
  struct Listen {
    std::size_t forward = 0;
  };
  struct Cancel {
    std::size_t forward = 0;
  };
  struct Keepalive {
    std::optional<TimePoint> sent;
  };
  using Request = std::variant<Listen, Cancel, Keepalive>;
  using Answer = std::optional<GlobalAnswer>;

  void pop();
  void keep_or_hand_out(const GlobalAnswer& answer, std::vector<GlobalAnswer>& answers);
  Answer step(ssh_session session, const ssh_counter_struct& packets);
  Answer perform(const Listen& request, ssh_session session, const ssh_counter_struct& packets);
  Answer perform(const Cancel& request, ssh_session session, const ssh_counter_struct& packets);
  Answer perform(Keepalive& request, ssh_session session, const ssh_counter_struct& packets);
  Answer listen_on_any_port(std::size_t forward, ssh_session session, const ssh_counter_struct& packets);

  const std::vector<RemoteForward>& forwards_;
  std::vector<Listener> listeners_;  ///< parallel to forwards_
  /// The first may be under way: nothing joins while it is performed.
  std::vector<Request> queue_;
  std::optional<std::size_t> ahead_;            ///< the forward that was asked for, and whose listen() is to come
  std::optional<GlobalAnswer> answered_ahead_;  ///< its answer, until listen()
  bool ahead_unanswered_ = false;
};

}  // namespace holdfast::ssh
