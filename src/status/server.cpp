#include "status/server.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <utility>
#include <vector>

#include "status/routes.hpp"
#include "status/socket_file.hpp"

namespace holdfast::status {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Protocol = asio::local::stream_protocol;
using boost::system::error_code;

constexpr std::chrono::milliseconds accept_pause{200};  ///< after accept(2) failed, for example for want of descriptors

/// Behind the file's mode: root, and the user that we run as (SO_PEERCRED, unix(7): who called connect). Not this
/// process itself: for whom it connects, as a forward's target, is anybody at the relay.
bool may_command(Protocol::socket& socket, const Limits& limits) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return (limits.obey_own_process || peer.pid != ::getpid()) && (peer.uid == 0 || peer.uid == ::geteuid());
}

bool is_http_error(const error_code& error) {
  return error.category() == make_error_code(http::error::end_of_stream).category();
}

/// The answer to a request that could not be read; the connection ends with it.
Answer refusal(const error_code& error, const Limits& limits) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return problem(431, "the header is longer than " + std::to_string(limits.header_bytes) + " bytes");
  }
  if (error == http::error::body_limit) {
    return problem(413, "the body is longer than " + std::to_string(limits.body_bytes) + " bytes");
  }
  return problem(400, "this is not an HTTP/1.1 request: " + error.message());
}

}  // namespace

class Server::Impl : public std::enable_shared_from_this<Server::Impl> {
 public:
  class Connection;

  /// `read_only`: what a command is answered, whoever gives it; empty: see may_command().
  Impl(const asio::any_io_executor& executor, SocketFile file, std::string read_only, Source& source,
       const Limits& limits)
      : acceptor_(executor),
        accept_again_(executor),
        file_(std::move(file)),
        read_only_(std::move(read_only)),
        source_(source),
        limits_(limits) {
    acceptor_.assign(Protocol{}, file_.release_descriptor());
  }

  void accept();
  void stop();
  void forget(const Connection& connection);
  Source& source() { return source_; }
  bool in_place() const { return file_.in_place(); }
  std::size_t streaming() const;

 private:
  void accepted(const error_code& error, Protocol::socket socket);
  void make_room();
  std::string refusal_for(Protocol::socket& peer) const;

  Protocol::acceptor acceptor_;
  asio::steady_timer accept_again_;
  SocketFile file_;
  std::string read_only_;
  Source& source_;
  Limits limits_;
  std::vector<std::shared_ptr<Connection>> connections_;
};

/// One client, one request at a time. It holds the server weakly: once that is gone, nothing is asked of its source.
class Server::Impl::Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// `refusal`: Request's.
  Connection(Protocol::socket socket, std::string refusal, std::weak_ptr<Impl> server, const Limits& limits)
      : socket_(std::move(socket)),
        deadline_(socket_.get_executor()),
        server_(std::move(server)),
        limits_(limits),
        refusal_(std::move(refusal)),
        buffer_(limits.header_bytes + limits.body_bytes) {}

  void start() { read_request(); }

  void close() {
    error_code ignored;
    deadline_.cancel();
    source_of_pieces_.reset();
    socket_.shutdown(Protocol::socket::shutdown_both, ignored);
    socket_.close(ignored);
    if (const auto server = server_.lock()) server->forget(*this);
  }

  /// When it was accepted, or last asked or was answered.
  asio::steady_timer::time_point quiet_since() const { return quiet_since_; }
  /// Its answer comes in pieces, and is not at its end.
  bool streams() const { return streams_; }

 private:
  void expire_after(asio::steady_timer::duration wait) {
    deadline_.expires_after(wait);
    deadline_.async_wait([weak = weak_from_this()](const error_code& error) {
      const auto self = weak.lock();
      if (!error && self && self->deadline_.expiry() <= asio::steady_timer::clock_type::now()) self->close();
    });
  }

  void await_request() {
    quiet_since_ = asio::steady_timer::clock_type::now();
    if (buffer_.size() > 0) return read_request();
    expire_after(limits_.idle);
    socket_.async_wait(Protocol::socket::wait_read, [self = shared_from_this()](const error_code& error) {
      if (!error) self->read_request();
    });
  }

  void read_request() {
    expire_after(limits_.request);
    parser_.emplace();
    parser_->header_limit(limits_.header_bytes);
    parser_->body_limit(limits_.body_bytes);
    http::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](const error_code& error, std::size_t) { self->on_request(error); });
  }

  void on_request(const error_code& error) {
    if (!socket_.is_open()) return;
    if (!error) {
      const auto server = server_.lock();
      if (!server) return;
      const auto& request = parser_->get();
      quiet_since_ = asio::steady_timer::clock_type::now();
      expire_after(limits_.answer);
      return answer({request.method_string(), request.target(), refusal_}, server->source(),
                    [self = shared_from_this(), keep_alive = request.keep_alive()](Answer given) {
                      self->send(std::move(given), keep_alive);
                    });
    }
    const bool gone = error == http::error::end_of_stream || error == http::error::partial_message;
    if (gone || !is_http_error(error)) return close();
    send(refusal(error, limits_), false);
  }

  void send(Answer answer, bool keep_alive) {
    if (!socket_.is_open()) return;  // the source ended the server
    if (answer.pieces) return send_pieces(answer);
    const unsigned version = parser_->get().version() == 10 ? 10 : 11;  // whatever a broken request claims
    response_.emplace(static_cast<http::status>(answer.status), version);
    response_->set(http::field::server, "holdfast");
    response_->set(http::field::cache_control, "no-store");
    response_->set(http::field::content_type, answer.content_type);
    if (!answer.allow.empty()) response_->set(http::field::allow, answer.allow);
    response_->keep_alive(keep_alive);
    response_->content_length(answer.body.size());
    if (parser_->get().method() != http::verb::head) response_->body() = std::move(answer.body);
    http::async_write(socket_, *response_, [self = shared_from_this()](const error_code& error, std::size_t) {
      if (!self->socket_.is_open()) return;
      if (error || self->response_->need_eof()) return self->close();
      self->await_request();
    });
  }

  // ---- an answer in pieces: a chunk each (RFC 9112, 7.1), and the connection ends with it

  void send_pieces(const Answer& answer) {
    const auto server = server_.lock();
    if (!server) return;
    if (parser_->get().version() == 10)
      return send(problem(505, "this answer comes in pieces: ask with HTTP/1.1"), false);
    if (server->streaming() >= limits_.streams)
      return send(problem(503, "too many look at the same time: try again in half a minute"), false);
    streams_ = true;
    deadline_.cancel();
    unsent_ =
        "HTTP/1.1 200 OK\r\nServer: holdfast\r\nCache-Control: no-store\r\nConnection: close\r\n"
        "Transfer-Encoding: chunked\r\nContent-Type: " +
        answer.content_type + "\r\n\r\n";
    flush();
    watch_for_the_end();
    source_of_pieces_ = answer.pieces([weak = weak_from_this()](const std::string& piece) {
      if (const auto self = weak.lock()) self->add(piece);
    });
    if (!source_of_pieces_) add("");
  }

  /// The last one is empty, in HTTP as in Source::examine().
  void add(const std::string& piece) {
    if (!socket_.is_open() || !streams_) return;
    std::array<char, 20> size{};
    const auto end = std::to_chars(size.data(), size.data() + size.size(), piece.size(), 16).ptr;
    unsent_.append(size.data(), end).append("\r\n").append(piece).append("\r\n");
    streams_ = !piece.empty();
    if (unsent_.size() > limits_.unsent_bytes) return close();
    flush();
  }

  void flush() {
    if (sending_.empty() && !unsent_.empty()) {
      sending_.swap(unsent_);
      expire_after(limits_.answer);
      asio::async_write(socket_, asio::buffer(sending_),
                        [self = shared_from_this()](const error_code& error, std::size_t) {
                          self->deadline_.cancel();
                          self->sending_.clear();
                          if (error || (!self->streams_ && self->unsent_.empty())) return self->close();
                          self->flush();
                        });
    }
  }

  /// A client that goes away ends the look, and so does one that says something more.
  void watch_for_the_end() {
    socket_.async_wait(Protocol::socket::wait_read, [self = shared_from_this()](const error_code& error) {
      if (!error) self->close();
    });
  }

  Protocol::socket socket_;
  asio::steady_timer deadline_;
  std::weak_ptr<Impl> server_;
  Limits limits_;
  std::string refusal_;
  asio::steady_timer::time_point quiet_since_ = asio::steady_timer::clock_type::now();
  boost::beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> response_;
  std::shared_ptr<void> source_of_pieces_;
  bool streams_ = false;
  std::string unsent_;  ///< pieces that wait for those in `sending_`
  std::string sending_;
};

void Server::Impl::accept() {
  acceptor_.async_accept([weak = weak_from_this()](const error_code& error, Protocol::socket socket) {
    if (const auto self = weak.lock()) self->accepted(error, std::move(socket));
  });
}

void Server::Impl::accepted(const error_code& error, Protocol::socket socket) {
  if (!acceptor_.is_open()) return;
  if (error) {
    accept_again_.expires_after(accept_pause);
    accept_again_.async_wait([weak = weak_from_this()](const error_code& cancelled) {
      const auto self = weak.lock();
      if (!cancelled && self) self->accept();
    });
    return;
  }
  make_room();
  const std::string refusal = refusal_for(socket);
  connections_.push_back(std::make_shared<Connection>(std::move(socket), refusal, weak_from_this(), limits_));
  connections_.back()->start();
  accept();
}

std::size_t Server::Impl::streaming() const {
  return static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(),
                                                [](const auto& connection) { return connection->streams(); }));
}

/// Who has been quiet longest gives way, but for those that wait for the rest of an answer. An honest client is
/// answered within one turn of the loop, or counts from its request while a reload is read: so clients that stall can't
/// keep it out.
void Server::Impl::make_room() {
  if (connections_.size() < limits_.connections) return;
  const auto quietest =
      std::min_element(connections_.begin(), connections_.end(), [](const auto& left, const auto& right) {
        return std::pair{left->streams(), left->quiet_since()} < std::pair{right->streams(), right->quiet_since()};
      });
  const auto connection = *quietest;  // close() takes it out of the list
  connection->close();
}

std::string Server::Impl::refusal_for(Protocol::socket& peer) const {
  if (!read_only_.empty()) return read_only_;
  return may_command(peer, limits_) ? "" : "only root and the user that holdfast runs as may do this";
}

void Server::Impl::forget(const Connection& connection) {
  std::erase_if(connections_, [&](const auto& known) { return known.get() == &connection; });
}

void Server::Impl::stop() {
  error_code ignored;
  acceptor_.close(ignored);
  accept_again_.cancel();
  for (const auto& connection : std::exchange(connections_, {})) connection->close();
}

Server::Server(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::Server(Server&&) noexcept = default;

Server& Server::operator=(Server&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

bool Server::in_place() const {
  return impl_->in_place();
}

Server::~Server() {
  if (impl_) impl_->stop();
}

tl::expected<Server, std::string> Server::listen(const asio::any_io_executor& executor, const StatusSocketSpec& spec,
                                                 Role role, Source& source, const Limits& limits) {
  auto file = SocketFile::listen(spec, role);
  if (!file) return tl::unexpected{file.error()};
  const std::string control = path_of(spec, Role::control);
  const std::string read_only =
      role == Role::status ? "this socket is read-only: commands go to the control socket, " + control : "";
  auto impl = std::make_shared<Impl>(executor, std::move(*file), read_only, source, limits);
  impl->accept();
  return Server{std::move(impl)};
}

}  // namespace holdfast::status
