#include "forward/connections.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <map>
#include <utility>

#include "forward/connection.hpp"
#include "forward/refusal_log.hpp"
#include "forward/target.hpp"
#include "forward/turns.hpp"

namespace holdfast::forward {
namespace {

namespace asio = boost::asio;

/// Somebody waits at the relay's end: a target that has not answered by now is as good as down.
constexpr std::chrono::seconds longest_connect{10};

}  // namespace

class Connections::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const asio::any_io_executor& executor, net::Resolver& resolver, const TunnelSpec& spec,
       std::function<void(const std::string&)> log, Limits limits)
      : executor_(executor),
        resolver_(resolver),
        forwards_(spec.remote_forward),
        family_(spec.address_family),
        deadline_(std::min<Duration>(spec.connect_timeout, longest_connect)),
        max_connections_(spec.max_connections),
        limits_(limits),
        refusals_(std::move(log)),
        counters_(forwards_.size()),
        turns_(std::make_shared<Turns>(executor)) {}

  ~Impl() { drop_all(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void open(ssh::OpenRequest request) {
    if (draining_ || request.forward() >= forwards_.size()) return request.refuse();
    if (entries_.size() >= max_connections_) {
      tell(request, {Cause::local_error, "accept", "connection",
                     std::to_string(entries_.size()) + " connections are open already, max_connections"});
      return request.refuse();
    }
    const std::uint64_t id = next_id_++;
    const std::size_t forward = request.forward();
    ++counters_[forward].open;
    Entry& entry = entries_.emplace(id, Entry{forward, std::move(request), nullptr, nullptr}).first->second;
    entry.connecting = connect_target(executor_, resolver_, forwards_[forward].target, family_, deadline_,
                                      [weak = weak_from_this(), id](tl::expected<Socket, Failure> socket) {
                                        if (const auto self = weak.lock()) self->on_target(id, std::move(socket));
                                      });
  }

  void drain(std::function<void()> drained) {
    draining_ = true;
    drained_ = std::move(drained);
    refuse_unanswered();
    answer_drain_if_empty();
  }

  void drop_all() {
    draining_ = false;
    drained_ = nullptr;
    // Emptied first: what ends now must not find its entry again.
    for (auto& [id, entry] : std::exchange(entries_, {})) {
      if (entry.connection) entry.connection->abort();
    }
    for (Counters& counters : counters_) counters.open = 0;
  }

  std::size_t open_count() const { return entries_.size(); }
  Counters counters(std::size_t forward) const { return counters_.at(forward); }

 private:
  struct Entry {
    std::size_t forward;
    std::optional<ssh::OpenRequest> request;  ///< until it is answered
    std::unique_ptr<net::Operation> connecting;
    std::shared_ptr<Connection> connection;
  };

  void on_target(std::uint64_t id, tl::expected<Socket, Failure> socket) {
    Entry& entry = entries_.at(id);
    entry.connecting.reset();
    ssh::OpenRequest request = *std::exchange(entry.request, std::nullopt);
    Counters& counters = counters_[entry.forward];
    if (!socket) {
      ++counters.target_refused;
      tell(request, socket.error());
      request.refuse();
      return forget(id);
    }
    std::optional<ssh::Channel> channel = request.accept();
    if (!channel) return forget(id);
    ++counters.accepted;
    entry.connection = std::make_shared<Connection>(std::move(*socket), std::move(*channel), turns_,
                                                    limits_.longest_stall, [weak = weak_from_this(), id] {
                                                      if (const auto self = weak.lock()) self->forget(id);
                                                    });
    entry.connection->start();
  }

  void forget(std::uint64_t id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    --counters_[found->second.forward].open;
    entries_.erase(found);
    answer_drain_if_empty();
  }

  void refuse_unanswered() {
    std::erase_if(entries_, [this](const auto& entry) {
      if (!entry.second.request) return false;
      --counters_[entry.second.forward].open;
      return true;
    });
  }

  void answer_drain_if_empty() {
    if (!drained_ || !entries_.empty()) return;
    asio::post(executor_, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      if (const auto drained = std::exchange(self->drained_, nullptr)) drained();
    });
  }

  void tell(const ssh::OpenRequest& request, const Failure& failure) {
    const RemoteForward& forward = forwards_[request.forward()];
    refusals_.add(request.forward(), failure,
                  "connection from " + request.originator() + ":" + std::to_string(request.originator_port()) + " to " +
                      listener_name(forward) + " refused",
                  Clock::now());
  }

  asio::any_io_executor executor_;
  net::Resolver& resolver_;
  std::vector<RemoteForward> forwards_;
  AddressFamily family_;
  Duration deadline_;
  std::size_t max_connections_;
  Limits limits_;
  RefusalLog refusals_;
  std::vector<Counters> counters_;
  std::shared_ptr<Turns> turns_;
  std::map<std::uint64_t, Entry> entries_;
  std::uint64_t next_id_ = 0;
  bool draining_ = false;
  std::function<void()> drained_;
};

Connections::Connections(const asio::any_io_executor& executor, net::Resolver& resolver, const TunnelSpec& spec,
                         std::function<void(const std::string&)> log, Limits limits)
    : impl_(std::make_shared<Impl>(executor, resolver, spec, std::move(log), limits)) {}

// The handler of one connection may hold the set for a moment longer.
Connections::~Connections() {
  impl_->drop_all();
}

void Connections::open(ssh::OpenRequest request) {
  impl_->open(std::move(request));
}
void Connections::drain(std::function<void()> drained) {
  impl_->drain(std::move(drained));
}
void Connections::drop_all() {
  impl_->drop_all();
}
std::size_t Connections::open_count() const {
  return impl_->open_count();
}
Counters Connections::counters(std::size_t forward) const {
  return impl_->counters(forward);
}

}  // namespace holdfast::forward
