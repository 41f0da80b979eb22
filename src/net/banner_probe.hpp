#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "holdfast/failure.hpp"
#include "net/connector.hpp"
#include "net/resolver.hpp"

namespace holdfast::net {

/// Why there is no banner; nothing: there was one.
using BannerHandler = std::function<void(std::optional<Failure>)>;

/// Does an SSH server answer there? Resolves, connects, reads until a line begins with "SSH-" (RFC 4253, 4.2), at most
/// 4 KiB, and closes; sends nothing. Some 200 bytes on the wire. There is no deadline here: the owner cancels.
/// The handler is called from the loop, never from inside. `resolver` must outlive the operation.
[[nodiscard]] std::unique_ptr<Operation> probe_banner(const boost::asio::any_io_executor& executor, Resolver& resolver,
                                                      const std::string& host, std::uint16_t port, AddressFamily family,
                                                      ConnectOptions options, BannerHandler handler);

}  // namespace holdfast::net
