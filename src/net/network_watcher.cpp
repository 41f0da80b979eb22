#include "net/network_watcher.hpp"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "net/interfaces.hpp"

namespace holdfast::net {
namespace {

namespace asio = boost::asio;

constexpr unsigned groups =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
/// The kernel makes no dump's datagram larger.
constexpr std::size_t buffer_size = 32768;
/// Datagrams of one dump; a machine with more routes than fit is judged by the first of them.
constexpr int most_datagrams = 10000;
/// Datagrams of one turn of the loop.
constexpr int most_at_once = 64;
constexpr int dump_tries = 3;

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, CloseSocket>;
using Buffer = std::vector<std::byte>;

std::string system_text(int error) {
  return std::generic_category().message(error);
}

/// Null, with errno set, if it can't be had.
Socket open_socket(int flags, unsigned listen_to) {
  Socket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags));
  if (!socket || mnl_socket_bind(socket.get(), listen_to, MNL_SOCKET_AUTOPID) != 0) return nullptr;
  return socket;
}

// ---- asking -----------------------------------------------------------------------------------------------------

using Take = std::function<void(const nlmsghdr& message)>;

int hand_over(const nlmsghdr* message, void* take) {
  (*static_cast<const Take*>(take))(*message);
  return MNL_CB_OK;
}

/// Leaves out the statistics, which are most of a link's message.
void put_link_request(nlmsghdr* message) {
  mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg));
  mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

/// False if the kernel says no, or that the tables changed meanwhile (NLM_F_DUMP_INTR, which libmnl makes EINTR).
bool dump(const mnl_socket* socket, std::uint16_t type, std::uint32_t sequence, Buffer& buffer, Take& take) {
  nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = type;
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = sequence;
  if (type == RTM_GETLINK) {
    put_link_request(request);
  } else {
    mnl_nlmsg_put_extra_header(request, type == RTM_GETADDR ? sizeof(ifaddrmsg) : sizeof(rtmsg));
  }
  if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0) return false;
  const unsigned port = mnl_socket_get_portid(socket);
  for (int datagram = 0; datagram < most_datagrams; ++datagram) {
    const ssize_t size = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    for (const nlmsghdr* message : messages_of(std::span(buffer).first(static_cast<std::size_t>(size)))) {
      const int result = mnl_cb_run(message, message->nlmsg_len, sequence, port, hand_over, static_cast<void*>(&take));
      if (result <= MNL_CB_STOP) return result == MNL_CB_STOP;
    }
  }
  return true;
}

bool dump_once(std::initializer_list<std::uint16_t> types, Take& take) {
  const Socket socket = open_socket(0, 0);
  if (!socket) return false;
  // The kernel answers from inside the call; this is for a kernel that does not.
  timeval patience{1, 0};
  ::setsockopt(mnl_socket_get_fd(socket.get()), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  Buffer buffer(buffer_size);
  std::uint32_t sequence = 0;
  return std::all_of(types.begin(), types.end(),
                     [&](std::uint16_t type) { return dump(socket.get(), type, ++sequence, buffer, take); });
}

}  // namespace

std::optional<NetworkSnapshot> dump_network() {
  for (int tries = 0; tries < dump_tries; ++tries) {
    NetworkSnapshot snapshot;
    Take fold = [&](const nlmsghdr& message) { snapshot.fold(message); };
    if (dump_once({RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE}, fold)) return snapshot;
  }
  return std::nullopt;
}

std::optional<Interfaces> dump_interfaces() {
  for (int tries = 0; tries < dump_tries; ++tries) {
    Interfaces interfaces;
    Take take = [&](const nlmsghdr& message) { interfaces.take(message); };
    if (dump_once({RTM_GETLINK, RTM_GETADDR}, take)) return interfaces;
  }
  return std::nullopt;
}

// ---- listening ----------------------------------------------------------------------------------------------------

class NetworkWatcher::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const asio::any_io_executor& executor, std::function<void(const NetworkChange&)> changed,
       std::function<void(const std::string&)> unavailable, SettleTime settle_time)
      : changed_(std::move(changed)),
        unavailable_(std::move(unavailable)),
        settle_time_(settle_time),
        readable_(executor),
        settled_(executor) {}

  void start() {
    // Listening first: what changes while the dump runs is then told.
    socket_ = open_socket(SOCK_NONBLOCK, groups);
    if (!socket_) return give_up(errno);
    const int duplicate = ::fcntl(mnl_socket_get_fd(socket_.get()), F_DUPFD_CLOEXEC, 0);
    if (duplicate < 0) return give_up(errno);
    readable_.assign(duplicate);
    told_ = dump_network().value_or(NetworkSnapshot{});
    folded_ = told_;
    wait();
  }

 private:
  void give_up(int error) {
    readable_.close();
    settled_.cancel();
    socket_.reset();
    asio::post(readable_.get_executor(), [weak = weak_from_this(), error] {
      if (const auto self = weak.lock()) self->unavailable_(system_text(error));
    });
  }

  void wait() {
    readable_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [weak = weak_from_this()](const boost::system::error_code& error) {
                           const auto self = weak.lock();
                           if (self && !error) self->read();
                         });
  }

  void read() {
    Buffer buffer(buffer_size);  // not kept: the kernel speaks rarely
    for (int datagram = 0; datagram < most_at_once; ++datagram) {
      const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
      if (size >= 0) {
        fold(std::span(buffer).first(static_cast<std::size_t>(size)));
        continue;
      }
      if (errno == EAGAIN) break;
      if (errno == EINTR) continue;
      // Messages were lost, or one was cut short: only asking tells what they said.
      if (errno != ENOBUFS && errno != ENOSPC) return give_up(errno);
      note_change();
    }
    wait();
  }

  void fold(std::span<const std::byte> datagram) {
    bool changed = false;
    for (const nlmsghdr* message : messages_of(datagram)) {
      changed = folded_.fold(*message) || changed;
    }
    if (changed) note_change();
  }

  void note_change() {
    const TimePoint now = Clock::now();
    if (!changing_since_) changing_since_ = now;
    settled_.expires_at(std::min(now + settle_time_.still, *changing_since_ + settle_time_.at_most));
    settled_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self && !error) self->tell();
    });
  }

  /// The kernel's messages don't tell everything (NetworkSnapshot::fold): what is told is what it answers when asked.
  void tell() {
    changing_since_.reset();
    if (auto now = dump_network()) folded_ = std::move(*now);
    const NetworkChange change = compare(told_, folded_);
    told_ = folded_;
    if (change.gained || !change.gone.empty()) changed_(change);
  }

  const std::function<void(const NetworkChange&)> changed_;
  const std::function<void(const std::string&)> unavailable_;
  const SettleTime settle_time_;
  Socket socket_;
  asio::posix::stream_descriptor readable_;  ///< a duplicate of the socket's
  asio::steady_timer settled_;
  std::optional<TimePoint> changing_since_;
  NetworkSnapshot folded_;
  NetworkSnapshot told_;
};

NetworkWatcher::NetworkWatcher(const asio::any_io_executor& executor, std::function<void(const NetworkChange&)> changed,
                               std::function<void(const std::string& why)> unavailable, SettleTime settle_time)
    : impl_(std::make_shared<Impl>(executor, std::move(changed), std::move(unavailable), settle_time)) {
  impl_->start();
}

NetworkWatcher::~NetworkWatcher() = default;

}  // namespace holdfast::net
