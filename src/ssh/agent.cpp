#include "ssh/agent.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "ssh/agent_messages.hpp"
#include "ssh/wire.hpp"

#ifdef __SANITIZE_ADDRESS__
/// libssh 0.10.6 forgets the list of keys of before when it asks for another one (ssh_agent_get_ident_count): 0.3 KB
/// for each login by an agent. Its frames do not tell more than this.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:ssh_buffer_new";
}
// NOLINTEND(bugprone-reserved-identifier)
#endif

namespace holdfast::ssh {

namespace asio = boost::asio;
using boost::system::error_code;

class AgentRequest::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const asio::any_io_executor& executor, std::string message, Handler handler)
      : message_(std::move(message)), socket_(executor), timer_(executor), handler_(std::move(handler)) {}

  void start(const std::string& path, Duration deadline) {
    timer_.expires_after(deadline);
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->fail("it does not answer");
    });
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
      asio::post(socket_.get_executor(), [self = shared_from_this()] { self->fail("its path is too long"); });
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
    if (error) return fail(error.message());
    asio::async_write(socket_, asio::buffer(message_), [self = shared_from_this()](error_code unsent, std::size_t) {
      if (unsent) return self->fail(unsent.message());
      self->read(4, &Impl::read_rest);
    });
  }

  /// So many bytes more.
  void read(std::size_t size, void (Impl::*then)()) {
    const std::size_t before = answer_.size();
    answer_.resize(before + size);
    asio::async_read(socket_, asio::buffer(answer_.data() + before, size),
                     [self = shared_from_this(), then](error_code unread, std::size_t) {
                       if (unread) return self->fail(unread.message());
                       ((*self).*then)();
                     });
  }

  void read_rest() {
    std::string_view bytes = answer_;
    const auto length = next_integer<std::uint32_t>(bytes).value_or(0);
    if (length == 0) return fail("its answer makes no sense");
    if (length > longest_agent_message - answer_.size()) {
      return fail("its answer has " + std::to_string(length) + " bytes, and " + std::to_string(longest_agent_message) +
                  " are taken at most");
    }
    read(length, &Impl::answered);
  }

  void answered() { finish(std::move(answer_)); }
  void fail(const std::string& problem) { finish(tl::unexpected(problem)); }

  void finish(const Answer& result) {
    if (!handler_) return;
    const auto handler = std::exchange(handler_, nullptr);
    cancel();
    handler(result);
  }

  const std::string message_;
  std::string answer_;
  asio::local::stream_protocol::socket socket_;
  asio::steady_timer timer_;
  Handler handler_;
};

AgentRequest::AgentRequest(const asio::any_io_executor& executor, const std::string& path, std::string message,
                           Duration deadline, Handler handler)
    : impl_(std::make_shared<Impl>(executor, std::move(message), std::move(handler))) {
  impl_->start(path, deadline);
}

AgentRequest::~AgentRequest() {
  impl_->cancel();
}

AgentStandIn::~AgentStandIn() {
  if (ours_ >= 0) ::close(ours_);
}

bool AgentStandIn::answer(ssh_session session, const std::string& messages) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) return false;
  const ssize_t sent = ::send(ends[0], messages.data(), messages.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(messages.size()) || ssh_set_agent_socket(session, ends[1]) != SSH_OK) {
    ::close(ends[0]);
    ::close(ends[1]);
    return false;
  }
  ::shutdown(ends[0], SHUT_WR);
  if (ours_ >= 0) ::close(ours_);
  if (given_ >= 0) ::close(given_);
  ours_ = ends[0];
  given_ = ends[1];
  return true;
}

std::string AgentStandIn::asked() const {
  std::string messages;
  std::array<char, 4096> buffer{};
  ssize_t got = 0;
  while ((got = ::recv(ours_, buffer.data(), buffer.size(), 0)) > 0) {
    messages.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return messages;
}

}  // namespace holdfast::ssh
