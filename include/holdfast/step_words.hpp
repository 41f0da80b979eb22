#pragma once

#include <string>
#include <string_view>

#include "holdfast/tunnel.hpp"

/// Steps in words, for whoever looks into one: log_level debug and beyond.
namespace holdfast {

/// "LeaseLost", of the session's, too.
std::string_view event_name(const TunnelEvent& event);
/// "SendKeepalive"
std::string_view action_name(const TunnelAction& action);

/// "established + LeaseLost -> established [Happened]". `before`: the name of the phase that was.
std::string describe_step(std::string_view before, const TunnelEvent& event, const Step& step);

/// How deep one has to look for it to be worth a line: debug where it moved the tunnel or made it act, debug2 where it
/// did not, debug3 for bytes that came.
LogLevel detail_of_step(std::string_view before, const TunnelEvent& event, const Step& step);

}  // namespace holdfast
