#include "supervisor/knocker.hpp"

#include <utility>

namespace holdfast::supervisor {
namespace {

KnockAnswer to_answer(ssh::OpenFailure failure) {
  switch (failure) {
    case ssh::OpenFailure::refused:
      return KnockAnswer::nobody_listens;
    case ssh::OpenFailure::not_connected:
      return KnockAnswer::not_connected;
    case ssh::OpenFailure::prohibited:
    case ssh::OpenFailure::other:
      return KnockAnswer::not_permitted;
  }
  return KnockAnswer::not_permitted;
}

}  // namespace

Knocker::Knocker(boost::asio::any_io_executor executor, std::function<void(Knocked)> news)
    : executor_(std::move(executor)), news_(std::move(news)) {}

void Knocker::start(ssh::Session& session, std::size_t forward, const std::string& host, std::uint16_t port) {
  half_closes_ = session.relay_is_openssh();
  session.open_direct_tcpip(host, port,
                            awaited_.by([this, forward](tl::expected<ssh::Channel, ssh::OpenRefusal> channel) {
                              opened(forward, std::move(channel));
                            }));
}

void Knocker::stop() {
  awaited_.give_up();
  knock_.reset();
}

void Knocker::opened(std::size_t forward, tl::expected<ssh::Channel, ssh::OpenRefusal> channel) {
  if (!channel) return news_({forward, to_answer(channel.error().reason), channel.error().words});
  knock_ = std::make_unique<relay::Knock>(executor_, std::move(*channel), [this, forward](relay::Heard) {
    knock_.reset();
    news_({forward, KnockAnswer::answered});
  });
  if (half_closes_) knock_->say_nothing();
  news_({forward, KnockAnswer::opened});
}

}  // namespace holdfast::supervisor
