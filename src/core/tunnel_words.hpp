#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/failure.hpp"
#include "holdfast/listeners.hpp"
#include "holdfast/tunnel.hpp"

/// The failures that the tunnel itself finds, and what the log calls things. `relay` is a relay_name().
namespace holdfast {

Failure phase_timed_out(const Opening& opening, std::string relay);
/// `server`: what the relay says it is.
Failure listen_refused(const TunnelSpec& spec, std::size_t forward, const Explanation& explanation,
                       std::string_view server);
Failure listen_unanswered(std::string relay, Duration limit);
Failure relay_silent(std::string relay, std::string detail);
/// Which of the two it is that sshd has one sentence for, by what else is known of the relay; follows the sentence.
std::string likely_reason(const RelayProgress& penalising);
/// What ended a session, once it is known to be this; `from_now_on` is how the next one is probed.
Failure ended_by(const Timeout& timeout, Failure failure, const LivenessSpec& from_now_on);
Failure reconnect_requested(std::string relay);

/// "listen on relay localhost:4649: forward refused (detail). What to do."
std::string with_remedy(const Failure& failure);

/// "localhost:4649 -> localhost:22"
std::string forward_name(const TunnelSpec& spec, std::size_t forward, std::uint16_t bound_port);
/// The names of all forwards that are held; "holding nothing yet" when none is.
std::string held_forwards(const TunnelSpec& spec, const ForwardTable& forwards);

}  // namespace holdfast
