#include "ssh/turn_schedule.hpp"

#include <boost/asio/post.hpp>
#include <utility>

namespace holdfast::ssh {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

TurnSchedule::TurnSchedule(tcp::socket& socket, std::function<void()> turn)
    : socket_(socket), turn_(std::move(turn)), pause_(socket.get_executor()) {}

void TurnSchedule::soon() {
  if (ended_ || std::exchange(posted_, true)) return;
  asio::post(pause_.get_executor(), [self = shared_from_this()] {
    self->posted_ = false;
    self->take_turn();
  });
}

void TurnSchedule::await(bool to_write) {
  if (!std::exchange(awaiting_read_, true)) {
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
      self->awaiting_read_ = false;
      if (error != asio::error::operation_aborted) self->take_turn();
    });
  }
  if (!to_write || std::exchange(awaiting_write_, true)) return;
  socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](error_code error) {
    self->awaiting_write_ = false;
    if (error != asio::error::operation_aborted) self->take_turn();
  });
}

bool TurnSchedule::ration(const PacketRation::Taken& all, TimePoint now) {
  const auto before = std::exchange(rationed_, all);
  const Duration pause = ration_.took_in(
      {all.packets - before.packets, all.services - before.services, all.visitors - before.visitors}, now);
  if (ration_.is_used_up(now)) return false;
  if (pause == Duration::zero()) return true;
  paused_ = true;
  pause_.expires_after(pause);
  pause_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (!self || error) return;
    self->paused_ = false;
    self->take_turn();
  });
  return true;
}

void TurnSchedule::end() {
  ended_ = true;
  pause_.cancel();
}

void TurnSchedule::take_turn() {
  if (!ended_) turn_();
}

}  // namespace holdfast::ssh
