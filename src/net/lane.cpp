#include "net/lane.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "net/event_fd.hpp"
#include "worker/worker.hpp"

namespace holdfast::net {
namespace {

namespace asio = boost::asio;

constexpr std::size_t most_waiting = 64;

/// The only thing that the loop and the thread share. The thread never touches the executor, which may be gone.
class Answers {
 public:
  void put(Lane::Then answer) {
    {
      const std::lock_guard lock(mutex_);
      answers_.push_back(std::move(answer));
    }
    event_.signal();
  }
  std::vector<Lane::Then> take() {
    event_.clear();
    const std::lock_guard lock(mutex_);
    return std::exchange(answers_, {});
  }
  int descriptor() const { return event_.duplicate(); }

 private:
  EventFd event_;
  std::mutex mutex_;
  std::vector<Lane::Then> answers_;
};

}  // namespace

class Lane::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(const asio::any_io_executor& executor) : answered_(executor, answers_->descriptor()) {}

  bool post(std::function<Then()> call) {
    if (!worker_.post([answers = answers_, call = std::move(call)] { answers->put(call()); })) return false;
    ++under_way_;
    wait();
    return true;
  }

  bool flush(std::chrono::milliseconds patience) { return worker_.flush(patience); }

  /// Nobody is answered any more: the answer that is being given may have ended the Lane.
  void end() { gone_ = true; }

 private:
  /// Only while there is something to wait for: it keeps the loop running.
  void wait() {
    if (under_way_ == 0 || std::exchange(waiting_, true)) return;
    answered_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [weak = weak_from_this()](const boost::system::error_code& error) {
                           const auto self = weak.lock();
                           if (error || !self) return;
                           self->waiting_ = false;
                           self->deliver();
                         });
  }

  void deliver() {
    const auto answers = answers_->take();
    under_way_ -= answers.size();
    wait();
    for (const Then& answer : answers) {
      if (!gone_) answer();
    }
  }

  std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();
  asio::posix::stream_descriptor answered_;
  Worker worker_{most_waiting};
  std::size_t under_way_ = 0;
  bool waiting_ = false;
  bool gone_ = false;
};

Lane::Lane(const asio::any_io_executor& executor) : executor_(executor) {}

Lane::~Lane() {
  if (impl_) impl_->end();
}

bool Lane::post(std::function<Then()> call) {
  try {  // it takes two descriptors
    if (!impl_) impl_ = std::make_shared<Impl>(executor_);
  } catch (const std::exception&) {
    return false;
  }
  return impl_->post(std::move(call));
}

bool Lane::flush(std::chrono::milliseconds patience) {
  return !impl_ || impl_->flush(patience);
}

}  // namespace holdfast::net
