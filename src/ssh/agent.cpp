#include <utility>
//
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "ssh/agent.hpp"

namespace holdfast::ssh {

namespace asio = boost::asio;
using boost::system::error_code;

class AgentQuery::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const asio::any_io_executor& executor, Handler handler)
      : socket_(executor), timer_(executor), handler_(std::move(handler)) {}

  void start(const std::string& path, Duration deadline) {
    timer_.expires_after(deadline);
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->finish("it does not answer");
    });
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
      asio::post(socket_.get_executor(), [self = shared_from_this()] { self->finish("its path is too long"); });
      return;
    }
    socket_.async_connect(path, [self = shared_from_this()](error_code error) { self->connected(error); });
  }

  void cancel() {
    handler_ = nullptr;
    timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  void connected(error_code error) {
    if (error) return finish(error.message());
    asio::async_write(socket_, asio::buffer(request), [self = shared_from_this()](error_code failed, std::size_t) {
      if (failed) return self->finish(failed.message());
      asio::async_read(self->socket_, asio::buffer(self->reply_),
                       [self](error_code unread, std::size_t) { self->answered(unread); });
    });
  }

  /// Length, type and the number of keys are all that is looked at.
  void answered(error_code error) {
    if (error) return finish(error.message());
    constexpr unsigned char identities_answer = 12;
    if (reply_[4] != identities_answer) return finish("it refuses to list its keys");
    const bool empty = reply_[5] == 0 && reply_[6] == 0 && reply_[7] == 0 && reply_[8] == 0;
    finish(empty ? "it holds no key" : "");
  }

  void finish(const std::string& problem) {
    if (!handler_) return;
    const auto handler = std::exchange(handler_, nullptr);
    cancel();
    handler(problem);
  }

  static constexpr std::array<unsigned char, 5> request{0, 0, 0, 1, 11};
  std::array<unsigned char, 9> reply_{};
  asio::local::stream_protocol::socket socket_;
  asio::steady_timer timer_;
  Handler handler_;
};

AgentQuery::AgentQuery(const asio::any_io_executor& executor, const std::string& path, Duration deadline,
                       Handler handler)
    : impl_(std::make_shared<Impl>(executor, std::move(handler))) {
  impl_->start(path, deadline);
}

AgentQuery::~AgentQuery() {
  impl_->cancel();
}

}  // namespace holdfast::ssh
