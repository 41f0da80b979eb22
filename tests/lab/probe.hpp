#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "lab/lab.hpp"
#include "support/net.hpp"

namespace holdfast::lab {

/// A user at the relay who wants to reach the device's target through the forwarded port, without disturbing what he
/// measures: each knock on a stale port restarts the relay's own clock for the dead peer. So he looks into the relay's
/// socket table, which disturbs nobody, and knocks
/// - on a listener that he has not marked: once, and again only if that knock was closed;
/// - on the one that he marked as the old one: never, or, with `may_survive`, while the device still has the socket of
///   that session; and then with one connection that he keeps open, however long it is silent.
class Probe {
 public:
  Probe(Lab& lab, std::uint16_t port, std::string greeting) : lab_(lab), port_(port), greeting_(std::move(greeting)) {}

  /// Takes the present listener and the device's present session for the old ones.
  void mark_old(bool may_survive);
  /// Has the target's greeting come through the port? Ask every few milliseconds; never blocks.
  bool answered();
  /// Asks until it has. Seconds from now, or none after the limit.
  std::optional<double> wait_for_answer(Duration limit);
  /// Does the connection that answered bring back what it is sent, byte for byte? Within 30 s.
  bool echoes(std::size_t size);
  void hang_up() { knock_.reset(); }

  bool listening() const { return listener_inode(lab_.relay(), port_).has_value(); }
  bool old_listener_stands() const;
  bool old_session_stands() const;  ///< the device still has that TCP connection

 private:
  struct Knock {
    test::Socket socket;
    std::uint64_t inode;
    std::string received;
  };
  bool may_knock(std::uint64_t inode) const;
  void open_knock(std::uint64_t inode);

  Lab& lab_;
  std::uint16_t port_;
  std::string greeting_;
  std::optional<Knock> knock_;
  TimePoint next_knock_{};
  std::optional<std::uint64_t> old_inode_;
  std::optional<std::uint16_t> old_session_;
  bool may_survive_ = false;
};

/// Asks every 5 ms. Seconds from now until it held, or none after the limit.
std::optional<double> time_until(const std::function<bool()>& condition, Duration limit);
/// The fault itself takes this long: nothing else to wait for.
void let_pass(Duration time);

}  // namespace holdfast::lab
