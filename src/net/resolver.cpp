#include "net/resolver.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

namespace holdfast::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

int to_af(AddressFamily family) {
  switch (family) {
    case AddressFamily::any:
      return AF_UNSPEC;
    case AddressFamily::inet:
      return AF_INET;
    case AddressFamily::inet6:
      return AF_INET6;
  }
  return AF_UNSPEC;
}

bool allows(AddressFamily family, const asio::ip::address& address) {
  return family == AddressFamily::any || (family == AddressFamily::inet6) == address.is_v6();
}

/// As OpenSSH's client asks: without AI_ADDRCONFIG, which hides ::1 on a host that has no other IPv6 address.
Answer system_lookup(const std::string& host, std::uint16_t port, AddressFamily family) {
  addrinfo hints{};
  hints.ai_family = to_af(family);
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  Answer answer;
  answer.error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  answer.system_error = errno;
  if (answer.error != 0) return answer;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    tcp::endpoint endpoint;
    std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
    endpoint.resize(entry->ai_addrlen);
    endpoint.port(port);
    answer.endpoints.push_back(endpoint);
  }
  return answer;
}

Cause cause_of(const Answer& answer) {
  switch (answer.error) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
      return Cause::name_not_found;
    case EAI_MEMORY:
      return Cause::local_error;
    case EAI_SYSTEM: {
      const bool ours = answer.system_error == EMFILE || answer.system_error == ENFILE || answer.system_error == ENOMEM;
      return ours ? Cause::local_error : Cause::resolver_unavailable;
    }
    default:
      return Cause::resolver_unavailable;
  }
}

tl::expected<Endpoints, Failure> to_result(const std::string& host, const Answer& answer) {
  const auto fail = [&host](Cause cause, std::string detail) {
    return tl::unexpected(Failure{cause, "resolve", host, std::move(detail)});
  };
  if (answer.error == EAI_SYSTEM) return fail(cause_of(answer), std::generic_category().message(answer.system_error));
  if (answer.error != 0) return fail(cause_of(answer), ::gai_strerror(answer.error));
  if (answer.endpoints.empty()) return fail(Cause::name_not_found, "no address of the family asked for");
  return happy_eyeballs_order(answer.endpoints);
}

/// What needs no lookup; none if this does.
std::optional<Answer> literal_answer(const std::string& host, std::uint16_t port, AddressFamily family) {
  std::vector<asio::ip::address> addresses;
  boost::system::error_code error;
  if (const auto address = asio::ip::make_address(host, error); !error) {
    addresses = {address};
  } else if (::strcasecmp(host.c_str(), "localhost") == 0) {
    addresses = {asio::ip::address_v6::loopback(), asio::ip::address_v4::loopback()};
  } else {
    return std::nullopt;
  }
  Answer answer;
  for (const auto& address : addresses) {
    if (allows(family, address)) answer.endpoints.emplace_back(address, port);
  }
  return answer;
}

class EventFd {
 public:
  EventFd() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  ~EventFd() { ::close(fd_); }
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;

  int duplicate() const { return ::fcntl(fd_, F_DUPFD_CLOEXEC, 0); }
  void signal() { static_cast<void>(::eventfd_write(fd_, 1)); }
  void clear() {
    eventfd_t count = 0;
    static_cast<void>(::eventfd_read(fd_, &count));
  }

 private:
  int fd_;
};

/// The only thing that the loop and a lookup's thread share. The thread never touches the executor, which may be gone.
class Slot {
 public:
  void put(Answer answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  std::optional<Answer> get() const {
    const std::lock_guard lock(mutex_);
    return answer_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Answer> answer_;
};

struct Waiter {
  ResolveHandler handler;
};

}  // namespace

Endpoints happy_eyeballs_order(const Endpoints& endpoints) {
  Endpoints same;
  Endpoints other;
  for (const auto& endpoint : endpoints) {
    auto& family = endpoint.protocol() == endpoints.front().protocol() ? same : other;
    if (std::find(family.begin(), family.end(), endpoint) == family.end()) family.push_back(endpoint);
  }
  Endpoints ordered;
  for (std::size_t i = 0; i < std::max(same.size(), other.size()); ++i) {
    if (i < same.size()) ordered.push_back(same[i]);
    if (i < other.size()) ordered.push_back(other[i]);
  }
  return ordered;
}

class Resolver::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const asio::any_io_executor& executor, Lookup lookup)
      : executor_(executor), lookup_(std::move(lookup)), answered_(executor, event_->duplicate()) {}

  std::shared_ptr<Waiter> resolve(const std::string& host, std::uint16_t port, AddressFamily family,
                                  ResolveHandler handler) {
    auto waiter = std::make_shared<Waiter>(Waiter{std::move(handler)});
    if (const auto answer = literal_answer(host, port, family)) {
      post_result(waiter, to_result(host, *answer));
      return waiter;
    }
    const Key key{host, port, family};
    auto found = pending_.find(key);
    if (found != pending_.end() && is_stale(found->second)) found = pending_.erase(found);
    if (found == pending_.end() || found->first != key) {
      auto slot = std::make_shared<Slot>();
      if (const int error = start_thread(slot, key)) {
        post_result(waiter, to_result(host, Answer{EAI_SYSTEM, error, {}}));
        return waiter;
      }
      found = pending_.emplace(key, Pending{std::move(slot), {}}).first;
    }
    found->second.waiters.push_back(waiter);
    wait();
    return waiter;
  }

  /// An operation was destroyed: without anybody to tell, nothing may keep the loop running.
  void forget_if_unwatched() {
    const bool watched =
        std::any_of(pending_.begin(), pending_.end(), [](const auto& entry) { return is_watched(entry.second); });
    if (!watched) answered_.cancel();
  }

 private:
  using Key = std::tuple<std::string, std::uint16_t, AddressFamily>;

  struct Pending {
    std::shared_ptr<Slot> slot;
    std::vector<std::weak_ptr<Waiter>> waiters;
  };

  static bool is_watched(const Pending& pending) {
    return std::any_of(pending.waiters.begin(), pending.waiters.end(),
                       [](const auto& weak) { return !weak.expired(); });
  }

  /// Answered when nobody listened any more, perhaps long ago.
  static bool is_stale(const Pending& pending) { return !is_watched(pending) && pending.slot->get(); }

  void post_result(const std::shared_ptr<Waiter>& waiter, tl::expected<Endpoints, Failure> result) {
    asio::post(executor_, [weak = std::weak_ptr(waiter), result = std::move(result)] {
      if (const auto alive = weak.lock()) alive->handler(result);
    });
  }

  /// 0, or the errno that said no.
  int start_thread(const std::shared_ptr<Slot>& slot, const Key& key) {
    try {
      std::thread([slot, event = event_, lookup = lookup_, key] {
        slot->put(std::apply(lookup, key));
        event->signal();
      }).detach();
      return 0;
    } catch (const std::system_error& error) {
      return error.code().value();
    }
  }

  void wait() {
    if (std::exchange(waiting_, true)) return;
    answered_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [weak = weak_from_this()](const boost::system::error_code& error) {
                           const auto self = weak.lock();
                           if (!self) return;
                           self->waiting_ = false;
                           if (!error) self->event_->clear();
                           self->deliver();
                         });
  }

  void deliver() {
    std::vector<std::pair<std::weak_ptr<Waiter>, tl::expected<Endpoints, Failure>>> results;
    bool watched = false;
    for (auto entry = pending_.begin(); entry != pending_.end();) {
      const std::optional<Answer> answer = entry->second.slot->get();
      if (!answer) {
        watched = watched || is_watched(entry->second);
        ++entry;
        continue;
      }
      const auto result = to_result(std::get<0>(entry->first), *answer);
      for (const auto& waiter : entry->second.waiters) results.emplace_back(waiter, result);
      entry = pending_.erase(entry);
    }
    if (watched) wait();
    // Last, and on values of our own: a handler may start or cancel lookups, or destroy the Resolver.
    for (const auto& [weak, result] : results) {
      if (const auto waiter = weak.lock()) waiter->handler(result);
    }
  }

  asio::any_io_executor executor_;
  Lookup lookup_;
  std::shared_ptr<EventFd> event_ = std::make_shared<EventFd>();
  asio::posix::stream_descriptor answered_;
  bool waiting_ = false;
  std::map<Key, Pending> pending_;
};

namespace {

class ResolveOperation final : public Operation {
 public:
  ResolveOperation(std::shared_ptr<Waiter> waiter, std::function<void()> on_destroyed)
      : waiter_(std::move(waiter)), on_destroyed_(std::move(on_destroyed)) {}
  ~ResolveOperation() override {
    waiter_.reset();
    on_destroyed_();
  }

 private:
  std::shared_ptr<Waiter> waiter_;
  std::function<void()> on_destroyed_;
};

}  // namespace

Resolver::Resolver(const asio::any_io_executor& executor) : Resolver(executor, system_lookup) {}

Resolver::Resolver(const asio::any_io_executor& executor, Lookup lookup)
    : impl_(std::make_shared<Impl>(executor, std::move(lookup))) {}

Resolver::~Resolver() = default;

std::unique_ptr<Operation> Resolver::resolve(const std::string& host, std::uint16_t port, AddressFamily family,
                                             ResolveHandler handler) {
  return std::make_unique<ResolveOperation>(impl_->resolve(host, port, family, std::move(handler)),
                                            [weak = std::weak_ptr(impl_)] {
                                              if (const auto impl = weak.lock()) impl->forget_if_unwatched();
                                            });
}

}  // namespace holdfast::net
