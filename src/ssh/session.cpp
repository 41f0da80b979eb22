#include "ssh/session.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <limits>
#include <utility>

#include "ssh/ciphers.hpp"
#include "ssh/descriptor.hpp"
#include "ssh/errors.hpp"
#include "ssh/excess.hpp"
#include "ssh/global_requests.hpp"
#include "ssh/handshake.hpp"
#include "ssh/incoming.hpp"
#include "ssh/link.hpp"
#include "ssh/openings.hpp"
#include "ssh/pump.hpp"
#include "ssh/transport_watch.hpp"
#include "ssh/turn_schedule.hpp"
#include "ssh/wire_bytes.hpp"

namespace holdfast::ssh {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// 160 MB/s at a round trip of 100 ms.
constexpr std::uint64_t largest_window = std::uint64_t{16} * 1024 * 1024;
/// How long visitors get to read what is on its way to them, once all is closed.
constexpr std::chrono::seconds longest_goodbye{2};

}  // namespace

/// One turn of the session (turn()) pumps libssh, advances what is under way, hands out what came, looks for death,
/// and waits for the socket again. All of libssh runs in turns and in the owner's calls; observers are called from
/// turns and from the look at TCP, between calls into libssh.
/// Its one reason to change is the order of these steps, over which a session's stages and its end are decided. What
/// each step does has a class of its own. The members are those, and what several steps need, or the end of all.
class Session::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(tcp::socket socket, const TunnelSpec& spec, SessionObserver& observer, std::shared_ptr<Storage> storage,
       std::shared_ptr<Learnt> learnt)
      : socket_(std::move(socket)),
        spec_(spec),
        observer_(&observer),
        handshake_(spec, std::move(storage), std::move(learnt)),
        global_(spec.remote_forward) {
    // On a processor of 32 bits more than it can hold may be configured.
    constexpr std::uint64_t most = std::numeric_limits<std::size_t>::max();
    link_->windows.largest = static_cast<std::size_t>(std::min<std::uint64_t>(spec.max_buffer / 8, largest_window));
    link_->windows.room = static_cast<std::size_t>(std::min<std::uint64_t>(spec.max_buffer / 2, most));
  }

  void init() {
    schedule_ = std::make_shared<TurnSchedule>(socket_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->turn();
    });
    transport_ = std::make_shared<TransportWatch>(socket_.get_executor(),
                                                  [weak = weak_from_this()](const TransportReport& report) {
                                                    const auto self = weak.lock();
                                                    if (self && self->observer_ != nullptr)
                                                      self->observer_->on_event(TransportStalled{report});
                                                  });
    link_->wake = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->schedule_->soon();
    };
    link_->gather = [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self || self->over() || self->cork_) return;
      self->cork_.emplace(self->fd());
      self->schedule_->soon();
    };
  }

  void open() {
    handshake_.read([weak = weak_from_this()](tl::expected<Storage::Material, Failure> material) {
      const auto self = weak.lock();
      if (!self || self->over()) return;
      if (!material) return self->finish(std::move(material.error()));
      self->handshake_.begin_with(std::move(*material));
      self->schedule_->soon();
    });
    enter(Stage::connecting);
  }

  void authenticate(bool listen_ahead) {
    if (stage_ != Stage::keys_exchanged) return;
    handshake_.begin_authentication(socket_.get_executor(), link_->wake, listen_ahead);
    enter(Stage::authenticating);
  }

  void request_forward(std::size_t forward) {
    global_.listen(forward);
    schedule_->soon();
  }

  void cancel_forward(std::size_t forward) {
    global_.cancel(forward);
    schedule_->soon();
  }

  void send_keepalive() {
    // Every probe is sent: that the relay's kernel has it tells a relay that hangs, or loses what is large, from an
    // outage.
    if (!global_.keepalive() && stage_ == Stage::running) ssh_send_ignore(pump_.session(), "");
    schedule_->soon();
  }

  void open_direct_tcpip(const std::string& host, std::uint16_t port, OpenHandler handler) {
    openings_.direct_tcpip(host, port, std::move(handler));
    schedule_->soon();
  }

  void open_exec(const std::string& command, OpenHandler handler) {
    openings_.exec(command, std::move(handler));
    schedule_->soon();
  }

  std::vector<std::string> learn_host_keys(const std::vector<PublicKey>& told) {
    if (stage_ != Stage::running) return {};
    return handshake_.learn_host_keys(pump_.session(), told);
  }

  std::optional<tcp::socket> release_socket() {
    observer_ = nullptr;
    if (over() || !socket_.is_open()) return std::nullopt;
    error_code error;
    const auto protocol = socket_.local_endpoint(error).protocol();
    leave();
    tcp::socket kept(socket_.get_executor());
    kept.assign(protocol, socket_.release(error), error);
    if (error) return std::nullopt;
    return kept;
  }

  void close() {
    if (stage_ != Stage::closing && stage_ != Stage::lingering) enter(Stage::closing);
  }

  /// The owner is gone, or wants no more.
  void drop() {
    observer_ = nullptr;
    if (stage_ != Stage::over) end();
  }

  std::optional<Duration> since_acknowledged() const { return ssh::since_acknowledged(fd()); }
  Duration repetition_wait() const { return ssh::repetition_wait(fd()); }
  std::optional<TransportReport> transport() { return transport_->report(fd()); }
  std::uint64_t wire_bytes() const { return over() ? wire_bytes_ : ssh::wire_bytes(fd()); }
  Traffic traffic() const { return {link_->socket.in_bytes, link_->socket.out_bytes, link_->packets.in_packets}; }

  const std::vector<std::string>& banner_at_login() const { return handshake_.banner_at_login(); }
  std::string instead_of_banner() const { return handshake_.instead_of_banner(); }
  bool relay_is_openssh() const { return is_openssh(pump_.banner()); }
  const std::string& host_key() const { return handshake_.host_key(); }
  const std::vector<std::string>& algorithms() const { return algorithms_; }
  const std::string& cipher() const { return handshake_.cipher(); }
  std::string cipher_reason() const { return ssh::cipher_reason(cipher(), spec_.ciphers, default_ciphers()); }

 private:
  enum class Stage { idle, connecting, keys_exchanged, authenticating, running, closing, lingering, over };

  void enter(Stage stage) {
    if (stage_ == Stage::over) return;
    stage_ = stage;
    schedule_->soon();
  }

  bool over() const { return stage_ == Stage::over; }
  int fd() const { return const_cast<tcp::socket&>(socket_).native_handle(); }  // not const in Asio

  void turn() {
    cork_.reset();
    if (over() || stage_ == Stage::idle || schedule_->is_paused()) return;
    take_turn();
    if (stage_ != Stage::running && stage_ != Stage::closing) return;
    if (!schedule_->ration({link_->packets.in_packets, link_->served, incoming_.visitors()}, Clock::now())) {
      finish(misbehaviour("it sends packets without an end that lead to nothing"));
    }
  }

  void take_turn() {
    if (stage_ == Stage::lingering) return linger();
    if (pump_.session() == nullptr && stage_ == Stage::closing) return finish(std::nullopt);
    if (!handshake_.can_begin()) return;
    if (pump_.session() == nullptr) {
      if (auto failure = pump_.start(fd(), spec_, handshake_.known_hosts())) return finish(std::move(failure));
      if (pump_.broke()) return finish(explain_end());
    }
    ++turns_;
    pump_.begin_turn();
    pump();
    tell_banner();  // even if the packet behind it has ended the session
    if (failed()) return;
    const auto packets_pumped = link_->packets.in_packets;
    advance();
    if (over() || stage_ == Stage::lingering) return;
    report_traffic();
    if (over()) return;
    if (failed()) return;
    notify_channels(*link_, turns_);
    if (over()) return;
    // A packet that came in by the way may be the answer to what was looked at before it. What pumps() stopped may have
    // left bytes inside libssh. For neither does the socket become readable again.
    const bool more_came = link_->packets.in_packets != packets_pumped;
    if (more_came || pump_.had_its_share() || (pump_.received() && global_.pumps())) schedule_->soon();
    await();
  }

  void pump() {
    if (global_.pumps() && stage_ == Stage::running) return;
    look_at_first_line();
    pump_.run(stage_ == Stage::connecting);
  }

  void look_at_first_line() {
    if (stage_ == Stage::connecting && link_->socket.in_bytes == 0) handshake_.look_at_first_line(fd());
  }

  void await() { schedule_->await(pump_.session() != nullptr && pump_.is_writing()); }

  void report_traffic() {
    const auto seen = std::exchange(reported_, traffic());
    if (reported_.bytes_sent != seen.bytes_sent) transport_->something_was_sent(fd());
    if (reported_.bytes_received == seen.bytes_received) return;
    observer_->on_event(Received{reported_.packets_received != seen.packets_received});
  }

  // ---- stage by stage ------------------------------------------------------------------------------------------

  void advance() {
    switch (stage_) {
      case Stage::connecting:
        return advance_connect();
      case Stage::authenticating:
        return advance_authentication();
      case Stage::running:
        return advance_running();
      case Stage::closing:
        return advance_close();
      case Stage::idle:
      case Stage::keys_exchanged:
      case Stage::lingering:
      case Stage::over:
        return;
    }
  }

  void advance_connect() {
    const int rc = ssh_connect(pump_.session());
    set_nonblocking(fd());
    tell_banner();
    if (stage_ != Stage::connecting || failed()) return;
    if (rc == SSH_AGAIN) return;
    if (rc != SSH_OK) return finish(explain_end());
    auto check = handshake_.check_host_key(pump_.session());
    if (check.failure) return finish(std::move(check.failure));
    if (!check.met.empty()) observer_->on_host_key_met(check.met);
    if (over()) return;
    stage_ = Stage::keys_exchanged;
    observer_->on_event(PhaseCompleted{OpeningPhase::key_exchange});
  }

  void tell_banner() {
    if (stage_ != Stage::connecting || !handshake_.has_new(pump_.banner())) return;
    observer_->on_event(PhaseCompleted{OpeningPhase::banner, sanitize(pump_.banner())});
  }

  void advance_authentication() {
    const auto state = handshake_.authenticate(pump_.session(), fd(), pump_.banner(), global_, link_->packets);
    if (!round_trip_) round_trip_ = handshake_.round_trip();
    if (failed() || state == Authentication::State::again || state == Authentication::State::asked) return;
    if (state == Authentication::State::failed) return finish(handshake_.authentication_failure(pump_.session()));
    handshake_.end_authentication();
    stage_ = Stage::running;
    schedule_->soon();  // requests may be waiting
    observer_->on_event(PhaseCompleted{OpeningPhase::authenticate});
  }

  void advance_running() {
    for (const auto& answer : global_.advance(pump_.session(), link_->packets)) {
      std::visit([this](const auto& what) { report(what); }, answer);
      ++link_->served;
      if (stage_ != Stage::running) return;
    }
    if (failed()) return;
    // All below pumps libssh too, and the answer that tells a chosen port has to be the last packet.
    if (global_.pumps()) return;
    for (const auto& tell : openings_.advance()) {
      tell();
      ++link_->served;
      if (stage_ != Stage::running) return;
    }
    if (failed()) return;
    static_cast<void>(take_messages());
    if (stage_ != Stage::running) return;
    if (!link_->to_do.received.empty()) {
      if (!round_trip_) note_round_trip(ssh::round_trip(fd()));
      link_->windows.round_trip = *round_trip_;
      tune_windows(*link_, Clock::now());
    }
    reap();
  }

  void report(const ForwardAnswered& answer) { observer_->on_event(answer); }
  void report(const ListenerCancelled& answer) { observer_->on_event(answer); }
  void report(const KeepaliveAnswer& answer) {
    note_round_trip(answer.round_trip);
    observer_->on_keepalive_answered(answer.round_trip);
  }
  void report(const PortUnreadable& answer) {
    finish(Failure{Cause::relay_disconnected, "listen on relay", listener_name(spec_.remote_forward.at(answer.forward)),
                   "the relay's answer does not tell the port that it chose"});
  }

  /// TCP's own measure would be that of a proxy on the way. The shortest is the one without queues.
  void note_round_trip(Duration sample) { round_trip_ = std::min(sample, round_trip_.value_or(sample)); }

  /// All that is queued; a flood would keep this from ending, as libssh pumps when nothing is: then the rest waits for
  /// the next turn, which begins with it. True if none is left.
  bool take_messages() {
    if (incoming_.is_empty()) return true;
    const auto queued_until = link_->packets.in_packets;
    while (auto asked = incoming_.next(pump_.session(), stage_ == Stage::running)) {
      if (auto* request = std::get_if<OpenRequest>(&*asked)) {
        observer_->on_open_request(std::move(*request));
      } else if (const auto& what = std::get<Incoming::Refused>(*asked).unwanted;
                 !what.empty() && observer_ != nullptr && stage_ == Stage::running) {
        observer_->on_unwanted_open(what);
      }
      if (over() || link_->packets.in_packets - queued_until >= Pump::packets_a_turn) return false;
    }
    return true;
  }

  void reap() {
    flush_channels(*link_);
    if (!link_->to_do.released.empty()) {
      // EOF and CLOSE are packets of their own, and libssh writes each at once.
      const Cork cork(fd());
      close_released(*link_);
    }
    // None that names a channel may be left when that is freed.
    if (take_messages() && (stage_ == Stage::running || stage_ == Stage::closing)) free_closed(*link_);
  }

  // ---- the end -------------------------------------------------------------------------------------------------

  void advance_close() {
    static_cast<void>(take_messages());
    if (over()) return;
    if (!link_->channels.empty()) {
      release_all(*link_);
      reap();
      pump();  // libssh writes on only after it saw the socket writable
      if (failed()) return;
    }
    if (pump_.is_writing() || !all_closes_sent(*link_)) return;
    if (link_->channels.empty() || goodbye_ == Goodbye::due) return say_goodbye();
    // sshd throws away at DISCONNECT what a visitor has not read yet, and answers CLOSE when there is nothing left.
    if (std::exchange(goodbye_, Goodbye::awaited) == Goodbye::awaited) return;
    goodbye_timer_.expires_after(longest_goodbye);
    goodbye_timer_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (!self || error) return;
      self->goodbye_ = Goodbye::due;
      self->turn();
    });
  }

  /// Everything is written: DISCONNECT, FIN, and wait until the relay has read both.
  void say_goodbye() {
    goodbye_timer_.cancel();
    openings_.forget();
    handshake_.end_authentication();
    const auto channels = cut_off(*link_);
    ssh_disconnect(pump_.session());
    pump_.stop();
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    stage_ = Stage::lingering;
    post_gone(channels);
    linger();
  }

  /// Reads until the relay closes, so that our close sends no RST that could overtake the DISCONNECT.
  void linger() {
    if (discard_input(fd())) return finish(std::nullopt);
    await();
  }

  /// True after it ended the session.
  bool failed() {
    if (over() || stage_ == Stage::lingering) return true;
    if (link_->bad_packet_size) {
      finish(misbehaviour("it takes packets only that hold next to nothing"));
    } else if (pump_.broke()) {
      finish(explain_end());
    } else if (const auto why = excess(
                   {link_->socket.in_bytes, pump_.unsent(), incoming_.untaken(), link_->window_ignored}, progress());
               !why.empty()) {
      finish(misbehaviour(std::string{why}));
    } else if (progress() == Progress::banner && link_->socket.in_bytes > most_before_banner) {
      finish(Failure{Cause::protocol_mismatch, std::string{operation_name(Progress::banner)}, relay_name(spec_),
                     "no SSH banner in " + std::to_string(most_before_banner / 1024) + " KiB"});
    }
    return over();
  }

  Failure explain_end() {
    look_at_first_line();  // it may have come while we wrote
    const std::string& first_line = handshake_.first_line();
    const bool spoke = !first_line.empty() || link_->socket.in_bytes != 0;
    Failure failure = explain({progress(), ssh_get_error(pump_.session()), pump_.banner(), first_line, spoke}, spec_);
    handshake_.note_banner_at_login(pump_.session());
    if (failure.cause == Cause::no_common_algorithm) algorithms_ = both_lists(ssh_get_error(pump_.session()));
    const std::string tried = handshake_.tried();
    if (!tried.empty()) failure.detail += (failure.detail.empty() ? "" : "; ") + tried;
    return failure;
  }

  Failure misbehaviour(const std::string& detail) const {
    return {Cause::protocol_error, std::string{operation_name(progress())}, relay_name(spec_), detail};
  }

  Progress progress() const {
    const bool has_keys = stage_ != Stage::idle && stage_ != Stage::connecting;
    if (!has_keys) return pump_.banner().empty() ? Progress::banner : Progress::key_exchange;
    const bool established = stage_ == Stage::running || stage_ == Stage::closing;
    return established ? Progress::established : Progress::authentication;
  }

  /// The session is over; tells the owner.
  void finish(std::optional<Failure> failure) {
    if (over()) return;
    const bool closing = stage_ == Stage::closing || stage_ == Stage::lingering;
    end();
    SessionObserver* observer = std::exchange(observer_, nullptr);
    if (observer == nullptr) return;
    if (closing || !failure) {
      observer->on_event(SessionClosed{});
    } else {
      observer->on_event(SessionFailed{std::move(*failure)});
    }
  }

  void end() {
    leave();
    error_code ignored;
    let_the_fin_be_repeated(fd());
    socket_.close(ignored);
  }

  /// All but the socket.
  void leave() {
    wire_bytes_ = wire_bytes();
    stage_ = Stage::over;
    if (global_.ahead_unanswered()) handshake_.ends_unanswered();
    cork_.reset();
    handshake_.end_authentication();
    goodbye_timer_.cancel();
    schedule_->end();
    transport_->end();
    openings_.forget();
    const auto channels = cut_off(*link_);
    pump_.stop();
    post_gone(channels);
  }

  void post_gone(const Channels& channels) {
    if (!channels.empty()) asio::post(socket_.get_executor(), [channels] { tell_gone(channels); });
  }

  enum class Goodbye { none, awaited, due };

  tcp::socket socket_;
  const TunnelSpec& spec_;
  SessionObserver* observer_;
  std::shared_ptr<Link> link_ = std::make_shared<Link>();
  Handshake handshake_;
  Pump pump_{link_};
  GlobalRequests global_;
  Openings openings_{link_};
  Incoming incoming_{spec_, global_, link_};
  std::shared_ptr<TurnSchedule> schedule_;
  std::shared_ptr<TransportWatch> transport_;
  std::optional<Cork> cork_;  ///< until the next turn
  Stage stage_ = Stage::idle;
  asio::steady_timer goodbye_timer_{socket_.get_executor()};
  Goodbye goodbye_ = Goodbye::none;
  std::vector<std::string> algorithms_;  ///< both lists, where none is common
  std::optional<Duration> round_trip_;
  Traffic reported_;
  std::uint64_t wire_bytes_ = 0;  ///< once it is over
  std::size_t turns_ = 0;
};

Session::Session(tcp::socket socket, const TunnelSpec& spec, SessionObserver& observer,
                 std::shared_ptr<Storage> storage, std::shared_ptr<Learnt> learnt)
    : impl_(std::make_shared<Impl>(std::move(socket), spec, observer, std::move(storage), std::move(learnt))) {
  impl_->init();
}

Session::~Session() {
  impl_->drop();
}

void Session::open() {
  impl_->open();
}
void Session::authenticate(bool listen_ahead) {
  impl_->authenticate(listen_ahead);
}
void Session::request_forward(std::size_t forward) {
  impl_->request_forward(forward);
}
void Session::cancel_forward(std::size_t forward) {
  impl_->cancel_forward(forward);
}
std::vector<std::string> Session::learn_host_keys(const std::vector<PublicKey>& told) {
  return impl_->learn_host_keys(told);
}

void Session::send_keepalive() {
  impl_->send_keepalive();
}
void Session::open_direct_tcpip(const std::string& host, std::uint16_t port, OpenHandler handler) {
  impl_->open_direct_tcpip(host, port, std::move(handler));
}
void Session::open_exec(const std::string& command, OpenHandler handler) {
  impl_->open_exec(command, std::move(handler));
}
std::optional<tcp::socket> Session::release_socket() {
  return impl_->release_socket();
}
void Session::close() {
  impl_->close();
}
Duration Session::repetition_wait() const {
  return impl_->repetition_wait();
}
std::optional<Duration> Session::since_acknowledged() const {
  return impl_->since_acknowledged();
}
std::optional<TransportReport> Session::transport() {
  return impl_->transport();
}
std::uint64_t Session::wire_bytes() const {
  return impl_->wire_bytes();
}
Traffic Session::traffic() const {
  return impl_->traffic();
}
const std::vector<std::string>& Session::banner_at_login() const {
  return impl_->banner_at_login();
}
bool Session::relay_is_openssh() const {
  return impl_->relay_is_openssh();
}
std::string Session::instead_of_banner() const {
  return impl_->instead_of_banner();
}
const std::string& Session::host_key() const {
  return impl_->host_key();
}
const std::vector<std::string>& Session::algorithms() const {
  return impl_->algorithms();
}
std::string Session::cipher() const {
  return impl_->cipher();
}
std::string Session::cipher_reason() const {
  return impl_->cipher_reason();
}

}  // namespace holdfast::ssh
