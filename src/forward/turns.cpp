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
  std::deque<std::weak_ptr<Sender>> waiting;
  std::deque<std::weak_ptr<Sender>> served;
  // Whoever joins meanwhile goes to the new queue, behind those who already wait.
  for (auto& weak : std::exchange(queue_, {})) {
    const auto sender = weak.lock();
    if (!sender) continue;
    switch (sender->serve(buffer_)) {
      case Sender::Served::nothing:
        waiting.push_back(std::move(weak));
        break;
      case Sender::Served::some:
        served.push_back(std::move(weak));
        break;
      case Sender::Served::all:
        break;
    }
  }
  const bool again = !served.empty();
  queue_.insert(queue_.begin(), waiting.begin(), waiting.end());
  queue_.insert(queue_.end(), served.begin(), served.end());
  if (again) wake();
}

}  // namespace holdfast::forward
