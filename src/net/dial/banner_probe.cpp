#include "net/dial/banner_probe.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "net/dial/banner.hpp"

namespace holdfast::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// For its banner, before the next endpoint gets its chance.
constexpr std::chrono::seconds patience{3};

class Probe : public std::enable_shared_from_this<Probe> {
 public:
  Probe(const asio::any_io_executor& executor, Endpoints endpoints, ConnectOptions options, std::string subject,
        std::string identification, BannerHandler handler)
      : executor_(executor),
        endpoints_(std::move(endpoints)),
        options_(std::move(options)),
        subject_(std::move(subject)),
        identification_(std::move(identification)),
        handler_(std::move(handler)),
        socket_(executor),
        silence_(executor) {}

  void start() {
    banner_ = {};
    step_ =
        connect(executor_, endpoints_, options_, [weak = weak_from_this()](tl::expected<tcp::socket, Failure> socket) {
          if (const auto self = weak.lock()) self->on_connected(std::move(socket));
        });
  }

 private:
  void on_connected(tl::expected<tcp::socket, Failure> socket) {
    if (!socket) return handler_(tl::unexpected(std::move(socket.error())));
    socket_ = std::move(*socket);
    leave_out(socket_);
    if (!endpoints_.empty()) limit_silence();
    error_code ignored;  // reading tells of it
    socket_.non_blocking(true, ignored);
    socket_.write_some(asio::buffer(identification_), ignored);  // some bytes into an empty queue: it takes them
    read();
  }

  /// The next try, should there be one, is not made there.
  void leave_out(const tcp::socket& socket) {
    error_code error;
    const tcp::endpoint endpoint = socket.remote_endpoint(error);
    address_ = endpoint.address();
    const auto found = std::find(endpoints_.begin(), endpoints_.end(), endpoint);
    if (error || found == endpoints_.end()) return endpoints_.clear();
    const bool raced = static_cast<std::size_t>(found - endpoints_.begin()) < options_.racing;
    if (raced && options_.racing > 1) --options_.racing;
    endpoints_.erase(found);
  }

  void limit_silence() {
    silence_.expires_after(patience);
    silence_.async_wait([weak = weak_from_this()](const error_code& error) {
      const auto self = weak.lock();
      if (self && !error) self->failed({Cause::phase_timed_out, "read the banner of", self->subject_, "silence"});
    });
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [weak = weak_from_this()](const error_code& error, std::size_t count) {
                              const auto self = weak.lock();
                              if (self && error != asio::error::operation_aborted) self->on_read(error, count);
                            });
  }

  void on_read(const error_code& error, std::size_t count) {
    if (error && banner_.is_penalty()) {
      return failed(Failure{Cause::relay_penalty, "read the banner of", subject_,
                            "it said \"" + std::string{Banner::penalty} + "\""});
    }
    if (error) return failed(Failure{Cause::connection_lost, "read the banner of", subject_, error.message()});
    switch (banner_.take({buffer_.data(), count})) {
      case Banner::Found::nothing_yet:
        return read();
      case Banner::Found::banner:
        silence_.cancel();
        return handler_(address_);
      case Banner::Found::none:
        return failed(Failure{Cause::protocol_mismatch, "read the banner of", subject_, "no SSH banner in 4 KiB"});
    }
  }

  void failed(Failure failure) {
    silence_.cancel();
    error_code ignored;
    socket_.close(ignored);
    if (endpoints_.empty()) return handler_(tl::unexpected(std::move(failure)));
    start();
  }

  asio::any_io_executor executor_;
  Endpoints endpoints_;  ///< that are left
  ConnectOptions options_;
  std::string subject_;
  const std::string identification_;
  BannerHandler handler_;
  std::unique_ptr<Operation> step_;
  tcp::socket socket_;
  asio::ip::address address_;  ///< of the socket
  asio::steady_timer silence_;
  std::array<char, 512> buffer_{};
  Banner banner_;
};

class ProbeOperation final : public Operation {
 public:
  explicit ProbeOperation(std::shared_ptr<Probe> probe) : probe_(std::move(probe)) {}

 private:
  std::shared_ptr<Probe> probe_;
};

}  // namespace

std::unique_ptr<Operation> probe_banner(const asio::any_io_executor& executor, Endpoints endpoints,
                                        ConnectOptions options, std::string subject, std::string identification,
                                        BannerHandler handler) {
  auto probe = std::make_shared<Probe>(executor, std::move(endpoints), std::move(options), std::move(subject),
                                       std::move(identification), std::move(handler));
  probe->start();
  return std::make_unique<ProbeOperation>(std::move(probe));
}

}  // namespace holdfast::net
