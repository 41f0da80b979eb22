#include "worker/worker.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

namespace holdfast {
namespace {

std::atomic<int> threads = 0;

}  // namespace

bool any_worker_runs() {
  return threads > 0;
}

struct Worker::State {
  struct Waiting {
    Job job;
    std::string key;
  };

  const std::size_t most;
  std::mutex mutex;
  std::condition_variable idle;
  std::deque<Waiting> waiting;
  bool running = false;  ///< there is a thread

  /// The thread: as long as there is something to do.
  void work() {
    std::unique_lock lock(mutex);
    while (!waiting.empty()) {
      Job job = std::move(waiting.front().job);
      waiting.pop_front();
      lock.unlock();
      job();
      job = nullptr;  // what it owns may take its time to go, too
      lock.lock();
    }
    running = false;
    --threads;
    idle.notify_all();
  }
};

Worker::Worker(std::size_t most) : state_(new State{most, {}, {}, {}}) {}

Worker::~Worker() = default;

bool Worker::post(Job job, const std::string& key) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (!key.empty()) std::erase_if(state.waiting, [&](const State::Waiting& other) { return other.key == key; });
  if (state.waiting.size() >= state.most) return false;
  state.waiting.push_back({std::move(job), key});
  if (state.running) return true;
  try {
    std::thread([shared = state_] { shared->work(); }).detach();
    ++threads;
    state.running = true;
  } catch (const std::system_error&) {
    state.waiting.pop_back();
  }
  return state.running;
}

bool Worker::flush(std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  return state_->idle.wait_for(lock, patience, [&] { return !state_->running; });
}

}  // namespace holdfast
