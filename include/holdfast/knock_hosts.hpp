#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/config.hpp"

/// What the relay is asked to connect to, so that it connects to its own listener: to learn who holds it, and to prove
/// it. sshd compares that with permitopen letter by letter, and looks it up. Its session can't always do that: with
/// ChrootDirectory, or in a container without /etc/hosts, nobody knows localhost. The listener itself needs no lookup.
///
///     localhost ──can't connect, and does not say "refused"──▶ 127.0.0.1 ──not opened──▶ ::1
///
/// So the forward's own name comes first, for that is what accounts are told to permit, and then its addresses.
namespace holdfast {

/// Why the relay did not connect, the most telling last.
enum class KnockFailure {
  not_permitted,   ///< SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
  no_lookup,       ///< to a name, and it does not say that the connection was refused: nothing is known
  not_connected,   ///< to an address, likewise
  nobody_listens,  ///< SSH_OPEN_CONNECT_FAILED, and it says that the connection was refused
};

class KnockHosts {
 public:
  /// `by_address`: this relay could not look a name up before.
  explicit KnockHosts(const RemoteForward& forward, bool by_address = false);

  const std::string& current() const { return hosts_[index_]; }
  /// The current one stands for a name that could not be looked up.
  bool by_address() const { return index_ > 0; }
  /// The relay did not connect to the current one. What follows from all answers; or none, if there is another to ask
  /// for, which is the current one now. `words` are the relay's.
  std::optional<KnockFailure> failed(KnockFailure why, const std::string& words);
  /// "can't look up localhost (Name or service not known)"; empty if not_permitted or nobody_listens.
  const std::string& in_words() const { return in_words_; }

  friend bool operator==(const KnockHosts&, const KnockHosts&) = default;

 private:
  std::vector<std::string> hosts_;
  std::size_t index_ = 0;
  KnockFailure found_ = KnockFailure::not_permitted;
  std::string in_words_;
};

}  // namespace holdfast
