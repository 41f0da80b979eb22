#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "holdfast/time.hpp"
#include "holdfast/transport.hpp"
#include "ssh/transport.hpp"

namespace holdfast::ssh {

/// Looks at what TCP knows of a session's connection: whenever it is asked, and by itself while something that was sent
/// may be stuck, or its answer. A session that says nothing costs no timer.
class TransportWatch : public std::enable_shared_from_this<TransportWatch> {
 public:
  using Stalled = std::function<void(const TransportReport&)>;

  /// `stalled` is called from the loop at each look at which something is late, until end().
  TransportWatch(const boost::asio::any_io_executor& executor, Stalled stalled);

  /// Now; none without a socket.
  std::optional<TransportReport> report(int socket);
  void something_was_sent(int socket);
  void end();

 private:
  void look(int socket);

  const Stalled stalled_;
  boost::asio::steady_timer timer_;
  std::optional<TimePoint> hole_since_;  ///< seen for the first time
  Repetitions repetitions_;
  LargeSegments large_segments_;
  bool look_is_due_ = false;
  bool ended_ = false;
};

}  // namespace holdfast::ssh
