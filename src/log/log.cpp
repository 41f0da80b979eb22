#include "log/log.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <utility>

#include "log/text.hpp"
#include "worker/datagram.hpp"
#include "worker/worker.hpp"

namespace holdfast::log {
namespace {

constexpr std::string_view journal_socket = "/run/systemd/journal/socket";

/// Of the longest lines it is some megabytes; of those that are usual, some hundred kilobytes.
constexpr std::size_t most_waiting = 500;

/// An event on its way to the sink.
struct Event {
  LogLevel level = LogLevel::info;
  std::string line;
  std::vector<std::string> fields;  ///< for the journal only
  std::chrono::system_clock::time_point time = std::chrono::system_clock::now();
  std::uint64_t dropped_before = 0;
};

/// Whoever takes no more is told nothing: it is where complaints would go.
void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      return;
    }
  }
}

/// The thread's side.
class Output {
 public:
  explicit Output(bool journal) : journal_(journal) {}

  void write(const Event& event) {
    tell_dropped(event.dropped_before);
    deliver(event);
    if (--waiting == 0) tell_dropped(dropped);
  }

  std::atomic<std::size_t> waiting = 0;
  std::atomic<std::uint64_t> dropped = 0;

 private:
  void deliver(const Event& event) const {
    // journald is gone only if standard error, which leads to it, is gone too: there is nowhere left to complain.
    if (journal_) return static_cast<void>(send_datagram(journal_socket, journal_entry(event.fields)));
    write_all(STDERR_FILENO, stamped(event.time, event.level, event.line, colour_));
  }

  void tell_dropped(std::uint64_t now) {
    if (now <= told_) return;
    const std::string text = std::to_string(now - std::exchange(told_, now)) +
                             " lines were dropped here, while whoever reads the log took none";
    deliver({LogLevel::error, line(text, {}), journal_fields(LogLevel::error, text, {})});
  }

  bool journal_;
  bool colour_ = takes_colour(STDERR_FILENO);
  std::uint64_t told_ = 0;
};

/// The loop's side.
class Queue {
 public:
  void write(LogLevel level, std::string_view text, const Fields& fields) {
    Event event{level, line(text, fields), {}};
    if (journal_) event.fields = journal_fields(level, text, fields);
    event.dropped_before = output_->dropped;
    ++output_->waiting;
    if (worker_.post([output = output_, event = std::move(event)] { output->write(event); })) return;
    --output_->waiting;
    ++output_->dropped;
  }

  bool flush(std::chrono::milliseconds patience) { return worker_.flush(patience); }
  std::uint64_t dropped() const { return output_->dropped; }

 private:
  const bool journal_ = is_journal_stream(STDERR_FILENO, std::getenv("JOURNAL_STREAM"));
  std::shared_ptr<Output> output_ = std::make_shared<Output>(journal_);
  Worker worker_{most_waiting};
};

std::unique_ptr<Queue>& queue() {
  static std::unique_ptr<Queue> instance;
  return instance;
}

}  // namespace

void init() {
  queue() = std::make_unique<Queue>();
}

void write(LogLevel level, std::string_view text, const Fields& fields, LogLevel threshold) {
  if (level == LogLevel::quiet || level > threshold) return;
  if (!queue()) init();
  queue()->write(level, text, fields);
}

bool flush(std::chrono::milliseconds patience) {
  return !queue() || queue()->flush(patience);
}

std::uint64_t dropped() {
  return queue() ? queue()->dropped() : 0;
}

}  // namespace holdfast::log
