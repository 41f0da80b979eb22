#include "ssh/session.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "ssh/authentication.hpp"
#include "ssh/ciphers.hpp"
#include "ssh/descriptor.hpp"
#include "ssh/errors.hpp"
#include "ssh/global_requests.hpp"
#include "ssh/host_key.hpp"
#include "ssh/link.hpp"
#include "ssh/openings.hpp"
#include "ssh/options.hpp"
#include "ssh/packet_ration.hpp"
#include "ssh/transport.hpp"
#include "ssh/wire_bytes.hpp"

namespace holdfast::ssh {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// Bytes that one turn takes in before others get theirs.
constexpr std::uint64_t turn_quota = std::uint64_t{256} * 1024;
/// And packets, of which a small one costs as much as a large one.
constexpr std::uint64_t turn_packets = 32;
/// Answers that a peer provokes without reading them; far above what the session itself ever queues.
constexpr std::uint64_t most_unsent = std::uint64_t{8} * 1024 * 1024;
/// Packets that come while no messages are taken, as each may be one that libssh keeps: 360 bytes for a channel open.
constexpr std::uint64_t most_untaken = std::uint64_t{16} * 1024;
/// OpenSSH's client gives up after 1024 lines before the banner. What a relay has to say there is far less, and a
/// captive portal may say it on each try.
constexpr std::uint64_t most_before_banner = std::uint64_t{64} * 1024;
/// Key exchange and login take some kilobytes, and nobody has shown yet who it is that sends them.
constexpr std::uint64_t most_before_login = std::uint64_t{1024} * 1024;
constexpr std::uint64_t packet_overhead = 64;
/// On top of the owner's connections and as many that wait for the relay's CLOSE.
constexpr std::size_t spare_channels = 64;
/// 160 MB/s at a round trip of 100 ms.
constexpr std::uint64_t largest_window = std::uint64_t{16} * 1024 * 1024;
/// So long after something was sent TCP is looked at, and again while it does not move.
constexpr std::chrono::seconds look_period{2};
/// How long visitors get to read what is on its way to them, once all is closed.
constexpr std::chrono::seconds longest_goodbye{2};

}  // namespace

/// One turn of the session (turn()) pumps libssh, advances what is under way, hands out what came, looks for death,
/// and waits for the socket again. All of libssh runs in turns and in the owner's calls; observers are called from
/// turns and from the look at TCP, between calls into libssh.
/// So many members for one reason to change, which is libssh: they are what a turn has to look at, and the order in
/// which it does is the point. What can be told without it has classes of its own.
class Session::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(tcp::socket socket, const TunnelSpec& spec, SessionObserver& observer, std::shared_ptr<Storage> storage,
       std::shared_ptr<Learnt> learnt)
      : socket_(std::move(socket)),
        spec_(spec),
        observer_(&observer),
        storage_(std::move(storage)),
        learnt_(std::move(learnt)),
        global_(spec.remote_forward) {
    link_->largest_window = std::min(spec.max_buffer / 8, largest_window);
    link_->window_room = spec.max_buffer / 2;
  }

  void init() {
    link_->wake = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->schedule_turn();
    };
    link_->gather = [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self || self->over() || self->cork_) return;
      self->cork_.emplace(self->fd());
      self->schedule_turn();
    };
  }

  void open() {
    storage_->read(spec_, [weak = weak_from_this()](tl::expected<Storage::Material, Failure> material) {
      const auto self = weak.lock();
      if (!self || self->over()) return;
      if (!material) return self->finish(std::move(material.error()));
      self->material_ = std::move(*material);
      self->schedule_turn();
    });
    enter(Stage::connecting);
  }

  void authenticate(bool listen_ahead) {
    listen_ahead_ = listen_ahead;
    if (stage_ != Stage::keys_exchanged) return;
    authentication_began_ = Clock::now();
    enter(Stage::authenticating);
  }

  void request_forward(std::size_t forward) {
    global_.listen(forward);
    schedule_turn();
  }

  void cancel_forward(std::size_t forward) {
    global_.cancel(forward);
    schedule_turn();
  }

  void send_keepalive() {
    // Every probe is sent: that the relay's kernel has it tells a relay that hangs, or loses what is large, from an
    // outage.
    if (!global_.keepalive() && stage_ == Stage::running) ssh_send_ignore(session_.get(), "");
    schedule_turn();
  }

  void open_direct_tcpip(const std::string& host, std::uint16_t port, OpenHandler handler) {
    openings_.direct_tcpip(host, port, std::move(handler));
    schedule_turn();
  }

  void open_exec(const std::string& command, OpenHandler handler) {
    openings_.exec(command, std::move(handler));
    schedule_turn();
  }

  std::vector<std::string> learn_host_keys(const std::vector<PublicKey>& told) {
    std::vector<std::string> names;
    if (stage_ != Stage::running || !material_->known_hosts) return names;
    for (const LearntKey& key : ssh::learn_host_keys(session_.get(), spec_, *material_->known_hosts, told)) {
      know(key.line);
      names.push_back(key.name);
    }
    return names;
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
  std::optional<TransportReport> transport() {
    auto report = transport_of(fd());
    if (!report) return report;
    const TimePoint now = Clock::now();
    if (!has_hole(fd())) {
      hole_since_.reset();
    } else if (!hole_since_ || now - *hole_since_ > report->nothing_came_for) {
      hole_since_ = now;  // since then something came: it is another one
    }
    if (hole_since_) report->hole_for = now - *hole_since_;
    repetitions_.look(fd(), now, *report);
    report->large_passed = large_segments_.have_passed(fd());
    return report;
  }
  std::uint64_t wire_bytes() const { return over() ? wire_bytes_ : ssh::wire_bytes(fd()); }
  Traffic traffic() const { return {link_->socket.in_bytes, link_->socket.out_bytes, link_->packets.in_packets}; }

  const std::string& cipher() const { return cipher_; }
  std::string cipher_reason() const { return ssh::cipher_reason(cipher_, spec_.ciphers, default_ciphers()); }

 private:
  enum class Stage { idle, connecting, keys_exchanged, authenticating, running, closing, lingering, over };

  void enter(Stage stage) {
    if (stage_ == Stage::over) return;
    stage_ = stage;
    schedule_turn();
  }

  bool over() const { return stage_ == Stage::over; }
  int fd() const { return const_cast<tcp::socket&>(socket_).native_handle(); }  // not const in Asio
  bool has_keys() const { return stage_ != Stage::idle && stage_ != Stage::connecting; }

  void schedule_turn() {
    if (turn_posted_ || over()) return;
    turn_posted_ = true;
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
      self->turn_posted_ = false;
      self->turn();
    });
  }

  void turn() {
    cork_.reset();
    if (over() || stage_ == Stage::idle || paused_) return;
    take_turn();
    if (stage_ == Stage::running || stage_ == Stage::closing) ration();
  }

  void take_turn() {
    if (stage_ == Stage::lingering) return linger();
    if (!session_ && stage_ == Stage::closing) return finish(std::nullopt);
    if (!material_) return;
    if (!session_) {
      if (auto failure = start()) return finish(std::move(failure));
    }
    ++turns_;
    turn_began_at_ = link_->socket.in_bytes;
    turn_began_at_packet_ = link_->packets.in_packets;
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
    const bool received = link_->socket.in_bytes != turn_began_at_;
    // A packet that came in by the way may be the answer to what was looked at before it, and what pumps() stopped may
    // have left bytes inside libssh: for neither does the socket become readable again.
    const bool more_came = link_->packets.in_packets != packets_pumped;
    if (more_came || had_its_share() || (received && global_.pumps())) schedule_turn();
    await();
  }

  bool had_its_share() const {
    return link_->socket.in_bytes - turn_began_at_ >= turn_quota ||
           link_->packets.in_packets - turn_began_at_packet_ >= turn_packets;
  }

  /// The next turn may have to wait.
  void ration() {
    const TimePoint now = Clock::now();
    const PacketRation::Taken all{link_->packets.in_packets, link_->served, visitors_};
    const auto before = std::exchange(rationed_, all);
    const Duration pause = ration_.took_in(
        {all.packets - before.packets, all.services - before.services, all.visitors - before.visitors}, now);
    if (ration_.is_used_up(now)) return finish(misbehaviour("it sends packets without an end that lead to nothing"));
    if (pause == Duration::zero()) return;
    paused_ = true;
    pause_.expires_after(pause);
    pause_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (!self || error) return;
      self->paused_ = false;
      self->turn();
    });
  }

  // ---- libssh's side -------------------------------------------------------------------------------------------

  std::optional<Failure> start() {
    descriptor_ = duplicate(fd());
    if (descriptor_ < 0) return local_failure(errno);
    session_.reset(ssh_new());
    event_.reset(ssh_event_new());
    if (!session_ || !event_) return local_failure(ENOMEM);
    link_->session = session_.get();
    ssh_set_blocking(session_.get(), 0);
    ssh_set_counters(session_.get(), &link_->socket, &link_->packets);
    if (auto failure = apply_options(session_.get(), descriptor_, spec_, material_->known_hosts.value_or("")))
      return failure;
    limit_unsent(fd());
    const int rc = ssh_connect(session_.get());
    set_nonblocking(fd());
    if (rc == SSH_ERROR) return explain_end();
    if (ssh_event_add_session(event_.get(), session_.get()) != SSH_OK) return local_failure(ENOMEM);
    return std::nullopt;
  }

  /// Until libssh has nothing left to read or write, or the quota is used up.
  void pump() {
    if (global_.pumps() && stage_ == Stage::running) return;
    look_at_first_line();
    while (!is_dead(session_.get())) {
      const int rc = ssh_event_dopoll(event_.get(), 0);
      // libssh takes O_NONBLOCK away when it considers the socket connected.
      if (stage_ == Stage::connecting) set_nonblocking(fd());
      pump_broke_ = rc == SSH_ERROR;
      if (rc != SSH_OK || had_its_share()) break;
    }
    if (link_->socket.in_bytes != turn_began_at_) acknowledge_at_once(fd());
  }

  /// libssh drops what comes before a banner, which is what explains most of those that never get one.
  void look_at_first_line() {
    if (stage_ != Stage::connecting || banner_seen_ || link_->socket.in_bytes != 0 || !first_line_.empty()) return;
    first_line_ = peek_line(fd());
  }

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

  void know(const std::string& line) {
    std::string& known = *material_->known_hosts;
    known += (known.empty() || known.back() == '\n' ? "" : "\n") + line;
    storage_->store(spec_.user_known_hosts_file, line);
  }

  void advance_connect() {
    const int rc = ssh_connect(session_.get());
    set_nonblocking(fd());
    tell_banner();
    if (stage_ != Stage::connecting || failed()) return;
    if (rc == SSH_AGAIN) return;
    if (rc != SSH_OK) return finish(explain_end());
    auto check = verify_host_key(session_.get(), spec_, material_->known_hosts);
    if (check.failure) return finish(std::move(check.failure));
    if (!check.met.empty()) {
      know(check.line);
      observer_->on_host_key_met(check.met);
    }
    if (const char* name = ssh_get_cipher_out(session_.get())) cipher_ = name;
    stage_ = Stage::keys_exchanged;
    observer_->on_event(PhaseCompleted{OpeningPhase::key_exchange});
  }

  void tell_banner() {
    if (stage_ != Stage::connecting || banner_seen_ || banner().empty()) return;
    banner_seen_ = true;
    observer_->on_event(PhaseCompleted{OpeningPhase::banner, sanitize(banner())});
  }

  void advance_authentication() {
    if (!authentication_) {
      authentication_ =
          std::make_unique<Authentication>(socket_.get_executor(), spec_, material_->identities, link_->wake);
    }
    const auto state = step_authentication();
    if (failed() || state == Authentication::State::again || state == Authentication::State::asked) return;
    if (state == Authentication::State::failed) return finish(authentication_->failure(session_.get()));
    authentication_.reset();
    stage_ = Stage::running;
    schedule_turn();  // requests may be waiting
    observer_->on_event(PhaseCompleted{OpeningPhase::authenticate});
  }

  /// The first listener is asked for in the segment that asks to be let in, which saves a round trip: OpenSSH takes
  /// packets in their order, and reads this one when it has decided about the other
  /// (docs/decisions/0008-the-first-listener-is-asked-for-ahead.md).
  Authentication::State step_authentication() {
    const Cork cork(fd());
    const auto state = authentication_->step(session_.get());
    // An answer for which the relay has nothing to do.
    if (!round_trip_ && authentication_->service_accepted()) note_round_trip(Clock::now() - authentication_began_);
    const bool asked = state == Authentication::State::asked;
    if (asked && listen_ahead_ && learnt_->reads_ahead && is_openssh(banner())) {
      global_.listen_ahead(session_.get(), link_->packets);
    }
    return state;
  }

  /// Not for OpenSSH_for_Windows and others, whose way from one process to the next is another.
  static bool is_openssh(std::string_view banner) {
    constexpr std::string_view openssh = "SSH-2.0-OpenSSH_";
    return banner.starts_with(openssh) && banner.size() > openssh.size() && banner[openssh.size()] >= '1' &&
           banner[openssh.size()] <= '9';
  }

  void advance_running() {
    for (const auto& answer : global_.advance(session_.get(), link_->packets)) {
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
    if (!link_->received.empty()) {
      if (!round_trip_) note_round_trip(ssh::round_trip(fd()));
      link_->round_trip = *round_trip_;
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
    finish(Failure{Cause::relay_disconnected, "listen on", listener_name(spec_.remote_forward.at(answer.forward)),
                   "the relay's answer does not tell the port that it chose"});
  }

  /// TCP's own measure would be that of a proxy on the way. The shortest is the one without queues.
  void note_round_trip(Duration sample) { round_trip_ = std::min(sample, round_trip_.value_or(sample)); }

  void reap() {
    flush_channels(*link_);
    if (!link_->released.empty()) {
      // EOF and CLOSE are packets of their own, and libssh writes each at once.
      const Cork cork(fd());
      close_released(*link_);
    }
    // None that names a channel may be left when that is freed.
    if (take_messages() && (stage_ == Stage::running || stage_ == Stage::closing)) free_closed(*link_);
  }

  // ---- channel opens -------------------------------------------------------------------------------------------

  /// All that is queued. ssh_message_get() pumps when its queue is empty, so that a flood would keep this from ending:
  /// then the rest waits for the next turn, which begins with it.
  /// True if none is left. libssh is not asked when no packet came since it had none: that costs a poll(2).
  bool take_messages() {
    if (packets_without_message_ == link_->packets.in_packets) return true;
    const auto queued_until = link_->packets.in_packets;
    while (MessageHandle message{ssh_message_get(session_.get())}) {
      packets_looked_at_ = link_->packets.in_packets;
      take(std::move(message));
      if (over() || link_->packets.in_packets - queued_until >= turn_packets) return false;
    }
    packets_without_message_ = packets_looked_at_ = link_->packets.in_packets;
    return true;
  }

  void take(MessageHandle message) {
    if (ssh_message_type(message.get()) != SSH_REQUEST_CHANNEL_OPEN) {
      ssh_message_reply_default(message.get());
      return;
    }
    if (ssh_message_subtype(message.get()) != SSH_CHANNEL_FORWARDED_TCPIP) {
      return refuse(message, "a channel of type " + channel_type(ssh_message_subtype(message.get())));
    }
    const std::string address = ssh_message_channel_request_open_destination(message.get());
    const int port = ssh_message_channel_request_open_destination_port(message.get());
    const auto forward = global_.find(address, static_cast<std::uint16_t>(port));
    if (!forward && global_.is_cancelling(static_cast<std::uint16_t>(port))) return refuse(message, "");
    if (!forward) {
      return refuse(message, "a connection to " + sanitize(address) + " port " + std::to_string(port));
    }
    if (stage_ != Stage::running) return refuse(message, "");
    // The owner keeps to max_connections, and tells. This is for a relay that never answers a CLOSE.
    if (link_->channels.size() + link_->held.size() >= std::size_t{2} * spec_.max_connections + spare_channels) {
      return refuse(message, "more channels than it closes");
    }
    hand_over(*forward, std::move(message));
  }

  void hand_over(std::size_t forward, MessageHandle message) {
    ++visitors_;
    auto originator = sanitize(ssh_message_channel_request_open_originator(message.get()));
    const auto port = static_cast<std::uint16_t>(ssh_message_channel_request_open_originator_port(message.get()));
    auto state = std::make_unique<OpenRequest::State>(link_, std::move(message));
    observer_->on_open_request(OpenRequest{forward, std::move(originator), port, std::move(state)});
  }

  /// `what` is for the owner's eyes; empty when there is nothing wrong with the request.
  void refuse(const MessageHandle& message, const std::string& what) {
    ssh_message_reply_default(message.get());
    if (!what.empty() && observer_ != nullptr && stage_ == Stage::running) observer_->on_unwanted_open(what);
  }

  static std::string channel_type(int type) {
    switch (type) {
      case SSH_CHANNEL_SESSION:
        return "session";
      case SSH_CHANNEL_DIRECT_TCPIP:
        return "direct-tcpip";
      case SSH_CHANNEL_X11:
        return "x11";
      case SSH_CHANNEL_AUTH_AGENT:
        return "auth-agent@openssh.com";
      default:
        return "unknown to libssh";
    }
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
    const bool pending = (ssh_get_status(session_.get()) & SSH_WRITE_PENDING) != 0;
    if (pending || !all_closes_sent(*link_)) return;
    if (link_->channels.empty() || goodbye_due_) return say_goodbye();
    // sshd throws away at DISCONNECT what a visitor has not read yet, and answers CLOSE when there is nothing left.
    if (std::exchange(goodbye_awaited_, true)) return;
    goodbye_.expires_after(longest_goodbye);
    goodbye_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (!self || error) return;
      self->goodbye_due_ = true;
      self->turn();
    });
  }

  /// Everything is written: DISCONNECT, FIN, and wait until the relay has read both.
  void say_goodbye() {
    goodbye_.cancel();
    openings_.forget();
    authentication_.reset();
    const auto channels = cut_off(*link_);
    ssh_disconnect(session_.get());
    release_libssh();
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
    } else if (pump_broke_ || is_dead(session_.get())) {
      finish(explain_end());
    } else if (link_->window_ignored) {
      finish(misbehaviour("it sends more than its window allows"));
    } else if (unsent() > most_unsent) {
      finish(misbehaviour("it does not read what it asked for"));
    } else if (link_->packets.in_packets - packets_looked_at_ > most_untaken) {
      finish(misbehaviour("it sends without an end where an answer is due"));
    } else if (progress() != Progress::established && link_->socket.in_bytes > most_before_login) {
      finish(misbehaviour("it sends without an end and lets nobody in"));
    } else if (progress() == Progress::banner && link_->socket.in_bytes > most_before_banner) {
      finish(Failure{Cause::protocol_mismatch, std::string{operation_name(Progress::banner)}, relay_name(spec_),
                     "no SSH banner in " + std::to_string(most_before_banner / 1024) + " KiB"});
    }
    return over();
  }

  Failure explain_end() {
    look_at_first_line();  // it may have come while we wrote
    const bool spoke = !first_line_.empty() || link_->socket.in_bytes != 0;
    Failure failure = explain({progress(), ssh_get_error(session_.get()), banner(), first_line_, spoke}, spec_);
    const std::string tried = authentication_ ? authentication_->tried() : "";
    if (!tried.empty()) failure.detail += (failure.detail.empty() ? "" : "; ") + tried;
    return failure;
  }

  Failure misbehaviour(const std::string& detail) const {
    return {Cause::protocol_error, std::string{operation_name(progress())}, relay_name(spec_), detail};
  }

  Failure local_failure(int error) const {
    return {Cause::local_error, "open a session with", relay_name(spec_),
            boost::system::system_error{error, boost::system::system_category()}.code().message()};
  }

  /// "SSH-2.0-OpenSSH_10.0"; empty before it came.
  std::string banner() const {
    const char* text = session_ ? ssh_get_serverbanner(session_.get()) : nullptr;
    return text != nullptr ? text : "";
  }

  Progress progress() const {
    if (!has_keys()) return banner().empty() ? Progress::banner : Progress::key_exchange;
    const bool established = stage_ == Stage::running || stage_ == Stage::closing;
    return established ? Progress::established : Progress::authentication;
  }

  /// How much libssh holds unsent, at most: what it packed since it last had nothing left, less what went out.
  std::uint64_t unsent() {
    const auto& packets = link_->packets;
    if ((ssh_get_status(session_.get()) & SSH_WRITE_PENDING) == 0) {
      flushed_ = {link_->socket.out_bytes, packets.out_bytes + packet_overhead * packets.out_packets};
      return 0;
    }
    const auto packed = packets.out_bytes + packet_overhead * packets.out_packets - flushed_.packed;
    const auto sent = link_->socket.out_bytes - flushed_.sent;
    return packed > sent ? packed - sent : 0;
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
    if (global_.ahead_unanswered()) learnt_->reads_ahead = false;
    cork_.reset();
    authentication_.reset();
    goodbye_.cancel();
    pause_.cancel();
    look_.cancel();
    openings_.forget();
    const auto channels = cut_off(*link_);
    release_libssh();  // says nothing to the relay, as ssh_silent_disconnect() would (docs/decisions/0002-*)
    post_gone(channels);
  }

  /// The duplicate has to be closed before the socket is: while it is open, epoll would go on watching for a
  /// descriptor that Asio has forgotten.
  void release_libssh() {
    link_->session = nullptr;
    event_.reset();
    session_.reset();
    close_duplicate(std::exchange(descriptor_, -1), fd());
  }

  void post_gone(const std::vector<std::shared_ptr<Channel::State>>& channels) {
    if (!channels.empty()) asio::post(socket_.get_executor(), [channels] { tell_gone(channels); });
  }

  // ---- the socket ----------------------------------------------------------------------------------------------

  void report_traffic() {
    const auto seen = std::exchange(reported_, traffic());
    if (reported_.bytes_sent != seen.bytes_sent) look_at_transport_soon();
    if (reported_.bytes_received == seen.bytes_received) return;
    observer_->on_event(Received{reported_.packets_received != seen.packets_received});
  }

  /// What was sent may get stuck, or its answer. A session that says nothing costs no timer.
  void look_at_transport_soon() {
    if (std::exchange(look_is_due_, true)) return;
    look_.expires_after(look_period);
    look_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (!self || error || self->over()) return;
      self->look_is_due_ = false;
      self->look_at_transport();
    });
  }

  void look_at_transport() {
    const auto report = transport();
    if (!report) return;
    const bool late = report->repetitions > 0 || hole_since_;
    // The first repetition may yet come: after a round trip that took seconds it takes its time.
    if (late || report->unacknowledged > 0) look_at_transport_soon();
    if (late && observer_ != nullptr) observer_->on_event(TransportStalled{*report});
  }

  void await() {
    if (!awaiting_read_) {
      awaiting_read_ = true;
      socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
        self->awaiting_read_ = false;
        if (error != asio::error::operation_aborted) self->turn();
      });
    }
    const bool pending = session_ && (ssh_get_status(session_.get()) & SSH_WRITE_PENDING) != 0;
    if (!pending || awaiting_write_) return;
    awaiting_write_ = true;
    socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](error_code error) {
      self->awaiting_write_ = false;
      if (error != asio::error::operation_aborted) self->turn();
    });
  }

  struct Flushed {
    std::uint64_t sent = 0;
    std::uint64_t packed = 0;
  };

  tcp::socket socket_;
  const TunnelSpec& spec_;
  SessionObserver* observer_;
  std::shared_ptr<Storage> storage_;
  std::optional<Storage::Material> material_;
  std::shared_ptr<Learnt> learnt_;
  std::shared_ptr<Link> link_ = std::make_shared<Link>();
  int descriptor_ = -1;  ///< libssh's duplicate of the socket
  SessionHandle session_;
  EventHandle event_;
  std::unique_ptr<Authentication> authentication_;
  GlobalRequests global_;
  Openings openings_{link_};
  std::optional<Cork> cork_;  ///< until the next turn
  asio::steady_timer goodbye_{socket_.get_executor()};
  PacketRation ration_;
  asio::steady_timer pause_{socket_.get_executor()};
  asio::steady_timer look_{socket_.get_executor()};
  std::optional<TimePoint> hole_since_;  ///< seen for the first time
  Repetitions repetitions_;
  LargeSegments large_segments_;
  Stage stage_ = Stage::idle;
  std::string first_line_;
  std::string cipher_;
  Traffic reported_;
  std::uint64_t wire_bytes_ = 0;  ///< once it is over
  TimePoint authentication_began_;
  bool listen_ahead_ = true;
  std::optional<Duration> round_trip_;
  Flushed flushed_;
  std::uint64_t turn_began_at_ = 0;
  std::uint64_t turn_began_at_packet_ = 0;
  std::uint64_t visitors_ = 0;
  PacketRation::Taken rationed_;
  std::uint64_t packets_without_message_ = 0;
  std::uint64_t packets_looked_at_ = 0;  ///< when messages were last taken
  std::size_t turns_ = 0;
  bool banner_seen_ = false;
  bool goodbye_awaited_ = false;
  bool goodbye_due_ = false;
  bool pump_broke_ = false;
  bool turn_posted_ = false;
  bool paused_ = false;
  bool look_is_due_ = false;
  bool awaiting_read_ = false;
  bool awaiting_write_ = false;
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
std::string Session::cipher() const {
  return impl_->cipher();
}
std::string Session::cipher_reason() const {
  return impl_->cipher_reason();
}

}  // namespace holdfast::ssh
