#include "relay/lease.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <list>
#include <optional>
#include <utility>

#include "ssh/errors.hpp"

namespace holdfast::relay {
namespace {

/// How many bytes are shown of what a login shell says before it ends without a greeting: enough to recognise it.
constexpr std::size_t most_noise_shown = 120;
/// Unanswered questions; a script that hangs must not make us queue heartbeats for ever.
constexpr std::size_t most_questions = 64;

struct Question {
  std::optional<std::size_t> forward{};  ///< whose holder it is about; else nothing that anybody waits for
  std::string again{};                   ///< the line, if it may be asked once more
  bool newer = false;                    ///< a script of an earlier version does not know it
};

/// Both ends round.
constexpr std::chrono::seconds clock_error{2};

}  // namespace

class Lease::Impl final : public ssh::ChannelObserver, public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, ssh::Channel channel, Device device, LeaseObserver& observer)
      : executor_(std::move(executor)),
        channel_(std::move(channel)),
        device_(std::move(device)),
        observer_(&observer) {}

  void start(std::chrono::seconds silence) {
    silence_ = silence;
    channel_->observe(this);
    receive(channel_->take_buffered());
    introduce(device_.name, device_.runs);
    ask(std::string{clock_line}, {.newer = true});
    schedule();
  }

  /// The owner is gone.
  void leave() {
    observer_ = nullptr;
    channel_.reset();
  }

  void ask(const std::optional<std::string>& line, Question question) {
    if (!line) return refuse(question);
    if (!channel_ || questions_.size() >= most_questions) return;
    questions_.push_back(std::move(question));
    unsent_ += *line;
    send();
  }

  std::size_t on_data(std::span<const std::byte> data) override {
    receive({data.begin(), data.end()});
    schedule();
    return data.size();
  }

  void on_ready() override { turn(); }

 private:
  void schedule() {
    if (std::exchange(scheduled_, true)) return;
    boost::asio::post(executor_, [self = shared_from_this()] {
      self->scheduled_ = false;
      self->turn();
    });
  }

  /// Inside libssh: no more than copying. A flood is cut off at what AnswerStream would refuse anyway.
  void receive(const std::vector<std::byte>& data) {
    const std::size_t room = max_noise_bytes + max_answer_bytes - std::min(received_.size(), max_noise_bytes);
    const auto* text = reinterpret_cast<const char*>(data.data());
    received_.append(text, std::min(data.size(), room));
  }

  void turn() {
    const auto self = shared_from_this();  // the owner may let go of us in what it is told
    if (observer_ == nullptr) return;
    send();
    const std::string received = std::exchange(received_, {});
    if (!greeted_) noise_.append(received.substr(0, most_noise_shown - std::min(noise_.size(), most_noise_shown)));
    for (const Answer& answer : answers_.feed(received)) {
      std::visit([this](const auto& what) { on(what); }, answer);
      if (observer_ == nullptr) return;
    }
    if (channel_ && (channel_->at_eof() || !channel_->is_open())) lose(ending());
  }

  void send() {
    if (!channel_ || unsent_.empty()) return;
    const std::span bytes{reinterpret_cast<const std::byte*>(unsent_.data()), unsent_.size()};
    unsent_.erase(0, channel_->write(bytes));
  }

  // ---- answers ---------------------------------------------------------------------------------------------------

  void on(const answer::Greeting&) {
    if (pop() && !std::exchange(greeted_, true)) observer_->on_event(LeaseOpened{});
  }

  void on(const answer::Unsupported& unsupported) {
    if (!pop()) return;
    if (!greeted_) return lose("the relay's system does not support it: " + unsupported.reason);
    observer_->on_unrecorded(unsupported.reason);
  }

  void on(const answer::Beat&) { pop(); }
  void on(const answer::Noted&) { pop(); }
  void on(const answer::Clock& clock) {
    if (pop() && clock.time) observer_->on_clock_told(*clock.time);
  }
  void on(const answer::Held& held) {
    const auto question = pop();
    if (question && question->forward) observer_->on_recorded(*question->forward, held.listening);
  }
  void on(const answer::Keys& told) {
    if (pop()) observer_->on_keys_told(told.keys);
  }
  void on(const answer::Dropped&) { pop(); }
  void on(const answer::Error&) {
    const auto question = pop();
    if (question && question->newer) observer_->on_outdated();
    if (question && question->forward) tell(*question->forward, EvictOutcome::failed);
  }
  void on(const answer::Freed&) { tell(EvictOutcome::freed); }
  void on(const answer::Own&) { tell(EvictOutcome::not_ours, "this very session has it"); }
  void on(const answer::Other& other) {
    const auto question = pop();
    if (!question || !question->forward) return;
    if (!question->again.empty() && may_be_ours(other)) return evict_as_ours(other, *question);
    const bool twin = other.twin || other.device == device_.name;
    const auto outcome = twin ? EvictOutcome::twin : EvictOutcome::other_device;
    const auto guard = other.guard == no_guard ? std::nullopt : std::optional<Duration>{other.guard};
    observer_->on_event(Evicted{*question->forward, outcome, other.device, guard});
  }
  void on(const answer::NotEvicted& answer) { tell(EvictOutcome::not_ours, in_words(answer)); }
  void on(const answer::Denied&) {
    tell(EvictOutcome::failed, "it is a session of this device, which the account may not end");
  }
  void on(const answer::TimedOut&) {
    tell(EvictOutcome::failed, "it is a session of this device, which did not end within 5 s");
  }
  void on(const answer::Malformed&) { lose("the relay's answer makes no sense"); }

  /// The question that this answers; an answer to nothing makes no sense.
  std::optional<Question> pop() {
    if (questions_.empty()) {
      lose("the relay answers what was not asked");
      return std::nullopt;
    }
    Question question = std::move(questions_.front());
    questions_.pop_front();
    return question;
  }

  void tell(EvictOutcome outcome, std::string why = {}) {
    const auto question = pop();
    if (question && question->forward) tell(*question->forward, outcome, std::move(why));
  }
  void tell(std::size_t forward, EvictOutcome outcome, std::string why = {}) {
    observer_->on_event(Evicted{forward, outcome, "", std::nullopt, std::move(why)});
  }

  static std::string in_words(const answer::NotEvicted& answer) {
    std::string text;
    switch (answer.why) {
      case answer::Nobody::unknown:
        text = "no record of it";
        break;
      case answer::Nobody::gone:
        text = "the session of the record has ended";
        break;
      case answer::Nobody::mismatch:
        text = "the record's process is another one by now";
        break;
    }
    if (answer.listener_uid) text += ", and user id " + std::to_string(*answer.listener_uid) + " listens there";
    return text;
  }

  /// Where no run, or not the name, was remembered, what began before this one. What began later is a twin's in any
  /// case: so two that share a name do not end each other's sessions in turns.
  bool may_be_ours(const answer::Other& other) const {
    const auto up = std::chrono::steady_clock::now() - device_.began;
    const bool forgotten = other.twin && !device_.remembers;
    const bool renamed = !other.twin && other.device == device_.earlier_name;
    return (forgotten || renamed) && other.age > up + clock_error;
  }

  void evict_as_ours(const answer::Other& other, const Question& question) {
    introduce(other.device, {device_.runs.front(), std::max(other.run, 1U)});
    ask(question.again, {question.forward, ""});
    introduce(device_.name, device_.runs);
  }

  void introduce(const std::string& name, const std::vector<std::uint32_t>& runs) {
    ask(hello_line(silence_, name), {});
    ask(runs_line(runs), {.newer = true});
  }

  void refuse(const Question& question) {
    if (!question.forward) return;
    boost::asio::post(executor_, [self = shared_from_this(), forward = *question.forward] {
      if (self->observer_ != nullptr) self->observer_->on_event(Evicted{forward, EvictOutcome::failed, ""});
    });
  }

  std::string ending() const {
    if (greeted_) return "the relay's script has ended";
    const std::string said = ssh::sanitize(std::string_view{noise_}.substr(0, noise_.find_first_of("\r\n")));
    return "the account runs no commands" + (said.empty() ? "" : " (" + said + ")");
  }

  void lose(std::string reason) {
    channel_.reset();
    if (LeaseObserver* observer = std::exchange(observer_, nullptr)) observer->on_event(LeaseLost{std::move(reason)});
  }

  boost::asio::any_io_executor executor_;
  std::optional<ssh::Channel> channel_;
  Device device_;
  std::chrono::seconds silence_{};
  LeaseObserver* observer_;
  AnswerStream answers_;
  std::list<Question> questions_;
  std::string unsent_;
  std::string received_;
  std::string noise_;
  bool greeted_ = false;
  bool scheduled_ = false;
};

Lease::Lease(boost::asio::any_io_executor executor, ssh::Channel channel, std::chrono::seconds silence, Device device,
             LeaseObserver& observer)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(channel), std::move(device), observer)) {
  impl_->start(silence);
}

Lease::~Lease() {
  impl_->leave();
}

void Lease::record(std::size_t forward, const std::string& address, std::uint16_t port) {
  impl_->ask(hold_line(address, port), {forward});
}

void Lease::ask_keys() {
  impl_->ask(std::string{keys_line}, {});
}

void Lease::drop(const std::string& address, std::uint16_t port) {
  impl_->ask(drop_line(address, port), {});
}

void Lease::evict(std::size_t forward, const std::string& address, std::uint16_t port) {
  const auto line = evict_line(address, port);
  impl_->ask(line, {forward, line.value_or("")});
}

void Lease::identify(std::size_t forward, const std::string& address, std::uint16_t port) {
  impl_->ask(who_line(address, port), {forward});
}

void Lease::beat() {
  impl_->ask(std::string{beat_line}, {});
}

}  // namespace holdfast::relay
