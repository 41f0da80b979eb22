#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "holdfast/failure.hpp"
#include "net/dial/connector.hpp"
#include "net/resolver.hpp"

namespace holdfast::net {

/// Where there is a banner, or why there is none.
using BannerHandler = std::function<void(tl::expected<boost::asio::ip::address, Failure>)>;

/// Does an SSH server answer at one of these? Does what a session would: connects, sends `identification`, reads until
/// a line begins with "SSH-" (RFC 4253, 4.2), at most 4 KiB, and closes. What stands before a relay may need the
/// client's first bytes to tell where they go. Where no banner comes, the next endpoint is tried, after 3 s of silence
/// too. The failure is that of the last. Some 1.5 KB on the wire, most of it the relay's first offer of keys. There is
/// no deadline here: the owner cancels. The handler is called from the loop, never from inside.
[[nodiscard]] std::unique_ptr<Operation> probe_banner(const boost::asio::any_io_executor& executor, Endpoints endpoints,
                                                      ConnectOptions options, std::string subject,
                                                      std::string identification, BannerHandler handler);

}  // namespace holdfast::net
