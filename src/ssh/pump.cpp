#include "ssh/pump.hpp"

#include <boost/system/system_error.hpp>
#include <cerrno>
#include <utility>

#include "ssh/descriptor.hpp"
#include "ssh/options.hpp"

namespace holdfast::ssh {
namespace {

/// Bytes that one turn takes in before others get theirs.
constexpr std::uint64_t bytes_a_turn = std::uint64_t{256} * 1024;
constexpr std::uint64_t packet_overhead = 64;

Failure local_failure(const TunnelSpec& spec, int error) {
  return {Cause::local_error, "open a session with", relay_name(spec),
          boost::system::error_code{error, boost::system::system_category()}.message()};
}

}  // namespace

std::optional<Failure> Pump::start(int socket, const TunnelSpec& spec, const std::string& known_hosts) {
  socket_ = socket;
  descriptor_ = duplicate(socket);
  if (descriptor_ < 0) return local_failure(spec, errno);
  session_.reset(ssh_new());
  event_.reset(ssh_event_new());
  if (!session_ || !event_) return local_failure(spec, ENOMEM);
  link_->session = session_.get();
  ssh_set_blocking(session_.get(), 0);
  ssh_set_counters(session_.get(), &link_->socket, &link_->packets);
  if (auto failure = apply_options(session_.get(), descriptor_, spec, known_hosts)) return failure;
  limit_unsent(socket);
  broke_ = ssh_connect(session_.get()) == SSH_ERROR;
  set_nonblocking(socket);
  if (!broke_ && ssh_event_add_session(event_.get(), session_.get()) != SSH_OK) return local_failure(spec, ENOMEM);
  return std::nullopt;
}

/// The duplicate has to be closed before the socket is: while it is open, epoll would go on watching for a descriptor
/// that Asio has forgotten.
void Pump::stop() {
  link_->session = nullptr;
  event_.reset();
  session_.reset();
  close_duplicate(std::exchange(descriptor_, -1), socket_);
}

std::string Pump::banner() const {
  const char* text = session_ ? ssh_get_serverbanner(session_.get()) : nullptr;
  return text != nullptr ? text : "";
}

void Pump::begin_turn() {
  turn_began_at_ = link_->socket.in_bytes;
  turn_began_at_packet_ = link_->packets.in_packets;
}

void Pump::run(bool connecting) {
  while (!is_dead(session_.get())) {
    const int rc = ssh_event_dopoll(event_.get(), 0);
    // libssh takes O_NONBLOCK away when it considers the socket connected.
    if (connecting) set_nonblocking(socket_);
    broke_ = rc == SSH_ERROR;
    if (rc != SSH_OK || had_its_share()) break;
  }
  if (received()) acknowledge_at_once(socket_);
}

bool Pump::had_its_share() const {
  return link_->socket.in_bytes - turn_began_at_ >= bytes_a_turn ||
         link_->packets.in_packets - turn_began_at_packet_ >= packets_a_turn;
}

std::uint64_t Pump::unsent() {
  const auto& packets = link_->packets;
  const auto all_packed = packets.out_bytes + packet_overhead * packets.out_packets;
  if (!is_writing()) {
    flushed_ = {link_->socket.out_bytes, all_packed};
    return 0;
  }
  const auto packed = all_packed - flushed_.packed;
  const auto sent = link_->socket.out_bytes - flushed_.sent;
  return packed > sent ? packed - sent : 0;
}

}  // namespace holdfast::ssh
