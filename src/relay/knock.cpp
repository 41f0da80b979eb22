#include "relay/knock.hpp"

#include <boost/asio/post.hpp>
#include <optional>
#include <utility>
#include <vector>

namespace holdfast::relay {

class Knock::Impl final : public ssh::ChannelObserver, public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, ssh::Channel channel, std::function<void(Heard)> heard)
      : executor_(std::move(executor)), channel_(std::move(channel)), heard_(std::move(heard)) {}

  void start() {
    channel_->observe(this);
    if (!channel_->take_buffered().empty()) return report(Heard::bytes);
    report_end();
  }

  void say(std::span<const std::byte> words) {
    unsaid_.assign(words.begin(), words.end());
    speak();
  }

  void say_nothing() { channel_->send_eof(); }

  void ignore() { heard_ = nullptr; }

  void hang_up() {
    ignore();
    channel_.reset();
  }

  std::size_t on_data(std::span<const std::byte>) override {
    report(Heard::bytes);
    return 0;
  }

  void on_ready() override {
    if (!channel_) return;
    speak();
    report_end();
  }

 private:
  /// All in one piece, so that it arrives as one.
  void speak() {
    if (unsaid_.empty() || channel_->writable() < unsaid_.size()) return;
    channel_->write(unsaid_);
    unsaid_.clear();
  }

  void report_end() {
    if (channel_->at_eof() || !channel_->is_open()) report(Heard::end);
  }

  /// May be called inside libssh, so that the owner is told on a turn of its own.
  void report(Heard what) {
    if (std::exchange(reported_, true)) return;
    boost::asio::post(executor_, [self = shared_from_this(), what] {
      if (const auto heard = std::exchange(self->heard_, nullptr)) heard(what);
    });
  }

  boost::asio::any_io_executor executor_;
  std::optional<ssh::Channel> channel_;
  std::function<void(Heard)> heard_;
  std::vector<std::byte> unsaid_;
  bool reported_ = false;
};

Knock::Knock(boost::asio::any_io_executor executor, ssh::Channel channel, std::function<void(Heard)> heard)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(channel), std::move(heard))) {
  impl_->start();
}

Knock::~Knock() {
  impl_->hang_up();
}

void Knock::say(std::span<const std::byte> words) {
  impl_->say(words);
}

void Knock::say_nothing() {
  impl_->say_nothing();
}

void Knock::ignore() {
  impl_->ignore();
}

}  // namespace holdfast::relay
