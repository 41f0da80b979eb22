#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "doctor/echo.hpp"

namespace holdfast::doctor {

/// Somebody refuses connections to this endpoint: somebody nearer than the relay? An echo tells how many hand on what
/// we send to it. A SYN that one hand too few pass on can't get there; if it is refused all the same, it was not the
/// relay. Blocks for some seconds at most.
bool is_refused_on_the_way(const boost::asio::ip::tcp::endpoint& endpoint, const EchoSocket::Options& options);

}  // namespace holdfast::doctor
