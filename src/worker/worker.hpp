#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace holdfast {

/// Takes over calls that may never come back: to a disk, a pipe or a socket that nobody reads. They are made one after
/// the other on a thread, which lives while there are any. Nobody ever waits for it without a limit: a call that hangs
/// costs what waits behind it, and nothing else.
class Worker {
 public:
  using Job = std::function<void()>;

  /// `most` jobs wait, beside the one that runs.
  explicit Worker(std::size_t most);
  /// Waits for nothing: what was posted is still done while the process lives. So a job owns what it touches.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// False if it was not taken: too many wait, or the system has no thread for us. The one that waits under the same
  /// `key` is left out: what was to be written is no longer the newest.
  bool post(Job job, const std::string& key = {});
  /// Whether everything that was posted is done; waits for that no longer than `patience`.
  bool flush(std::chrono::milliseconds patience);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Whether any Worker of this process has a thread. Then exit() would take away what that may be using.
bool any_worker_runs();

/// What `call` returns, or nothing if it does not come back within `patience`, or an earlier one of this worker has not
/// yet. It owns what it touches.
template <typename Call>
auto within(Worker& worker, std::chrono::milliseconds patience, Call call) -> std::optional<decltype(call())> {
  if (!worker.flush(std::chrono::milliseconds{0})) return {};
  const auto result = std::make_shared<std::optional<decltype(call())>>();
  if (!worker.post([result, call = std::move(call)] { *result = call(); }) || !worker.flush(patience)) return {};
  return std::move(*result);
}

}  // namespace holdfast
