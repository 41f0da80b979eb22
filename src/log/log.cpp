#include "log/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

// The fields say what happened; which source line said so helps nobody who reads a journal.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "log/text.hpp"

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

/// An event on its way to a sink: spdlog's message has no room for the fields. One thread logs, so one is enough.
struct Event {
  LogLevel level = LogLevel::info;
  std::string_view text;
  const Fields* fields = nullptr;
};

class JournalSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit JournalSink(const Event& event) : event_(event) {}

 protected:
  void sink_it_(const spdlog::details::log_msg&) override {
    const std::vector<std::string> fields = journal_fields(event_.level, event_.text, *event_.fields);
    std::vector<iovec> parts;
    parts.reserve(fields.size());
    for (const std::string& field : fields) parts.push_back({const_cast<char*>(field.data()), field.size()});
    // journald is gone only if standard error, which leads to it, is gone too: there is nowhere left to complain.
    static_cast<void>(sd_journal_sendv(parts.data(), static_cast<int>(parts.size())));
  }
  void flush_() override {}

 private:
  const Event& event_;
};

class Output {
 public:
  Output() : logger_("holdfast", make_sink()) { logger_.set_level(spdlog::level::trace); }

  void write(const Event& event) {
    event_ = event;
    logger_.log(spdlog_level(event.level), line(event.text, *event.fields));
  }

 private:
  spdlog::sink_ptr make_sink() {
    if (is_journal_stream(STDERR_FILENO, std::getenv("JOURNAL_STREAM"))) return std::make_shared<JournalSink>(event_);
    const bool no_color = std::getenv("NO_COLOR") != nullptr;
    auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_st>(no_color ? spdlog::color_mode::never
                                                                                   : spdlog::color_mode::automatic);
    sink->set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%SZ %^%-5l%$ %v", spdlog::pattern_time_type::utc));
    return sink;
  }

  Event event_;
  spdlog::logger logger_;
};

std::unique_ptr<Output>& output() {
  static std::unique_ptr<Output> instance;
  return instance;
}

}  // namespace

void init() {
  output() = std::make_unique<Output>();
}

void write(LogLevel level, std::string_view text, const Fields& fields, LogLevel threshold) {
  if (level == LogLevel::quiet || level > threshold) return;
  if (!output()) init();
  output()->write({level, text, &fields});
}

}  // namespace holdfast::log
