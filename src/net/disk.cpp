#include "net/disk.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "holdfast/time.hpp"
#include "net/event_fd.hpp"
#include "worker/worker.hpp"

namespace holdfast::net {
namespace {

namespace asio = boost::asio;

constexpr std::size_t most_waiting = 64;
constexpr std::chrono::seconds usual_write{2};

/// The only thing that the loop and the thread share. The thread never touches the executor, which may be gone.
class Answers {
 public:
  void put(Disk::Then answer) {
    {
      const std::lock_guard lock(mutex_);
      answers_.push_back(std::move(answer));
    }
    event_.signal();
  }
  std::vector<Disk::Then> take() {
    event_.clear();
    const std::lock_guard lock(mutex_);
    return std::exchange(answers_, {});
  }
  int descriptor() const { return event_.duplicate(); }

 private:
  EventFd event_;
  std::mutex mutex_;
  std::vector<Disk::Then> answers_;
};

/// A thread, and the way back from it.
class Lane : public std::enable_shared_from_this<Lane> {
 public:
  explicit Lane(const asio::any_io_executor& executor) : answered_(executor, answers_->descriptor()) {}

  bool post(std::function<Disk::Then()> call) {
    if (!worker_.post([answers = answers_, call = std::move(call)] { answers->put(call()); })) return false;
    ++under_way_;
    wait();
    return true;
  }

  bool flush(std::chrono::milliseconds patience) { return worker_.flush(patience); }

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
    for (const Disk::Then& answer : answers) answer();
  }

  std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();
  asio::posix::stream_descriptor answered_;
  Worker worker_{most_waiting};
  std::size_t under_way_ = 0;
  bool waiting_ = false;
};

}  // namespace

class Disk::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(const asio::any_io_executor& executor) : executor_(executor) {}

  bool read(std::function<Then()> read) {
    Lane* const reader = lane(reader_);
    return reader != nullptr && reader->post(std::move(read));
  }

  void write(const std::string& file, std::function<int()> write, std::function<void(int)> then) {
    writes_[file].began = Clock::now();
    const auto answer = [weak = weak_from_this(), file, then = std::move(then)](int error) {
      const auto self = weak.lock();
      if (!self) return;
      self->note(file, error);
      then(error);
    };
    const auto call = [write = std::move(write), answer]() -> Then {
      return [answer, error = write()] { answer(error); };
    };
    Lane* const writer = lane(writer_);
    if (writer == nullptr || !writer->post(call)) asio::post(executor_, [answer] { answer(EAGAIN); });
  }

  std::vector<std::string> unsaved() const {
    std::vector<std::string> files;
    for (const auto& [file, write] : writes_) {
      if (write.error != 0) {
        files.push_back(file + ": " + std::generic_category().message(write.error));
      } else if (Clock::now() - write.began > usual_write) {
        files.push_back(file + ": the disk does not answer");
      }
    }
    return files;
  }

  bool flush(std::chrono::milliseconds patience) { return !writer_ || writer_->flush(patience); }

 private:
  /// One that is under way, or has failed.
  struct Write {
    TimePoint began;
    int error = 0;  ///< of the one before
  };

  /// It takes two descriptors, once there is something to do; null: there are none.
  Lane* lane(std::shared_ptr<Lane>& which) const {
    try {
      if (!which) which = std::make_shared<Lane>(executor_);
    } catch (const std::exception&) {
      return nullptr;
    }
    return which.get();
  }

  void note(const std::string& file, int error) {
    if (error == 0) {
      writes_.erase(file);
    } else {
      writes_[file].error = error;
    }
  }

  asio::any_io_executor executor_;
  std::shared_ptr<Lane> reader_;
  std::shared_ptr<Lane> writer_;
  std::map<std::string, Write> writes_;
};

Disk::Disk(const asio::any_io_executor& executor) : impl_(std::make_shared<Impl>(executor)) {}

Disk::~Disk() = default;

bool Disk::read(std::function<Then()> read) {
  return impl_->read(std::move(read));
}

void Disk::write(const std::string& file, std::function<int()> write, std::function<void(int)> then) {
  impl_->write(file, std::move(write), std::move(then));
}

std::vector<std::string> Disk::unsaved() const {
  return impl_->unsaved();
}

bool Disk::flush(std::chrono::milliseconds patience) {
  return impl_->flush(patience);
}

}  // namespace holdfast::net
