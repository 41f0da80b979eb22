#include "ssh/transport_watch.hpp"

#include <chrono>
#include <utility>

namespace holdfast::ssh {
namespace {

/// So long after something was sent TCP is looked at, and again while it does not move.
constexpr std::chrono::seconds look_period{2};

}  // namespace

TransportWatch::TransportWatch(const boost::asio::any_io_executor& executor, Stalled stalled)
    : stalled_(std::move(stalled)), timer_(executor) {}

std::optional<TransportReport> TransportWatch::report(int socket) {
  auto report = transport_of(socket);
  if (!report) return report;
  const TimePoint now = Clock::now();
  if (!has_hole(socket)) {
    hole_since_.reset();
  } else if (!hole_since_ || now - *hole_since_ > report->nothing_came_for) {
    hole_since_ = now;  // since then something came: it is another one
  }
  if (hole_since_) report->hole_for = now - *hole_since_;
  repetitions_.look(socket, now, *report);
  report->large_passed = large_segments_.have_passed(socket);
  return report;
}

void TransportWatch::something_was_sent(int socket) {
  if (ended_ || std::exchange(look_is_due_, true)) return;
  timer_.expires_after(look_period);
  timer_.async_wait([weak = weak_from_this(), socket](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->ended_) return;
    self->look_is_due_ = false;
    self->look(socket);
  });
}

void TransportWatch::look(int socket) {
  const auto now = report(socket);
  if (!now) return;
  const bool late = now->repetitions > 0 || hole_since_;
  // The first repetition may yet come: after a round trip that took seconds it takes its time.
  if (late || now->unacknowledged > 0) something_was_sent(socket);
  if (late) stalled_(*now);
}

void TransportWatch::end() {
  ended_ = true;
  timer_.cancel();
}

}  // namespace holdfast::ssh
