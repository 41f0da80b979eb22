#include "client.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <cstring>

namespace holdfast::test {

std::size_t Peer::on_data(std::span<const std::byte> data) {
  ++data_calls;
  const std::size_t count = std::min(budget, data.size());
  received.append(reinterpret_cast<const char*>(data.data()), count);
  if (budget != SIZE_MAX) budget -= count;
  return count;
}

void Peer::on_ready() {
  ++ready_calls;
  flush();
}

void Peer::send(std::string_view text) {
  outgoing.append(text);
  flush();
}

void Peer::flush() {
  if (!channel_) return;
  while (!outgoing.empty()) {
    const std::size_t room = std::min(channel_->writable(), outgoing.size());
    if (room == 0) return;
    const std::size_t taken = channel_->write(std::as_bytes(std::span{outgoing.data(), room}));
    outgoing.erase(0, taken);
    if (taken == 0) return;
  }
  if (finish_when_sent) channel_->send_eof();
  if (let_go_when_sent) let_go();
}

void Peer::take_buffered() {
  const auto data = channel_->take_buffered();
  received.append(reinterpret_cast<const char*>(data.data()), data.size());
}

Client::~Client() {
  requests.clear();
  for (auto& peer : peers) peer.let_go();
  session.reset();
  context.restart();
  context.poll();
}

TunnelSpec Client::spec_for(const Sshd& sshd, const TempDir& dir) {
  TunnelSpec spec;
  spec.name = "relay";
  spec.host_name = sshd.host();
  spec.port = sshd.port();
  spec.user = sshd.user();
  spec.identity_file = {client_key()};
  spec.user_known_hosts_file = dir / "known_hosts";
  write_file(spec.user_known_hosts_file, sshd.known_hosts());
  spec.strict_host_key_checking = StrictHostKeyChecking::yes;
  return spec;
}

void Client::open() {
  using boost::asio::ip::tcp;
  tcp::socket socket{context};
  socket.connect({boost::asio::ip::make_address(spec.host_name), spec.port});
  socket.set_option(tcp::no_delay{true});
  socket.non_blocking(true);  // as after async_connect: Asio will not set it again when libssh has taken it away
  session = std::make_unique<ssh::Session>(std::move(socket), spec, *this, storage, learnt);
  session->open();
}

bool Client::log_in() {
  open();
  return run_until([this] { return authenticated || ended(); }) && authenticated;
}

bool Client::run_until(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() >= deadline) return false;
    context.restart();
    // Waits for work outside of the measured time, then does all that is ready.
    const bool worked = context.run_one_for(std::chrono::milliseconds{5}) > 0;
    if (!worked) continue;
    const auto began = Clock::now();
    context.poll_one();
    longest_turn = std::max(longest_turn, Clock::now() - began);
  }
  return true;
}

void Client::run_for(std::chrono::milliseconds period) {
  (void)run_until([] { return false; }, period);
}

Failure Client::wait_for_failure(std::chrono::milliseconds limit) {
  (void)run_until([this] { return ended(); }, limit);
  return failure.value_or(Failure{Cause::local_error, "test", "", "the session did not fail"});
}

std::uint16_t Client::listen(std::size_t forward) {
  answered.clear();
  session->request_forward(forward);
  (void)run_until([this] { return !answered.empty() || ended(); });
  return forward < bound.size() ? bound[forward].value_or(0) : std::uint16_t{0};
}

void Client::on_event(SessionEvent event) {
  if (const auto* done = std::get_if<PhaseCompleted>(&event)) {
    if (done->phase == OpeningPhase::banner) server = done->server;
    keys_exchanged = keys_exchanged || done->phase == OpeningPhase::key_exchange;
    authenticated = authenticated || done->phase == OpeningPhase::authenticate;
    if (done->phase == OpeningPhase::key_exchange && authenticate_at_once) session->authenticate();
  } else if (const auto* answer = std::get_if<ForwardAnswered>(&event)) {
    if (bound.size() <= answer->forward) bound.resize(answer->forward + 1);
    bound[answer->forward] = answer->bound_port;
    answered.push_back(answer->forward);
  } else if (const auto* listener = std::get_if<ListenerCancelled>(&event)) {
    cancelled.push_back(listener->forward);
  } else if (const auto* received = std::get_if<Received>(&event)) {
    ++received_calls;
    if (received->whole_packet) ++received_packets;
  } else if (auto* failed = std::get_if<SessionFailed>(&event)) {
    failure = std::move(failed->failure);
  }
  closed = closed || std::holds_alternative<SessionClosed>(event);
}

void Client::on_open_request(ssh::OpenRequest request) {
  if (refuse_requests) return request.refuse();
  if (hold_requests) return requests.push_back(std::move(request));
  const std::size_t forward = request.forward();
  if (auto channel = request.accept()) peers.emplace_back(std::move(*channel), forward);
}

std::vector<int> descriptors_to(std::uint16_t port) {
  std::vector<int> found;
  for (int descriptor = 0; descriptor < 1024; ++descriptor) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) continue;
    if (address.sin_family == AF_INET && ntohs(address.sin_port) == port) found.push_back(descriptor);
  }
  return found;
}

}  // namespace holdfast::test
