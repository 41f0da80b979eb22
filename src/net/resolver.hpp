#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"

namespace holdfast::net {

using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;
using ResolveHandler = std::function<void(tl::expected<Endpoints, Failure>)>;

/// Keeps the handler of one asynchronous operation alive; destroying it cancels: the handler is not called any more.
class Operation {
 public:
  virtual ~Operation() = default;
};

/// getaddrinfo without blocking the loop. getaddrinfo can't be cancelled, so it runs on a detached thread whose late
/// answer goes nowhere; a second lookup of a name that is still being looked up joins it, so that a dead DNS server
/// costs one thread a name and never holds up the exit. Literal addresses are answered without a thread.
/// The handler is called from the loop, never from inside resolve(). Endpoints come in Happy Eyeballs order
/// (RFC 8305, 4: families interleaved, the resolver's order kept within each).
class Resolver {
 public:
  explicit Resolver(boost::asio::any_io_executor executor);
  ~Resolver();

  [[nodiscard]] std::unique_ptr<Operation> resolve(const std::string& host, std::uint16_t port, AddressFamily family,
                                                   ResolveHandler handler);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace holdfast::net
