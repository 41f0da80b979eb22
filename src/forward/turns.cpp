#include "forward/turns.hpp"

#include <boost/asio/post.hpp>
#include <utility>

namespace holdfast::forward {

void Turns::join(std::weak_ptr<Sender> sender) {
  queue_.push_back(std::move(sender));
  wake();
}

void Turns::wake() {
  if (queue_.empty() || std::exchange(woken_, true)) return;
  boost::asio::post(executor_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->serve();
  });
}

void Turns::serve() {
  woken_ = false;
  if (full_since_) quantum_.taken_after(Clock::now() - *std::exchange(full_since_, std::nullopt));
  // On the stack it would stay for good: what is large there is touched page by page (-fstack-clash-protection).
  const auto space = std::make_unique_for_overwrite<std::byte[]>(quantum_.size());
  const std::span buffer{space.get(), quantum_.size()};
  bool again = false;
  // Whoever joins meanwhile is served in the next round.
  for (std::size_t left = queue_.size(); left > 0; --left) {
    std::list<std::weak_ptr<Sender>> turn;  // out of the queue while it is served, and back without an allocation
    turn.splice(turn.end(), queue_, queue_.begin());
    const auto sender = turn.front().lock();
    if (!sender) continue;
    switch (sender->serve(buffer)) {
      case Sender::Served::full:
        queue_.splice(queue_.begin(), turn);
        full_since_ = Clock::now();
        return;
      case Sender::Served::some:
        queue_.splice(queue_.end(), turn);
        again = true;
        break;
      case Sender::Served::all:
        break;
    }
  }
  if (again) wake();
}

}  // namespace holdfast::forward
