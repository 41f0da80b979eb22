#include "relay/knock.hpp"

#include <boost/asio/post.hpp>
#include <utility>

namespace holdfast::relay {

class Knock::Impl final : public ssh::ChannelObserver, public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, ssh::Channel channel, std::function<void()> answered)
      : executor_(std::move(executor)), channel_(std::move(channel)), answered_(std::move(answered)) {}

  void start() {
    channel_->observe(this);
    if (!channel_->take_buffered().empty() || channel_->at_eof() || !channel_->is_open()) report();
  }

  void hang_up() {
    answered_ = nullptr;
    channel_.reset();
  }

  std::size_t on_data(std::span<const std::byte> data) override {
    report();
    return data.size();
  }

  void on_ready() override {
    if (channel_ && (channel_->at_eof() || !channel_->is_open())) report();
  }

 private:
  /// May be called inside libssh, so that the owner is told on a turn of its own.
  void report() {
    boost::asio::post(executor_, [self = shared_from_this()] {
      if (const auto answered = std::exchange(self->answered_, nullptr)) answered();
    });
  }

  boost::asio::any_io_executor executor_;
  std::optional<ssh::Channel> channel_;
  std::function<void()> answered_;
};

Knock::Knock(boost::asio::any_io_executor executor, ssh::Channel channel, std::function<void()> answered)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(channel), std::move(answered))) {
  impl_->start();
}

Knock::~Knock() {
  impl_->hang_up();
}

}  // namespace holdfast::relay
