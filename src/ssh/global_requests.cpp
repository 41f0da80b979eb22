#include "ssh/global_requests.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace holdfast::ssh {
namespace {

/// The kernel gives no privileged port to who asks for any (ip_local_port_range).
constexpr int lowest_chosen_port = 1024;
/// How often the socket is read for one answer, 4096 bytes at most each time: a relay that sends and sends, but no
/// answer, must not keep the thread.
constexpr int most_reads = 64;

}  // namespace

GlobalRequests::GlobalRequests(const std::vector<RemoteForward>& forwards)
    : forwards_(forwards), listeners_(forwards.size()) {}

void GlobalRequests::listen_ahead(ssh_session session, const ssh_counter_struct& packets) {
  // The answer to a request for any port has to be the last packet when it is read, which can't be said of this one.
  const bool any_port =
      std::any_of(forwards_.begin(), forwards_.end(), [](const RemoteForward& forward) { return forward.port == 0; });
  if (forwards_.empty() || any_port || !queue_.empty()) return;
  ahead_ = 0;
  queue_.emplace_back(Listen{0});
  ahead_unanswered_ = true;
  if ((answered_ahead_ = step(session, packets))) pop();
}

/// It is answered. What was asked ahead is first in the queue.
void GlobalRequests::pop() {
  queue_.erase(queue_.begin());
  ahead_unanswered_ = false;
}

/// What was asked ahead comes first; nobody may hear of it before it was requested.
void GlobalRequests::keep_or_hand_out(const GlobalAnswer& answer, std::vector<GlobalAnswer>& answers) {
  if (ahead_ && !answered_ahead_) {
    answered_ahead_ = answer;
  } else {
    answers.push_back(answer);
  }
}

void GlobalRequests::listen(std::size_t forward) {
  if (ahead_ == forward) return ahead_.reset();
  queue_.emplace_back(Listen{forward});
}

void GlobalRequests::cancel(std::size_t forward) {
  listeners_.at(forward).cancelling = true;
  queue_.emplace_back(Cancel{forward});
}

bool GlobalRequests::keepalive() {
  const bool waiting = std::any_of(queue_.begin(), queue_.end(),
                                   [](const Request& request) { return std::holds_alternative<Keepalive>(request); });
  if (!waiting) queue_.emplace_back(Keepalive{});
  return !waiting;
}

std::vector<GlobalAnswer> GlobalRequests::advance(ssh_session session, const ssh_counter_struct& packets) {
  std::vector<GlobalAnswer> answers;
  if (answered_ahead_ && !ahead_) answers.push_back(*std::exchange(answered_ahead_, std::nullopt));
  while (!queue_.empty()) {
    auto answer = step(session, packets);
    if (!answer) break;
    pop();
    keep_or_hand_out(*answer, answers);
  }
  return answers;
}

bool GlobalRequests::pumps() const {
  if (queue_.empty()) return false;
  const auto* request = std::get_if<Listen>(&queue_.front());
  return request != nullptr && forwards_.at(request->forward).port == 0;
}

GlobalRequests::Answer GlobalRequests::step(ssh_session session, const ssh_counter_struct& packets) {
  return std::visit([&](auto& request) { return perform(request, session, packets); }, queue_.front());
}

GlobalRequests::Answer GlobalRequests::perform(const Listen& request, ssh_session session,
                                               const ssh_counter_struct& packets) {
  const RemoteForward& forward = forwards_.at(request.forward);
  if (forward.port == 0) return listen_on_any_port(request.forward, session, packets);
  int unused = 0;
  const int rc = ssh_channel_listen_forward(session, forward.bind_address.c_str(), forward.port, &unused);
  if (rc == SSH_AGAIN) return std::nullopt;
  if (rc != SSH_OK) return ForwardAnswered{request.forward, std::nullopt};
  listeners_.at(request.forward) = {forward.port, false};
  return ForwardAnswered{request.forward, forward.port};
}

/// libssh reads the port from the last packet that it received, whatever that was. A packet behind the answer begins
/// with the length of a name ("forwarded-tcpip") or the number of a channel, which are small; a port that a relay
/// chooses is not.
GlobalRequests::Answer GlobalRequests::listen_on_any_port(std::size_t forward, ssh_session session,
                                                          const ssh_counter_struct& packets) {
  for (int reads = 0; reads < most_reads; ++reads) {
    const auto bytes_before = packets.in_bytes;
    int port = -1;
    const int rc = ssh_channel_listen_forward(session, forwards_.at(forward).bind_address.c_str(), 0, &port);
    if (rc == SSH_AGAIN) {
      if (packets.in_bytes == bytes_before) return std::nullopt;
      continue;
    }
    if (rc != SSH_OK && port == -1) return ForwardAnswered{forward, std::nullopt};
    const bool readable =
        rc == SSH_OK && port >= lowest_chosen_port && port <= std::numeric_limits<std::uint16_t>::max();
    if (!readable) return PortUnreadable{forward};
    const auto bound = static_cast<std::uint16_t>(port);
    listeners_.at(forward) = {bound, false};
    return ForwardAnswered{forward, bound};
  }
  return std::nullopt;
}

GlobalRequests::Answer GlobalRequests::perform(const Cancel& request, ssh_session session, const ssh_counter_struct&) {
  Listener& listener = listeners_.at(request.forward);
  if (listener.port != 0) {
    // The relay compares the address as it was spelled. Dropbear refuses nevertheless, and goes on listening: then
    // the listener stays marked as one whose connections are turned away.
    const auto& address = forwards_.at(request.forward).bind_address;
    const int rc = ssh_channel_cancel_forward(session, address.c_str(), listener.port);
    if (rc == SSH_AGAIN) return std::nullopt;
    if (rc == SSH_OK) listener = {};
  }
  return ListenerCancelled{request.forward};
}

/// ssh_send_keepalive() never tells about the answer, so that is collected by another call: while the slot is taken it
/// sends nothing and only looks. (Should the answer have come within ssh_send_keepalive() itself, the slot is free, and
/// the relay gets one needless question about a listener that can't exist.)
GlobalRequests::Answer GlobalRequests::perform(Keepalive& request, ssh_session session,
                                               const ssh_counter_struct& packets) {
  if (!request.sent) {
    request.sent = Clock::now();
    const auto packets_before = packets.in_packets;
    ssh_send_keepalive(session);
    // The answer may have come within the call: then nothing else would make us look for it.
    if (packets.in_packets == packets_before) return std::nullopt;
  }
  if (ssh_channel_cancel_forward(session, "keepalive.invalid", 0) == SSH_AGAIN) return std::nullopt;
  return KeepaliveAnswer{Clock::now() - *request.sent};
}

std::optional<std::size_t> GlobalRequests::find(const std::string& address, std::uint16_t port) const {
  std::optional<std::size_t> by_port;
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (port == 0 || listeners_[i].port != port || listeners_[i].cancelling) continue;
    if (forwards_[i].bind_address == address) return i;
    const bool any_address = forwards_[i].bind_address == "localhost" || forwards_[i].bind_address.empty();
    if (any_address && !by_port) by_port = i;
  }
  return by_port;
}

bool GlobalRequests::is_cancelling(std::uint16_t port) const {
  return std::any_of(listeners_.begin(), listeners_.end(), [port](const Listener& listener) {
    return port != 0 && listener.port == port && listener.cancelling;
  });
}

}  // namespace holdfast::ssh
