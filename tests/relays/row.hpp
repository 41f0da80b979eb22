#pragma once

#include <optional>
#include <string>

#include "support/account.hpp"
#include "support/relay_server.hpp"
#include "support/sshd.hpp"

namespace holdfast::test {

/// The running test case is over: this machine has not what it needs. Its program then exits 77.
void skip(const std::string& why);

/// A Debian's relays (11, 12, 13): this machine's own, or those of a root that is made when it is first wanted. Skips,
/// and is nothing, where there can't be one.
std::optional<Place> debian(const std::string& release);

/// True if all of these can be run; else skips.
bool installed(const std::vector<std::string>& programs);

/// Tries all that a tunnel needs of this relay: bytes both ways on eight connections at once, a restart of the relay, a
/// power cut and a hole in the signal, and no listener behind a polite end. What differs from relay to relay is then a
/// line of the table "Servers" in docs/relays.md, which has to say the same. `remedy` makes this relay let go of a dead
/// device without a lease; the document's words for it.
void relay_row(RelayServer& relay, const std::string& remedy = "");

/// The same for the table "Accounts": what becomes of the lease and the proof, and of a power cut.
void account_row(Sshd& relay);

}  // namespace holdfast::test
