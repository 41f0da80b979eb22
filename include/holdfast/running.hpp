#pragma once

#include "holdfast/config.hpp"
#include "holdfast/findings.hpp"
#include "holdfast/report.hpp"

/// What a daemon knows of a tunnel that it holds, as findings: nobody has to be asked. Pure.
namespace holdfast {

/// Logged in, whatever became of the listeners since.
bool has_session(const TunnelReport& tunnel);

/// Findings of the layers from Layer::session to Layer::proof; of a tunnel with a session, from Layer::banner on.
/// Without a session, the last error is a finding of its own layer if that is one of these, else of Layer::session:
/// what ended it, and what it waits for. `spec`: the tunnel at the relay in use.
Findings findings_of(const TunnelSpec& spec, const TunnelReport& tunnel);

/// Adds what is known of the session to what the looks found that cost no packet. Without a session it adds the last
/// error, as a finding of its layer, or of Layer::session where that layer was looked at.
Findings with_what_is_known(Findings looked, const TunnelSpec& spec, const TunnelReport& tunnel);

}  // namespace holdfast
