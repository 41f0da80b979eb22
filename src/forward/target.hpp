#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <cerrno>
#include <functional>
#include <memory>
#include <tl/expected.hpp>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/time.hpp"
#include "net/resolver.hpp"

namespace holdfast::forward {

/// TCP or Unix.
using Socket = boost::asio::generic::stream_protocol::socket;

/// With this `errno` such a socket has not failed: it has nothing now, or takes nothing.
inline bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

using TargetHandler = std::function<void(tl::expected<Socket, Failure>)>;

/// Connects to a forward's target: a name is resolved and its addresses are tried in Happy Eyeballs order. `deadline`
/// bounds all of it. The handler is called once, from the loop; destroying the operation cancels it.
[[nodiscard]] std::unique_ptr<net::Operation> connect_target(const boost::asio::any_io_executor& executor,
                                                             net::Resolver& resolver, const Target& target,
                                                             AddressFamily family, Duration deadline,
                                                             TargetHandler handler);

}  // namespace holdfast::forward
