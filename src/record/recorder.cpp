#include "record/recorder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include "record/recording.hpp"

namespace holdfast::record {
namespace {

/// The thread's own.
class NewFile {
 public:
  explicit NewFile(std::string path) : path_(std::move(path)) {}
  ~NewFile() {
    if (file_ >= 0) ::close(file_);
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  int write(std::string_view text) {
    if (file_ < 0) file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file_ < 0) return errno;
    while (!text.empty()) {
      const ssize_t written = ::write(file_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return errno;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
  }

 private:
  const std::string path_;
  int file_ = -1;
};

}  // namespace

Sink new_file(std::string path) {
  return [file = std::make_shared<NewFile>(std::move(path))](std::string_view text) { return file->write(text); };
}

/// What the loop and the thread share.
struct Recorder::Waiting {
  const Sink sink;
  std::mutex mutex;
  std::string lines;
  bool under_way = false;
  int error = 0;  ///< then nothing more is written
  int told = 0;

  /// The thread: until nothing waits.
  void write() {
    std::unique_lock lock{mutex};
    while (!lines.empty() && error == 0) {
      const std::string taken = std::exchange(lines, {});
      lock.unlock();
      const int failed = sink(taken);
      lock.lock();
      error = failed;
    }
    under_way = false;
  }
};

Recorder::Recorder(Sink sink, std::string name, const std::string& made, std::function<void(const std::string&)> tell,
                   Limits limits)
    : name_(std::move(name)), tell_(std::move(tell)), limits_(limits), waiting_(new Waiting{std::move(sink), {}, {}}) {
  write(first_lines(made), Loss::none);
}

std::size_t Recorder::add_tunnel(const TunnelSpec& spec) {
  write(tunnel_lines(++tunnels_, spec), Loss::none);
  return tunnels_;
}

void Recorder::add_step(std::size_t tunnel, TimePoint at, const TunnelEvent& event, const std::vector<double>& dice,
                        const Step& step) {
  if (!ended_) write(step_line(tunnel, at, event, dice, step), Loss::allowed);
}

void Recorder::end(const std::string& why) {
  if (!ended_) look_for_error();
  if (!std::exchange(ended_, true)) add(end_line(why), Loss::none);
}

bool Recorder::flush(std::chrono::milliseconds patience) {
  if (!worker_.flush(patience)) return false;
  look_for_error();
  return true;
}

void Recorder::write(std::string lines, Loss loss) {
  if (!ended_) look_for_error();
  if (ended_ || !add(std::move(lines), loss)) return;
  if (bytes_ < limits_.file) return;
  ended_ = true;
  add(end_line("the file has its full size of " + std::to_string(limits_.file >> 20U) + " MiB"), Loss::none);
  tell_("the recording " + name_ + " has its full size and ends here");
}

/// What is lost is lost at a stretch, until nothing waits any more. What tells of it takes the place of what comes
/// first behind it.
bool Recorder::add(std::string lines, Loss loss) {
  bool idle = false;
  {
    const std::lock_guard lock{waiting_->mutex};
    const std::size_t waits = waiting_->lines.size();
    if (loss == Loss::allowed && waits > 0 && (lost_ > 0 || waits + lines.size() > limits_.waiting)) {
      ++lost_;
      return false;
    }
    if (lost_ > 0) lines.insert(0, lost_line(std::exchange(lost_, 0)));
    bytes_ += lines.size();
    waiting_->lines += lines;
    idle = !std::exchange(waiting_->under_way, true);
  }
  if (!idle || worker_.post([waiting = waiting_] { waiting->write(); })) return true;
  const std::lock_guard lock{waiting_->mutex};
  waiting_->under_way = false;  // there is no thread for it: with the next line, perhaps
  return true;
}

/// Told once.
void Recorder::look_for_error() {
  int error = 0;
  {
    const std::lock_guard lock{waiting_->mutex};
    error = std::exchange(waiting_->told, waiting_->error) == 0 ? waiting_->error : 0;
  }
  if (error == 0) return;
  ended_ = true;
  tell_("can't write the recording " + name_ + ": " + std::generic_category().message(error) +
        (error == EEXIST ? "; move it away, or name another one" : "") + "; the tunnels go on without");
}

Step StepRecorder::step(const TunnelSpec& spec, TunnelState state, const TunnelEvent& event, TimePoint now,
                        const UnitRandom& jitter) const {
  if (!recorder_) return holdfast::step(spec, std::move(state), event, now, jitter);
  std::vector<double> dice;
  Step result = holdfast::step(spec, std::move(state), event, now, [&] { return dice.emplace_back(jitter()); });
  recorder_->add_step(tunnel_, now, event, dice, result);
  return result;
}

}  // namespace holdfast::record
