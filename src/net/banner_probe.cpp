#include "net/banner_probe.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <utility>

namespace holdfast::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class Probe : public std::enable_shared_from_this<Probe> {
 public:
  Probe(const asio::any_io_executor& executor, ConnectOptions options, std::string subject, BannerHandler handler)
      : executor_(executor),
        options_(std::move(options)),
        subject_(std::move(subject)),
        handler_(std::move(handler)),
        socket_(executor) {}

  void start(Resolver& resolver, const std::string& host, std::uint16_t port, AddressFamily family) {
    step_ = resolver.resolve(host, port, family, [weak = weak_from_this()](tl::expected<Endpoints, Failure> endpoints) {
      if (const auto self = weak.lock()) self->on_resolved(std::move(endpoints));
    });
  }

 private:
  void on_resolved(tl::expected<Endpoints, Failure> endpoints) {
    if (!endpoints) return handler_(std::move(endpoints.error()));
    step_ = connect(executor_, std::move(*endpoints), options_,
                    [weak = weak_from_this()](tl::expected<tcp::socket, Failure> socket) {
                      if (const auto self = weak.lock()) self->on_connected(std::move(socket));
                    });
  }

  void on_connected(tl::expected<tcp::socket, Failure> socket) {
    if (!socket) return handler_(std::move(socket.error()));
    socket_ = std::move(*socket);
    read();
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [weak = weak_from_this()](const error_code& error, std::size_t count) {
                              const auto self = weak.lock();
                              if (self && error != asio::error::operation_aborted) self->on_read(error, count);
                            });
  }

  void on_read(const error_code& error, std::size_t count) {
    static constexpr std::size_t most = 4096;
    static const std::string penalty = "Not allowed at this time";  // sshd.c, drop_connection
    if (error && text_.starts_with(penalty)) {
      return handler_(Failure{Cause::relay_penalty, "read banner of", subject_, "it said \"" + penalty + "\""});
    }
    if (error) return handler_(Failure{Cause::connection_lost, "read banner of", subject_, error.message()});
    text_.append(buffer_.data(), count);
    if (text_.starts_with("SSH-") || text_.find("\nSSH-") != std::string::npos) return handler_(std::nullopt);
    if (text_.size() > most) {
      return handler_(Failure{Cause::protocol_mismatch, "read banner of", subject_, "no SSH banner in 4 KiB"});
    }
    read();
  }

  asio::any_io_executor executor_;
  ConnectOptions options_;
  std::string subject_;
  BannerHandler handler_;
  std::unique_ptr<Operation> step_;
  tcp::socket socket_;
  std::array<char, 512> buffer_{};
  std::string text_;
};

class ProbeOperation final : public Operation {
 public:
  explicit ProbeOperation(std::shared_ptr<Probe> probe) : probe_(std::move(probe)) {}

 private:
  std::shared_ptr<Probe> probe_;
};

}  // namespace

std::unique_ptr<Operation> probe_banner(const asio::any_io_executor& executor, Resolver& resolver,
                                        const std::string& host, std::uint16_t port, AddressFamily family,
                                        ConnectOptions options, BannerHandler handler) {
  auto probe =
      std::make_shared<Probe>(executor, std::move(options), host + ":" + std::to_string(port), std::move(handler));
  probe->start(resolver, host, port, family);
  return std::make_unique<ProbeOperation>(std::move(probe));
}

}  // namespace holdfast::net
