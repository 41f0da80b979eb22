#include "forward/connections.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <map>
#include <utility>

#include "forward/buffers.hpp"
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

/// Its one reason to change is whose a connection is, and so what it counts as and who waits for its end: a visitor's,
/// a proof's, or not known yet. Ten of its members are settings and what all connections share.
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
        turns_(std::make_shared<Turns>(executor)),
        buffers_(std::make_shared<Buffers>(spec.max_buffer)),
        max_buffer_(spec.max_buffer) {}

  ~Impl() { drop_all(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void open(ssh::OpenRequest request) {
    if (draining_ || request.forward() >= forwards_.size()) return request.refuse();
    if (entries_.size() >= max_connections_ + (proof_ ? 1 : 0)) {
      tell(request, {Cause::local_error, "accept", "connection",
                     std::to_string(entries_.size()) + " connections are open already, max_connections"});
      return request.refuse();
    }
    const std::uint64_t id = next_id_++;
    const std::size_t forward = request.forward();
    const Whose whose = proof_ && proof_->forward == forward && !proof_->returned ? Whose::unknown : Whose::visitor;
    Entry& entry = entries_.emplace(id, Entry{forward, whose, std::move(request), nullptr, nullptr}).first->second;
    if (whose == Whose::visitor) ++counters_[forward].open;
    entry.connecting = connect_target(executor_, resolver_, forwards_[forward].target, family_, deadline_,
                                      [weak = weak_from_this(), id](tl::expected<Socket, Failure> socket) {
                                        if (const auto self = weak.lock()) self->on_target(id, std::move(socket));
                                      });
  }

  void expect_proof(std::size_t forward, const ProofMark& mark, ProofHandlers handlers) {
    auto kept = std::exchange(kept_, std::nullopt);
    end_proof(false);
    kept_ = std::move(kept);
    proof_ = ExpectedProof{forward, mark, std::move(handlers)};
  }

  bool end_proof(bool keep_channel) {
    if (!keep_channel) kept_.reset();
    if (!proof_) return false;
    proof_.reset();
    bool kept = false;
    for (auto& [id, entry] : entries_) {
      if (entry.whose == Whose::ours) {
        auto channel = entry.connection->keep_channel();
        kept = keep_channel && channel;
        if (kept) kept_ = std::move(channel);
      }
      become_visitor(entry);
    }
    std::erase_if(entries_, [](const auto& entry) { return entry.second.whose == Whose::ours; });
    answer_drain_if_empty();
    answer_idle_if_empty();
    return kept;
  }

  void drain(std::function<void()> drained) {
    draining_ = true;
    kept_.reset();
    idle_ = nullptr;
    drained_ = std::move(drained);
    refuse_unanswered();
    hang_up_silent_proofs();
    answer_drain_if_empty();
  }

  void when_idle(std::function<void()> idle) {
    idle_ = std::move(idle);
    answer_idle_if_empty();
  }

  void drop_all() {
    draining_ = false;
    drained_ = nullptr;
    proof_.reset();
    kept_.reset();
    idle_ = nullptr;
    // Emptied first: what ends now must not find its entry again.
    for (auto& [id, entry] : std::exchange(entries_, {})) {
      if (entry.connection) entry.connection->abort();
    }
    for (Counters& counters : counters_) counters.open = 0;
  }

  std::size_t open_count() const { return entries_.size(); }
  const std::vector<Counters>& counters() const { return counters_; }

 private:
  enum class Whose { visitor, unknown, ours };

  struct Entry {
    std::size_t forward;
    Whose whose;
    std::optional<ssh::OpenRequest> request;  ///< until it is answered
    std::unique_ptr<net::Operation> connecting;
    std::shared_ptr<Connection> connection;
  };

  struct ExpectedProof {
    std::size_t forward;
    ProofMark mark;
    ProofHandlers handlers;
    bool returned = false;
    bool target_failed = false;
  };

  void on_target(std::uint64_t id, tl::expected<Socket, Failure> socket) {
    Entry& entry = entries_.at(id);
    entry.connecting.reset();
    ssh::OpenRequest request = *std::exchange(entry.request, std::nullopt);
    if (!socket) return on_target_failure(id, std::move(request), socket.error());
    std::optional<ssh::Channel> channel = request.accept();
    if (!channel) return forget(id);
    entry.connection = std::make_shared<Connection>(std::move(*socket), std::move(*channel), turns_, buffers_,
                                                    limits_.longest_stall, [weak = weak_from_this(), id] {
                                                      if (const auto self = weak.lock()) self->on_end(id);
                                                    });
    if (entry.whose == Whose::visitor) {
      ++counters_[entry.forward].accepted;
    } else {
      entry.connection->screen(proof_->mark, [weak = weak_from_this(), id](bool marked) {
        if (const auto self = weak.lock()) self->on_first_bytes(id, marked);
      });
    }
    const bool tells = entry.whose == Whose::unknown;
    entry.connection->start();
    if (tells) tell_proof(proof_->handlers.accepted);
  }

  void on_end(std::uint64_t id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    const Entry& entry = found->second;
    if (entry.connection->gave_up()) {
      const RemoteForward& forward = forwards_[entry.forward];
      refusals_.add(entry.forward,
                    {Cause::local_error, "hold data for", target_name(forward.target),
                     "more than " + std::to_string(max_buffer_) +
                         " bytes wait for targets that do not read; see why this one does not, or raise max_buffer"},
                    "connection to " + listener_name(forward) + " reset", Clock::now());
    }
    forget(id);
  }

  void on_target_failure(std::uint64_t id, ssh::OpenRequest request, const Failure& failure) {
    Entry& entry = entries_.at(id);
    // A target that is down is down for whoever comes: whose connection this was makes no difference to the proof.
    const bool tells = entry.whose == Whose::unknown && !std::exchange(proof_->target_failed, true);
    if (!tells) {
      ++counters_[entry.forward].target_refused;
      tell(request, failure);
    }
    request.refuse();
    forget(id);
    if (tells) tell_proof(proof_->handlers.target_failed, failure);
  }

  void on_first_bytes(std::uint64_t id, bool marked) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    Entry& entry = found->second;
    if (!marked) return become_visitor(entry);
    if (entry.whose == Whose::visitor) {  // too late: the proof is over
      entry.connection->hang_up();
      return forget(id);
    }
    entry.whose = Whose::ours;
    proof_->returned = true;
    for (auto& [other_id, other] : entries_) become_visitor(other);
    tell_proof(proof_->handlers.returned);
  }

  void become_visitor(Entry& entry) {
    if (entry.whose != Whose::unknown) return;
    entry.whose = Whose::visitor;
    Counters& counters = counters_[entry.forward];
    ++counters.open;
    if (!entry.connection) return;
    ++counters.accepted;
    entry.connection->lift_limit();
  }

  /// A copy: what is told may end the proof.
  template <class Handler, class... Arguments>
  static void tell_proof(Handler handler, const Arguments&... arguments) {
    handler(arguments...);
  }

  void forget(std::uint64_t id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    if (found->second.whose == Whose::visitor) --counters_[found->second.forward].open;
    entries_.erase(found);
    answer_drain_if_empty();
    answer_idle_if_empty();
  }

  void refuse_unanswered() {
    std::erase_if(entries_, [this](const auto& entry) {
      if (!entry.second.request) return false;
      if (entry.second.whose == Whose::visitor) --counters_[entry.second.forward].open;
      return true;
    });
  }

  /// What may be a proof's, and never said a byte, is not waited for.
  void hang_up_silent_proofs() {
    std::erase_if(entries_, [this](const auto& entry) {
      if (!entry.second.connection || !entry.second.connection->is_screened()) return false;
      if (entry.second.whose == Whose::visitor) --counters_[entry.second.forward].open;
      entry.second.connection->hang_up();
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

  /// Looks again when it is its turn: another connection may have come meanwhile.
  void answer_idle_if_empty() {
    if (!idle_ || !entries_.empty()) return;
    asio::post(executor_, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self || !self->entries_.empty()) return;
      if (const auto idle = std::exchange(self->idle_, nullptr)) idle();
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
  std::shared_ptr<Buffers> buffers_;
  std::uint64_t max_buffer_;
  std::map<std::uint64_t, Entry> entries_;
  std::optional<ExpectedProof> proof_;
  std::optional<ssh::Channel> kept_;  ///< of a proof that is over; nobody listens to it
  std::uint64_t next_id_ = 0;
  bool draining_ = false;
  std::function<void()> drained_;
  std::function<void()> idle_;
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
void Connections::expect_proof(std::size_t forward, const ProofMark& mark, ProofHandlers handlers) {
  impl_->expect_proof(forward, mark, std::move(handlers));
}
bool Connections::end_proof(bool keep_channel) {
  return impl_->end_proof(keep_channel);
}
void Connections::drain(std::function<void()> drained) {
  impl_->drain(std::move(drained));
}
void Connections::when_idle(std::function<void()> idle) {
  impl_->when_idle(std::move(idle));
}
void Connections::drop_all() {
  impl_->drop_all();
}
std::size_t Connections::open_count() const {
  return impl_->open_count();
}
const Counters& Connections::counters(std::size_t forward) const {
  return impl_->counters().at(forward);
}
const std::vector<Counters>& Connections::counters() const {
  return impl_->counters();
}

}  // namespace holdfast::forward
