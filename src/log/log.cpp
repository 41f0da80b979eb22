#include "log/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <utility>

// The fields say what happened; which source line said so helps nobody who reads a journal.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "log/line.hpp"
#include "worker/worker.hpp"

namespace holdfast::log {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::quiet:
      return spdlog::level::off;
    case LogLevel::fatal:
      return spdlog::level::critical;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::info:
    case LogLevel::verbose:
      return spdlog::level::info;
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::debug2:
    case LogLevel::debug3:
      return spdlog::level::trace;
  }
  return spdlog::level::info;
}

/// How many lines wait for the sink: some hundred kilobytes of usual lines, some megabytes of the longest ones.
constexpr std::size_t most_waiting = 500;

/// An event on its way to the sink. spdlog's message has no room for the fields.
struct Event {
  spdlog::level::level_enum level = spdlog::level::info;
  std::string line;
  std::vector<std::string> fields;  ///< for the journal only
  spdlog::log_clock::time_point time = spdlog::log_clock::now();
  std::uint64_t dropped_before = 0;
};

class JournalSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit JournalSink(const Event*& event) : event_(event) {}

 protected:
  void sink_it_(const spdlog::details::log_msg&) override {
    std::vector<iovec> parts;
    parts.reserve(event_->fields.size());
    for (const std::string& field : event_->fields) parts.push_back({const_cast<char*>(field.data()), field.size()});
    // journald is gone only if standard error, which leads to it, is gone too: there is nowhere left to complain.
    static_cast<void>(sd_journal_sendv(parts.data(), static_cast<int>(parts.size())));
  }
  void flush_() override {}

 private:
  const Event*& event_;
};

/// The thread's side.
class Output {
 public:
  explicit Output(bool journal) : logger_("holdfast", make_sink(journal)) { logger_.set_level(spdlog::level::trace); }

  void write(const Event& event) {
    tell_dropped(event.dropped_before);
    deliver(event);
    if (--waiting == 0) tell_dropped(dropped);
  }

  std::atomic<std::size_t> waiting = 0;
  std::atomic<std::uint64_t> dropped = 0;

 private:
  spdlog::sink_ptr make_sink(bool journal) {
    if (journal) return std::make_shared<JournalSink>(event_);
    const bool no_color = std::getenv("NO_COLOR") != nullptr;
    auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_st>(no_color ? spdlog::color_mode::never
                                                                                   : spdlog::color_mode::automatic);
    sink->set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%SZ %^%-5l%$ %v", spdlog::pattern_time_type::utc));
    return sink;
  }

  void deliver(const Event& event) {
    event_ = &event;
    logger_.log(event.time, {}, event.level, event.line);
  }

  void tell_dropped(std::uint64_t now) {
    if (now <= told_) return;
    const std::string text = std::to_string(now - std::exchange(told_, now)) +
                             " lines were dropped here, while whoever reads the log took none";
    deliver({spdlog_level(LogLevel::error), line(text, {}), journal_fields(LogLevel::error, text, {})});
  }

  const Event* event_ = nullptr;
  std::uint64_t told_ = 0;
  spdlog::logger logger_;
};

/// The loop's side.
class Queue {
 public:
  void write(LogLevel level, std::string_view text, const Fields& fields) {
    Event event{spdlog_level(level), line(text, fields), {}};
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
