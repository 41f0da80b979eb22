#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/announce.hpp"
#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/listeners.hpp"
#include "holdfast/proof.hpp"
#include "holdfast/time.hpp"

/// What the log was told already, so that it is told what is new and not what goes on.
namespace holdfast {

/// Of one session's listeners and proofs.
class ToldOfSession {
 public:
  explicit ToldOfSession(std::size_t count) : listeners_(count), proofs_(count) {}

  /// A line for each that turned out to be refused for another reason than before, and once the tunnel is established
  /// (before, the line that says so tells all) for each that came to be held.
  /// `server`: what the relay says it is.
  std::vector<Announce> listeners(const TunnelSpec& spec, const ForwardTable& forwards, bool established,
                                  std::string_view server = {});
  /// A line for each result that is another than before; the first good one is nothing to tell.
  std::vector<Announce> proofs(const TunnelSpec& spec, const ForwardTable& forwards, const Proofs& proofs);

  friend bool operator==(const ToldOfSession&, const ToldOfSession&) = default;

 private:
  /// Held, or why it was refused.
  struct Listener {
    std::optional<Refusal> refusal;

    friend bool operator==(const Listener&, const Listener&) = default;
  };

  std::vector<std::optional<Listener>> listeners_;
  std::vector<std::optional<ProofResult>> proofs_;
};

/// Of a tunnel's failures until a session stands. A young outage is met by many attempts, in turn at several relays:
/// each failure is told once a minute, with how often the same came meanwhile.
class ToldFailures {
 public:
  /// `next_try`: "next try in 5 s".
  Announce failed(const Failure& failure, const std::string& next_try, TimePoint now);
  /// Of a line about a failure that does not end a try, but comes with each.
  Announce folded(Announce line, TimePoint now);

  friend bool operator==(const ToldFailures&, const ToldFailures&) = default;

 private:
  struct Told {
    Failure failure;
    TimePoint at;
    unsigned repeated = 0;

    friend bool operator==(const Told&, const Told&) = default;
  };

  /// How often it was not told meanwhile; none if it is not to be told now.
  std::optional<unsigned> note(const Failure& failure, TimePoint now);

  std::vector<Told> told_;  ///< the latest last, and not many
};

}  // namespace holdfast
