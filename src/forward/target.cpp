#include "forward/target.hpp"

#include <algorithm>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "net/descriptors.hpp"
#include "net/dial/connector.hpp"

namespace holdfast::forward {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;

net::ConnectOptions as_a_visitor() {
  net::ConnectOptions options;
  options.leave_descriptors = net::kept_from_visitors;
  return options;
}

class TargetConnect : public std::enable_shared_from_this<TargetConnect> {
 public:
  TargetConnect(const asio::any_io_executor& executor, std::string name, TargetHandler handler)
      : executor_(executor),
        deadline_(executor),
        unix_socket_(executor),
        name_(std::move(name)),
        handler_(std::move(handler)) {}

  void arm(Duration deadline) {
    deadline_.expires_after(deadline);
    deadline_.async_wait([weak = weak_from_this(), deadline](const error_code& error) {
      const auto self = weak.lock();
      if (self && !error) self->expire(deadline);
    });
  }

  void start_tcp(net::Resolver& resolver, const TcpTarget& target, AddressFamily family) {
    operation_ = resolver.resolve(target.host, target.port, family, [weak = weak_from_this()](auto endpoints) {
      const auto self = weak.lock();
      if (!self) return;
      if (!endpoints) return self->finish(tl::unexpected(std::move(endpoints.error())));
      self->resolving_ = false;
      self->operation_ = net::connect(self->executor_, std::move(*endpoints), as_a_visitor(), [weak](auto socket) {
        const auto still = weak.lock();
        if (!still) return;
        if (!socket) return still->finish(tl::unexpected(std::move(socket.error())));
        still->finish(Socket(std::move(*socket)));
      });
    });
  }

  void start_unix(const UnixTarget& target) {
    resolving_ = false;
    stream_protocol::endpoint endpoint;
    // The kernel's sun_path is short (unix(7)) and Asio throws when a path does not fit.
    if (target.path.size() >= sizeof(sockaddr_un::sun_path)) {
      return asio::post(executor_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->finish_unix(asio::error::name_too_long);
      });
    }
    endpoint.path(target.path);
    error_code full;
    unix_socket_.open(stream_protocol{}, full);
    if (!full && net::is_among_the_last(unix_socket_.native_handle(), net::kept_from_visitors)) {
      full = make_error_code(boost::system::errc::too_many_files_open);
    }
    if (full) {
      return asio::post(executor_, [weak = weak_from_this(), full] {
        if (const auto self = weak.lock()) self->finish_unix(full);
      });
    }
    unix_socket_.async_connect(endpoint, [weak = weak_from_this()](const error_code& error) {
      if (const auto self = weak.lock()) self->finish_unix(error);
    });
  }

 private:
  void finish_unix(const error_code& error) {
    if (!error) return finish(Socket(std::move(unix_socket_)));
    const bool refused = error.value() == ECONNREFUSED || error.value() == ENOENT || error.value() == EAGAIN;
    const Cause cause = refused ? Cause::connection_refused : Cause::local_error;
    finish(tl::unexpected(Failure{cause, "connect to", name_, error.message()}));
  }

  void expire(Duration deadline) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(deadline).count();
    finish(tl::unexpected(Failure{resolving_ ? Cause::resolver_unavailable : Cause::connection_timed_out,
                                  resolving_ ? "resolve" : "connect to", name_,
                                  "no answer within " + std::to_string(seconds) + " s"}));
  }

  void finish(tl::expected<Socket, Failure> result) {
    deadline_.cancel();
    operation_.reset();
    if (const auto handler = std::exchange(handler_, nullptr)) handler(std::move(result));
  }

  asio::any_io_executor executor_;
  asio::steady_timer deadline_;
  stream_protocol::socket unix_socket_;
  std::string name_;
  TargetHandler handler_;
  bool resolving_ = true;
  std::unique_ptr<net::Operation> operation_;
};

class TargetOperation final : public net::Operation {
 public:
  explicit TargetOperation(std::shared_ptr<TargetConnect> connect) : connect_(std::move(connect)) {}

 private:
  std::shared_ptr<TargetConnect> connect_;
};

}  // namespace

std::unique_ptr<net::Operation> connect_target(const asio::any_io_executor& executor, net::Resolver& resolver,
                                               const Target& target, AddressFamily family, Duration deadline,
                                               TargetHandler handler) {
  auto connect = std::make_shared<TargetConnect>(executor, target_name(target), std::move(handler));
  connect->arm(deadline);
  if (const auto* tcp = std::get_if<TcpTarget>(&target)) {
    connect->start_tcp(resolver, *tcp, family);
  } else {
    connect->start_unix(std::get<UnixTarget>(target));
  }
  return std::make_unique<TargetOperation>(std::move(connect));
}

}  // namespace holdfast::forward
