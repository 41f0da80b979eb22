#include "doctor/knocks.hpp"

#include <boost/asio/post.hpp>
#include <utility>

namespace holdfast::doctor {
namespace {

/// On top of the way there and back, which the channel's opening has just shown to be short enough.
constexpr std::chrono::milliseconds longest_silence{1000};

}  // namespace

Knocks::Knocks(boost::asio::any_io_executor executor, ssh::Session& session, const TunnelSpec& spec,
               std::function<void(Finding)> done)
    : executor_(std::move(executor)), session_(session), spec_(spec), done_(std::move(done)), silence_(executor_) {
  // Not from inside: whoever hears of the end may end us.
  boost::asio::post(executor_, lifetime_.guard([this] { next(); }));
}

void Knocks::next() {
  const auto& forwards = spec_.remote_forward;
  while (at_ < forwards.size() && forwards[at_].port == 0) ++at_;  // the relay is to choose: nobody has it
  if (at_ == forwards.size()) {
    const auto done = std::exchange(done_, nullptr);
    if (!looked_ && !found_.measured.empty()) return done(Skipped{found_.measured});
    return done(std::move(found_));
  }
  hosts_.emplace(forwards[at_]);
  ask();
}

void Knocks::ask() {
  session_.open_direct_tcpip(
      hosts_->current(), spec_.remote_forward[at_].port,
      lifetime_.guard([this](tl::expected<ssh::Channel, ssh::OpenRefusal> channel) { opened(std::move(channel)); }));
}

void Knocks::opened(tl::expected<ssh::Channel, ssh::OpenRefusal> channel) {
  if (!channel) return refused(channel.error());
  silence_.start(longest_silence, [this] { is(Cause::listener_held_stale, "it is open and silent"); });
  knock_ = std::make_unique<relay::Knock>(executor_, std::move(*channel), [this](relay::Heard) {
    is(Cause::listener_held_live, "somebody answers on it");
  });
  if (session_.relay_is_openssh()) knock_->say_nothing();
}

void Knocks::refused(const ssh::OpenRefusal& refusal) {
  const bool prohibited = refusal.reason == ssh::OpenFailure::prohibited || refusal.reason == ssh::OpenFailure::other;
  const KnockFailure why = refusal.reason == ssh::OpenFailure::refused ? KnockFailure::nobody_listens
                           : prohibited                                ? KnockFailure::not_permitted
                                                                       : KnockFailure::not_connected;
  const auto found = hosts_->failed(why, refusal.words);
  if (!found) return ask();
  looked_ = looked_ || *found == KnockFailure::nobody_listens;
  if (*found == KnockFailure::nobody_listens)
    return is(std::nullopt, "nobody has it; whether the relay gives it shows when the tunnel asks for it");
  is(std::nullopt, hosts_->in_words().empty() ? "the relay lets nobody look who has it" : hosts_->in_words());
}

void Knocks::is(std::optional<Cause> cause, const std::string& words) {
  silence_.cancel();
  knock_.reset();
  const std::string listener = listener_name(spec_.remote_forward[at_++]);
  looked_ = looked_ || cause.has_value();
  if (cause && !found_.failure) {
    found_.failure = Failure{*cause, "look who has", listener, words};
  } else if (found_.measured.empty()) {
    found_.measured = listener + ": " + words;
  } else {
    found_.evidence.push_back(listener + ": " + words);
  }
  next();
}

}  // namespace holdfast::doctor
