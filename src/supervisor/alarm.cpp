#include "supervisor/alarm.hpp"

#include <utility>

namespace holdfast::supervisor {

Alarm::Alarm(const boost::asio::any_io_executor& executor, std::function<void()> rings)
    : rings_(std::move(rings)), timer_(executor) {}

void Alarm::set(std::optional<TimePoint> deadline) {
  if (!deadline) {
    armed_for_.reset();
    timer_.cancel();
    return;
  }
  if (armed_for_ && *armed_for_ <= *deadline) return;
  armed_for_ = deadline;
  timer_.expires_at(*deadline);
  timer_.async_wait(lifetime_.guard([this](const boost::system::error_code& error) {
    if (error) return;
    armed_for_.reset();
    rings_();
  }));
}

}  // namespace holdfast::supervisor
