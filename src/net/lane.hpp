#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace holdfast::net {

/// A thread for calls that may never come back, and the way from it back to the loop. It makes one call after the
/// other, and is there while there are any.
class Lane {
 public:
  using Then = std::function<void()>;

  explicit Lane(const boost::asio::any_io_executor& executor);
  /// Waits for nothing.
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// `call` runs on the thread and owns what it touches; what it returns is called from the loop, unless the Lane is
  /// gone by then. False if too many calls wait, or if neither a thread nor a descriptor can be had.
  bool post(std::function<Then()> call);
  /// Whether every call is made; waits for that no longer than `patience`.
  bool flush(std::chrono::milliseconds patience);

 private:
  class Impl;
  boost::asio::any_io_executor executor_;
  std::shared_ptr<Impl> impl_;  ///< once there is something to do
};

}  // namespace holdfast::net
