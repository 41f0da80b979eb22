#include "net/resolver.hpp"

#include <netdb.h>
#include <strings.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include "net/disk.hpp"
#include "net/event_fd.hpp"
#include "net/state_file.hpp"

namespace holdfast::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

/// How long a lookup may take where there are addresses from an earlier one.
constexpr std::chrono::seconds patience{1};
/// Lookups that hang, each on a thread of its own, before new ones join old ones whatever the network did.
constexpr std::size_t most_lookups = 16;

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

/// Asks as OpenSSH's client does, without AI_ADDRCONFIG: that hides ::1 on a host that has no other IPv6 address.
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
  std::optional<asio::steady_timer> patience{};  ///< runs where there are cached addresses
  bool answered = false;
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
  Impl(const asio::any_io_executor& executor, Lookup lookup, std::optional<AddressCache> cache, Say say,
       std::shared_ptr<Disk> disk)
      : executor_(executor),
        disk_(std::move(disk)),
        lookup_(lookup ? std::move(lookup) : Lookup{system_lookup}),
        cache_(std::move(cache)),
        say_(std::move(say)),
        answered_(executor, event_->duplicate()) {}

  std::shared_ptr<Waiter> resolve(const std::string& host, std::uint16_t port, AddressFamily family,
                                  ResolveHandler handler) {
    auto waiter = std::make_shared<Waiter>(Waiter{std::move(handler)});
    if (const auto answer = literal_answer(host, port, family)) {
      post_result(waiter, to_result(host, *answer));
      return waiter;
    }
    const Key key{host, port, family, generation_};
    auto found = pending_.find(key);
    if (found != pending_.end() && is_stale(found->second)) {
      learn(key, *found->second.slot->get());
      found = pending_.erase(found);
    }
    if (found == pending_.end() || found->first != key) {
      auto slot = std::make_shared<Slot>();
      if (const int error = start_thread(slot, key)) {
        post_result(waiter, result_for(key, Answer{EAI_SYSTEM, error, {}}));
        return waiter;
      }
      found = pending_.emplace(key, Pending{std::move(slot), Clock::now() + patience, {}}).first;
    }
    found->second.waiters.push_back(waiter);
    if (cached(key) != nullptr) be_patient(key, waiter, found->second.patience_ends);
    wait();
    return waiter;
  }

  /// An operation was destroyed: without anybody to tell, nothing may keep the loop running, but for an answer that the
  /// cache wants.
  void forget_if_unwatched() {
    const bool watched =
        std::any_of(pending_.begin(), pending_.end(), [](const auto& entry) { return is_watched(entry.second); });
    if (!watched && !cache_) answered_.cancel();
  }

  void expect_proof(const std::string& host, AddressFamily family) { proven_only_.insert({host, family}); }

  RelayAddresses relay_addresses(const std::string& host, std::uint16_t port, AddressFamily family,
                                 Endpoints found) const {
    const CachedAddresses* known = cache_ ? cache_->find(host, family) : nullptr;
    if (known == nullptr) return {std::move(found), {}, std::nullopt};
    const auto age = wall_clock() - known->seen;
    const bool from_cache = told_.count({host, family}) != 0;
    return {from_cache ? Endpoints{} : std::move(found), to_endpoints(*known, port),
            age < age.zero() ? std::nullopt : std::optional<Duration>{age}};
  }

  void was_right(const std::string& host, AddressFamily family, const asio::ip::address& address,
                 const Endpoints& said) {
    if (!cache_ || literal_answer(host, 0, family)) return;
    std::vector<asio::ip::address> addresses;
    for (const tcp::endpoint& endpoint : said) addresses.push_back(endpoint.address());
    cache_->proved(host, family, address, addresses, wall_clock());
    save_cache();
  }

  void network_changed() {
    if (pending_.size() < most_lookups) ++generation_;
  }

 private:
  using Key = std::tuple<std::string, std::uint16_t, AddressFamily, unsigned>;

  struct Pending {
    std::shared_ptr<Slot> slot;
    TimePoint patience_ends;
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
        slot->put(lookup(std::get<0>(key), std::get<1>(key), std::get<2>(key)));
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
        watched = watched || cache_ || is_watched(entry->second);
        ++entry;
        continue;
      }
      learn(entry->first, *answer);
      if (is_watched(entry->second)) {
        const auto result = result_for(entry->first, *answer);
        for (const auto& waiter : entry->second.waiters) results.emplace_back(waiter, result);
      }
      entry = pending_.erase(entry);
    }
    if (watched) wait();
    // Last, and on values of our own: a handler may start or cancel lookups, or destroy the Resolver.
    for (const auto& [weak, result] : results) tell(weak, result);
    save_cache();
  }

  static void tell(const std::weak_ptr<Waiter>& weak, const tl::expected<Endpoints, Failure>& result) {
    const auto waiter = weak.lock();
    if (!waiter || std::exchange(waiter->answered, true)) return;
    waiter->patience.reset();
    waiter->handler(result);
  }

  // ---- the cache -------------------------------------------------------------------------------------------------

  const CachedAddresses* cached(const Key& key) const {
    return cache_ ? cache_->find(std::get<0>(key), std::get<2>(key)) : nullptr;
  }

  void be_patient(const Key& key, const std::shared_ptr<Waiter>& waiter, TimePoint until) {
    waiter->patience.emplace(executor_, until);
    waiter->patience->async_wait(
        [weak_self = weak_from_this(), weak = std::weak_ptr(waiter), key](const boost::system::error_code& error) {
          const auto self = weak_self.lock();
          if (error || !self) return;
          const auto waiting = weak.lock();
          if (!waiting || waiting->answered || self->cached(key) == nullptr) return;
          tell(weak, self->cached_result(key, "the resolver does not answer"));
        });
  }

  void learn(const Key& key, const Answer& answer) {
    if (!cache_ || answer.error != 0 || answer.endpoints.empty()) return;
    const auto& [host, port, family, generation] = key;
    told_.erase({host, family});
    if (proven_only_.count({host, family}) != 0) return;
    std::vector<asio::ip::address> addresses;
    for (const tcp::endpoint& endpoint : happy_eyeballs_order(answer.endpoints)) {
      addresses.push_back(endpoint.address());
    }
    cache_->store(host, family, std::move(addresses), wall_clock());
  }

  /// What those who wait are told of a lookup's answer: for a bad one the cache stands in.
  tl::expected<Endpoints, Failure> result_for(const Key& key, const Answer& answer) {
    auto result = to_result(std::get<0>(key), answer);
    if (result || cached(key) == nullptr) return result;
    return cached_result(key, result.error().cause == Cause::name_not_found
                                  ? "the resolver says that there is no such name"
                                  : "the resolver fails (" + result.error().detail + ")");
  }

  Endpoints cached_result(const Key& key, const std::string& why) {
    const auto& [host, port, family, generation] = key;
    const CachedAddresses& known = *cached(key);
    if (told_.insert({host, family}).second) {
      const auto age = wall_clock() - known.seen;
      const std::string when = age < age.zero() ? "an earlier time" : to_text(age) + " ago";
      say_("using the addresses of " + host + " from " + when + ": " + why);
    }
    return to_endpoints(known, port);
  }

  static Endpoints to_endpoints(const CachedAddresses& known, std::uint16_t port) {
    Endpoints endpoints;
    for (const asio::ip::address& address : known.addresses) endpoints.emplace_back(address, port);
    return happy_eyeballs_order(endpoints);
  }

  void save_cache() {
    const auto text = cache_ && disk_ ? cache_->due(Clock::now()) : std::nullopt;
    if (!text) return;
    disk_->write(
        cache_->path(), [path = cache_->path(), text = *text] { return replace_file(path, text); },
        [weak = weak_from_this()](int error) {
          const auto self = weak.lock();
          if (!self) return;
          if (const auto problem = self->cache_->written(error)) self->say_(*problem);
        });
  }

  static std::chrono::sys_seconds wall_clock() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }

  asio::any_io_executor executor_;
  std::shared_ptr<Disk> disk_;
  Lookup lookup_;
  std::optional<AddressCache> cache_;
  const Say say_;
  std::set<std::pair<std::string, AddressFamily>> told_;         ///< whose cached addresses are in use
  std::set<std::pair<std::string, AddressFamily>> proven_only_;  ///< relays' names
  std::shared_ptr<EventFd> event_ = std::make_shared<EventFd>();
  asio::posix::stream_descriptor answered_;
  bool waiting_ = false;
  unsigned generation_ = 0;  ///< of the network: a lookup is joined only by others of its own
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

void hasten_lookups() {
  ::setenv("RES_OPTIONS", "timeout:2 attempts:3", 0);
}

Resolver::Resolver(const asio::any_io_executor& executor) : Resolver(executor, system_lookup) {}

Resolver::Resolver(const asio::any_io_executor& executor, Lookup lookup)
    : impl_(std::make_shared<Impl>(executor, std::move(lookup), std::nullopt, Say{}, nullptr)) {}

Resolver::Resolver(const asio::any_io_executor& executor, AddressCache cache, Say say, std::shared_ptr<Disk> disk,
                   Lookup lookup)
    : impl_(std::make_shared<Impl>(executor, std::move(lookup), std::move(cache), std::move(say), std::move(disk))) {}

std::unique_ptr<Operation> Resolver::find_relay(const std::string& host, std::uint16_t port, AddressFamily family,
                                                RelayHandler handler) {
  impl_->expect_proof(host, family);
  return resolve(host, port, family,
                 [weak = std::weak_ptr(impl_), host, port, family,
                  handler = std::move(handler)](tl::expected<Endpoints, Failure> found) {
                   const auto impl = weak.lock();
                   if (!found) return handler(tl::unexpected(std::move(found.error())));
                   if (impl) handler(impl->relay_addresses(host, port, family, std::move(*found)));
                 });
}

void Resolver::was_right(const std::string& host, AddressFamily family, const asio::ip::address& address,
                         const Endpoints& said) {
  impl_->was_right(host, family, address, said);
}

void Resolver::network_changed() {
  impl_->network_changed();
}

Resolver::~Resolver() = default;

std::unique_ptr<Operation> Resolver::resolve(const std::string& host, std::uint16_t port, AddressFamily family,
                                             ResolveHandler handler) {
  return std::make_unique<ResolveOperation>(impl_->resolve(host, port, family, std::move(handler)),
                                            [weak = std::weak_ptr(impl_)] {
                                              if (const auto impl = weak.lock()) impl->forget_if_unwatched();
                                            });
}

}  // namespace holdfast::net
