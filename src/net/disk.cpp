#include "net/disk.hpp"

#include <boost/asio/post.hpp>
#include <cerrno>
#include <map>
#include <system_error>
#include <utility>

#include "holdfast/time.hpp"
#include "net/lane.hpp"

namespace holdfast::net {
namespace {

constexpr std::chrono::seconds usual_write{2};

}  // namespace

class Disk::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(const boost::asio::any_io_executor& executor)
      : executor_(executor), reader_(executor), writer_(executor) {}

  bool read(std::function<Then()> read) { return reader_.post(std::move(read)); }

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
    if (!writer_.post(call)) boost::asio::post(executor_, [answer] { answer(EAGAIN); });
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

  bool flush(std::chrono::milliseconds patience) { return writer_.flush(patience); }

 private:
  /// One that is under way, or has failed.
  struct Write {
    TimePoint began;
    int error = 0;  ///< of the one before
  };

  void note(const std::string& file, int error) {
    if (error == 0) {
      writes_.erase(file);
    } else {
      writes_[file].error = error;
    }
  }

  boost::asio::any_io_executor executor_;
  Lane reader_;
  Lane writer_;
  std::map<std::string, Write> writes_;
};

Disk::Disk(const boost::asio::any_io_executor& executor) : impl_(std::make_shared<Impl>(executor)) {}

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
