#include "supervisor/prover.hpp"

#include <random>
#include <utility>

namespace holdfast::supervisor {
namespace {

/// Not to be guessed by a visitor, so that nobody is taken for the proof.
forward::ProofMark random_mark() {
  std::random_device device;
  std::uniform_int_distribution<unsigned> octet{0, 255};
  forward::ProofMark mark{};
  for (std::byte& value : mark) value = static_cast<std::byte>(octet(device));
  return mark;
}

ProofNews to_news(ssh::OpenFailure failure) {
  switch (failure) {
    case ssh::OpenFailure::refused:
      return ProofNews::nobody_listens;
    case ssh::OpenFailure::not_connected:
      return ProofNews::not_connected;
    case ssh::OpenFailure::prohibited:
      return ProofNews::not_permitted;
    case ssh::OpenFailure::other:
      return ProofNews::not_opened;
  }
  return ProofNews::not_opened;
}

}  // namespace

Prover::Prover(boost::asio::any_io_executor executor, forward::Connections& connections, News news)
    : executor_(std::move(executor)), connections_(connections), news_(std::move(news)) {}

void Prover::start(ssh::Session& session, std::size_t forward, const std::string& host, std::uint16_t port) {
  forward_ = forward;
  mark_ = random_mark();
  came_in_ = false;
  knock_.reset();
  connections_.expect_proof(forward, mark_,
                            {[this] {
                               came_in_ = true;
                               send_mark();
                             },
                             [this] { tell(ProofNews::returned); },
                             [this](const Failure& failure) { tell(ProofNews::target_failed, failure.detail); }});
  session.open_direct_tcpip(host, port, awaited_.by([this](tl::expected<ssh::Channel, ssh::OpenRefusal> channel) {
    opened(std::move(channel));
  }));
}

void Prover::stop(bool keep_channel) {
  awaited_.give_up();
  if (knock_) knock_->ignore();
  const bool kept = connections_.end_proof(keep_channel);
  if (kept) kept_ = std::move(knock_);
  if (!keep_channel) kept_.reset();
  knock_.reset();
}

void Prover::opened(tl::expected<ssh::Channel, ssh::OpenRefusal> channel) {
  if (!channel) return tell(to_news(channel.error().reason), channel.error().words);
  knock_ = std::make_unique<relay::Knock>(executor_, std::move(*channel), [this](relay::Heard heard) {
    if (heard == relay::Heard::end) return tell(ProofNews::ended);
    tell(came_in_ ? ProofNews::answered : ProofNews::stranger);
  });
  send_mark();
  tell(ProofNews::opened);
}

/// Only once a connection has come in: whoever else holds the port is to receive nothing.
void Prover::send_mark() {
  if (came_in_ && knock_) knock_->say(mark_);
}

void Prover::tell(ProofNews news, std::string detail) {
  bool in_use = false;
  for (const forward::Counters& counters : connections_.counters()) in_use = in_use || counters.open > 0;
  news_({forward_, news, std::move(detail), in_use});
}

}  // namespace holdfast::supervisor
