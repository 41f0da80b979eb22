#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/time.hpp"
#include "net/address_cache.hpp"

namespace holdfast::net {

class Disk;

using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;
using ResolveHandler = std::function<void(tl::expected<Endpoints, Failure>)>;

/// Where a relay's name leads.
struct RelayAddresses {
  Endpoints said;        ///< by DNS; empty if the memory stands in for it
  Endpoints remembered;  ///< the relay's host key was right there, the last one first but for happy_eyeballs_order()
  std::optional<Duration> age;  ///< since it was right at the first of them, if the clock can tell
};
using RelayHandler = std::function<void(tl::expected<RelayAddresses, Failure>)>;

/// Keeps the handler of one asynchronous operation alive; destroying it cancels: the handler is not called any more.
class Operation {
 public:
  virtual ~Operation() = default;
};

/// What a blocking lookup says: endpoints, or one of getaddrinfo's EAI_ codes.
struct Answer {
  int error = 0;         ///< EAI_...; 0: found
  int system_error = 0;  ///< errno, when error is EAI_SYSTEM
  Endpoints endpoints;
};

/// Blocks; runs on a thread of its own, possibly after the Resolver is gone.
using Lookup = std::function<Answer(const std::string& host, std::uint16_t port, AddressFamily family)>;

/// RFC 8305, 4: families interleaved, beginning with the first one's, the order within each kept; duplicates left out.
Endpoints happy_eyeballs_order(const Endpoints& endpoints);

/// getaddrinfo without blocking the loop. getaddrinfo can't be cancelled, so it runs on a detached thread, which never
/// holds up the exit. A second lookup of a name that is still being looked up joins the first, so that a dead DNS
/// server costs one thread a name. Literal addresses, and "localhost" (always the loopback addresses, RFC 6761, 6.3),
/// are answered without a thread. With a cache, a name that was found before is answered from it when the lookup fails
/// or takes longer than a second. It may fail with any error: a carrier's name server may deny any name while the
/// device is not yet registered. A late answer still refreshes the cache. The host key, not DNS, says whether an
/// address is the relay's. The handler is called from the loop, never from inside resolve(). Endpoints come in
/// happy_eyeballs_order().
class Resolver {
 public:
  using Say = AddressCache::Say;

  explicit Resolver(const boost::asio::any_io_executor& executor);
  Resolver(const boost::asio::any_io_executor& executor, Lookup lookup);
  /// `say` is told once for each outage of a name that cached addresses are used, and how old they are. `disk` writes
  /// the cache's file. Without a `lookup` the system's is used.
  Resolver(const boost::asio::any_io_executor& executor, AddressCache cache, Say say, std::shared_ptr<Disk> disk,
           Lookup lookup = {});
  ~Resolver();

  [[nodiscard]] std::unique_ptr<Operation> resolve(const std::string& host, std::uint16_t port, AddressFamily family,
                                                   ResolveHandler handler);
  /// Resolves a relay's name. From now on the cache takes its addresses from was_right() only, whatever DNS says of the
  /// name: that may lead to a captive portal.
  [[nodiscard]] std::unique_ptr<Operation> find_relay(const std::string& host, std::uint16_t port, AddressFamily family,
                                                      RelayHandler handler);
  /// The relay was found at this address, by its host key. `said`: what DNS said when that was tried.
  void was_right(const std::string& host, AddressFamily family, const boost::asio::ip::address& address,
                 const Endpoints& said);
  /// Lookups under way ask the name servers of the network that was: later ones don't join them.
  void network_changed();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// From now on glibc repeats an unanswered question after 2 s instead of 5, so that a name server that comes back
/// meanwhile is not waited for in vain. RES_OPTIONS goes before that (resolv.conf(5)). To be called before the first
/// thread.
void hasten_lookups();

}  // namespace holdfast::net
