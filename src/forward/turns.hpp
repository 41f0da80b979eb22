#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "forward/quantum.hpp"
#include "holdfast/time.hpp"

namespace holdfast::forward {

/// Something with bytes to send on the session that it shares with others.
class Sender {
 public:
  enum class Served {
    full,  ///< nobody has room: stays where it stands, and the others are not asked until wake()
    some,  ///< has more to send: goes to the end of the queue
    all,   ///< leaves the queue, until it joins again
  };
  /// `buffer` is scratch space, and its size the most to send at a time.
  virtual Served serve(std::span<std::byte> buffer) = 0;

 protected:
  ~Sender() = default;
};

/// Round robin. A session that is full accepts the next bytes from whoever asks first; without turns that is always
/// the same connection, and a bulk transfer starves an interactive one.
class Turns : public std::enable_shared_from_this<Turns> {
 public:
  explicit Turns(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  /// Queues a sender that is not queued, and wakes.
  void join(std::weak_ptr<Sender> sender);
  /// There may be room again, or who waited for it is gone: the queue is served from the loop, once for any number of
  /// calls.
  void wake();

 private:
  void serve();

  boost::asio::any_io_executor executor_;
  std::list<std::weak_ptr<Sender>> queue_;
  Quantum quantum_;
  std::optional<TimePoint> full_since_;
  bool woken_ = false;
};

}  // namespace holdfast::forward
