#include "relay/lease.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <optional>
#include <utility>

#include "holdfast/overloaded.hpp"
#include "ssh/errors.hpp"

namespace holdfast::relay {
namespace {

/// Of what a login shell says before it ends without a greeting: enough to recognise it.
constexpr std::size_t most_noise_shown = 120;
/// Unanswered questions; a script that hangs must not make us queue heartbeats for ever.
constexpr std::size_t most_questions = 64;

struct Question {
  std::optional<std::size_t> forward;  ///< whose holder it is about; else nothing that anybody waits for
};

}  // namespace

class Lease::Impl final : public ssh::ChannelObserver, public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, ssh::Channel channel, LeaseObserver& observer)
      : executor_(std::move(executor)), channel_(std::move(channel)), observer_(&observer) {}

  void start(std::chrono::seconds silence, const std::string& device) {
    channel_->observe(this);
    receive(channel_->take_buffered());
    ask(hello_line(silence, device), {});
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
    questions_.push_back(question);
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
    if (!pop()) return;
    greeted_ = true;
    observer_->on_lease_opened();
  }

  void on(const answer::Unsupported& unsupported) {
    if (!pop()) return;
    if (!greeted_) return lose("the relay's system does not support it: " + unsupported.reason);
    observer_->on_unrecorded(unsupported.reason);
  }

  void on(const answer::Beat&) { pop(); }
  void on(const answer::Held&) { pop(); }
  void on(const answer::Dropped&) { pop(); }
  void on(const answer::Error&) { tell_holder(EvictOutcome::failed, ""); }
  void on(const answer::Freed&) { tell_holder(EvictOutcome::freed, ""); }
  void on(const answer::Own&) { tell_holder(EvictOutcome::not_ours, ""); }
  void on(const answer::Other& other) { tell_holder(EvictOutcome::other_device, other.device); }
  void on(const answer::NotEvicted&) { tell_holder(EvictOutcome::not_ours, ""); }
  void on(const answer::Denied&) { tell_holder(EvictOutcome::failed, ""); }
  void on(const answer::TimedOut&) { tell_holder(EvictOutcome::failed, ""); }
  void on(const answer::Malformed&) { lose("the relay's answer makes no sense"); }

  /// The question that this answers; an answer to nothing makes no sense.
  std::optional<Question> pop() {
    if (questions_.empty()) {
      lose("the relay answers what was not asked");
      return std::nullopt;
    }
    const Question question = questions_.front();
    questions_.pop_front();
    return question;
  }

  void tell_holder(EvictOutcome outcome, std::string holder) {
    const auto question = pop();
    if (question && question->forward) observer_->on_evicted({*question->forward, outcome, std::move(holder)});
  }

  void refuse(const Question& question) {
    if (!question.forward) return;
    boost::asio::post(executor_, [self = shared_from_this(), forward = *question.forward] {
      if (self->observer_ != nullptr) self->observer_->on_evicted({forward, EvictOutcome::failed, ""});
    });
  }

  std::string ending() const {
    if (greeted_) return "the relay's script has ended";
    const std::string said = ssh::sanitize(std::string_view{noise_}.substr(0, noise_.find_first_of("\r\n")));
    return "the account runs no commands" + (said.empty() ? "" : " (" + said + ")");
  }

  void lose(std::string reason) {
    channel_.reset();
    if (LeaseObserver* observer = std::exchange(observer_, nullptr)) observer->on_lease_lost(std::move(reason));
  }

  boost::asio::any_io_executor executor_;
  std::optional<ssh::Channel> channel_;
  LeaseObserver* observer_;
  AnswerStream answers_;
  std::deque<Question> questions_;
  std::string unsent_;
  std::string received_;
  std::string noise_;
  bool greeted_ = false;
  bool scheduled_ = false;
};

Lease::Lease(boost::asio::any_io_executor executor, ssh::Channel channel, std::chrono::seconds silence,
             const std::string& device, LeaseObserver& observer)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(channel), observer)) {
  impl_->start(silence, device);
}

Lease::~Lease() {
  impl_->leave();
}

void Lease::record(const std::string& address, std::uint16_t port) {
  impl_->ask(hold_line(address, port), {});
}

void Lease::drop(const std::string& address, std::uint16_t port) {
  impl_->ask(drop_line(address, port), {});
}

void Lease::evict(std::size_t forward, const std::string& address, std::uint16_t port) {
  impl_->ask(evict_line(address, port), {forward});
}

void Lease::identify(std::size_t forward, const std::string& address, std::uint16_t port) {
  impl_->ask(who_line(address, port), {forward});
}

void Lease::beat() {
  impl_->ask(std::string{beat_line}, {});
}

}  // namespace holdfast::relay
