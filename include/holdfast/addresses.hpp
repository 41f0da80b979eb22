#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/failure.hpp"
#include "holdfast/time.hpp"

/// Which of a relay's addresses is tried next. That TCP connects says only that somebody is there: what follows may
/// fail at one address of a name and work at the next. DNS's word for an address is not the relay's word, which is its
/// host key. Addresses are literals: "2001:db8::1".
namespace holdfast {

/// Where a relay's name leads.
struct FoundAddresses {
  std::vector<std::string> said;        ///< by DNS, in the order of RFC 8305; empty: DNS says nothing
  std::vector<std::string> remembered;  ///< the relay's host key was right there, the last such one first
  std::optional<Duration> age{};        ///< since it was right at the first of these

  friend bool operator==(const FoundAddresses&, const FoundAddresses&) = default;
};

/// In which order to connect. The first `racing` race as RFC 8305 says; the others are second choice: being near must
/// not make them win.
struct AddressOrder {
  std::vector<std::string> addresses;
  std::size_t racing = 0;

  friend bool operator==(const AddressOrder&, const AddressOrder&) = default;
};

/// What is known of one relay's addresses. Bounded, whatever DNS says.
class Addresses {
 public:
  /// First what DNS says, in its order; then what is remembered besides; last, whichever failed after TCP stood within
  /// the last hour, the one that failed longest ago first.
  AddressOrder order(const FoundAddresses& found, TimePoint now) const;

  // ---- one attempt -----------------------------------------------------------------------------------------------

  void dial(std::string host);
  AddressOrder found(FoundAddresses found, TimePoint now);
  void connected(std::string address);
  /// The relay's host key, or who asks for none, its login: from here on it is the relay that speaks, but the way to it
  /// may still be broken.
  void key_was_right() { key_was_right_ = true; }
  bool another_untried() const;

  /// The attempt failed before there was a session that held its listeners. True if another address is to be tried at
  /// once, of those that have not failed. Not for ever, should DNS name new ones each time.
  bool failed(Cause cause, TimePoint now);
  void lasted();
  /// An SSH server answers there, by whoever looked: the address does not count as failed any more.
  void answered(const std::string& address);
  /// The way to all of them may be another one now.
  void forgive();

  /// Whether a stranger at the current address did this: showed a key that is not the relay's, or refused the login. It
  /// is a stranger only where DNS and the memory do not both say that the relay has this address; never where the name
  /// is itself an address.
  bool is_stranger(Cause cause) const;
  /// With the address, and for one that shows a wrong host key or is no SSH server, what DNS and the memory say.
  /// `relay`: "relay.example:22".
  Failure explain(Failure failure, const std::string& relay) const;

  friend bool operator==(const Addresses&, const Addresses&) = default;

 private:
  struct Mark {
    std::string address;
    TimePoint at;

    friend bool operator==(const Mark&, const Mark&) = default;
  };
  const Mark* mark_of(const std::string& address) const;
  std::string what_is_known() const;

  std::string host_;
  FoundAddresses found_;
  std::string current_;  ///< empty until TCP connects
  bool key_was_right_ = false;
  std::vector<Mark> failed_;
  unsigned hasty_ = 0;  ///< tries at another address at once, since a session lasted or the network changed
};

}  // namespace holdfast
