#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "holdfast/config.hpp"
#include "holdfast/lifetime.hpp"
#include "status/server.hpp"

namespace holdfast::status {

struct SocketWaits {
  Duration between_tries = std::chrono::seconds{10};
  /// For what inotify does not tell: a file system that is mounted over it, or that there are too many watches.
  Duration between_looks = std::chrono::seconds{60};
  Duration after_an_event = std::chrono::seconds{1};  ///< for they may come one after the other
};

/// Opens a socket of ours as soon as it can be had, and again when its file is gone. A full /run, a wrong group or a
/// cleaned-up directory must neither keep the tunnels down nor blind whoever watches them.
class KeptSocket {
 public:
  /// Whoever logs.
  using Tell = std::function<void(LogLevel, const std::string&)>;

  /// `source` must outlive it.
  KeptSocket(const boost::asio::any_io_executor& executor, StatusSocketSpec spec, Role role, Source& source, Tell tell,
             const Limits& limits = {}, const SocketWaits& waits = {});

  /// Once. Tells why it can't be had, and again only when that changes.
  void open();
  bool is_open() const { return server_.has_value(); }

 private:
  void watch();
  void look_after(Duration wait);
  void look();

  const boost::asio::any_io_executor executor_;
  const StatusSocketSpec spec_;
  const Role role_;
  Source& source_;
  const Tell tell_;
  const Limits limits_;
  const SocketWaits waits_;
  boost::asio::steady_timer again_;
  boost::asio::posix::stream_descriptor watch_;  ///< inotify(7)
  std::optional<Server> server_;
  std::string told_;
  Lifetime lifetime_;
};

}  // namespace holdfast::status
