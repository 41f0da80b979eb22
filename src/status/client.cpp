#include "status/client.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <utility>

namespace holdfast::status {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Protocol = asio::local::stream_protocol;
using boost::system::error_code;

constexpr std::uint64_t answer_limit = std::uint64_t{64} << 20U;

/// Who may use the socket, beside root: "a member of group 'adm'", "user 'holdfast'".
std::string who_may(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return "the user that holdfast runs as";  // we may not even see it
  std::array<char, std::size_t{16} * 1024> buffer{};
  if ((found.st_mode & S_IWGRP) != 0) {
    struct group entry {};
    struct group* known = nullptr;
    ::getgrgid_r(found.st_gid, &entry, buffer.data(), buffer.size(), &known);
    return "a member of group " +
           (known == nullptr ? std::to_string(found.st_gid) : "'" + std::string{known->gr_name} + "'");
  }
  struct passwd entry {};
  struct passwd* known = nullptr;
  ::getpwuid_r(found.st_uid, &entry, buffer.data(), buffer.size(), &known);
  return "user " + (known == nullptr ? std::to_string(found.st_uid) : "'" + std::string{known->pw_name} + "'");
}

bool is_other_file(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode);
}

std::string connect_error(const std::string& path, const std::string& look, const error_code& error) {
  namespace errc = boost::system::errc;
  if (is_other_file(path)) return path + " is not a socket: name holdfast's status socket (status_socket.path)";
  if (error == errc::no_such_file_or_directory || error == errc::connection_refused || error == errc::not_a_directory) {
    return "nobody listens on " + path + ": is holdfast running? Look with: " + look;
  }
  if (error == errc::permission_denied) {
    return "permission denied on " + path + ": run this as root, or as " + who_may(path);
  }
  return "can't connect to " + path + ": " + error.message();
}

/// Connect, ask, read; every step ends in `error` and `done`.
class Exchange {
 public:
  Exchange(const std::string& path, const std::string& method, const std::string& target, const std::string& look)
      : path_(path), look_(look) {
    request_.method_string(method);
    request_.target(target);
    request_.version(11);
    request_.set(http::field::host, "holdfast");
    request_.set(http::field::connection, "close");
    request_.prepare_payload();
    parser_.body_limit(answer_limit);
  }

  /// Each line of the answer goes to `line` as it comes.
  void in_lines(std::function<void(const std::string&)> line) { line_ = std::move(line); }

  tl::expected<Response, std::string> run(Duration timeout) {
    socket_.async_connect(Protocol::endpoint{path_}, [this](const error_code& error) { connected(error); });
    context_.run_for(timeout);
    if (!done_ || stalled_) {
      return tl::unexpected{"holdfast does not answer on " + path_ + " within " + to_text(timeout) +
                            ": its process hangs or is stopped; look with: " + look_};
    }
    if (!error_.empty()) return tl::unexpected{error_};
    return Response{parser_.get().result_int(), std::move(parser_.get().body())};
  }

 private:
  void connected(const error_code& error) {
    stalled_ = error == boost::system::errc::resource_unavailable_try_again;  // its backlog is full
    if (error) return end(connect_error(path_, look_, error));
    http::async_write(socket_, request_, [this](const error_code& failure, std::size_t) {
      // A server that refuses at once may have closed already; what it said is still to be read.
      if (failure && failure != boost::system::errc::broken_pipe) return end(broken(failure));
      if (line_) return read_lines();
      http::async_read(socket_, buffer_, parser_,
                       [this](const error_code& broke, std::size_t) { end(broke ? broken(broke) : std::string{}); });
    });
  }

  void read_lines() {
    http::async_read_some(socket_, buffer_, parser_, [this](const error_code& broke, std::size_t) {
      if (broke) return end(broken(broke));
      if (parser_.is_header_done() && parser_.get().result_int() == 200) take_lines(parser_.get().body());
      parser_.is_done() ? end({}) : read_lines();
    });
  }

  void take_lines(std::string& text) {
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
      line_(text.substr(begin, end - begin));
    text.erase(0, begin);
  }

  std::string broken(const error_code& error) const {
    if (error == http::error::end_of_stream || error == boost::system::errc::connection_reset) {
      return "the connection to " + path_ + " was closed before an answer came: did holdfast just stop?";
    }
    return "what answers on " + path_ + " is not holdfast: " + error.message();
  }

  void end(std::string error) {
    error_ = std::move(error);
    done_ = true;
  }

  std::string path_;
  std::string look_;
  asio::io_context context_{1};
  Protocol::socket socket_{context_};
  http::request<http::empty_body> request_;
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  std::function<void(const std::string&)> line_;
  std::string error_;
  bool done_ = false;
  bool stalled_ = false;
};

tl::expected<Response, std::string> exchange(const std::string& socket_path, const std::string& method,
                                             const std::string& target, Duration timeout, const std::string& look,
                                             std::function<void(const std::string&)> line) {
  try {
    Exchange exchange{socket_path, method, target, look};
    exchange.in_lines(std::move(line));
    return exchange.run(timeout);
  } catch (const boost::system::system_error& error) {  // Asio throws for a path that no Unix socket can have
    return tl::unexpected{"can't use " + socket_path + " as a socket's path: " + error.code().message()};
  }
}

}  // namespace

tl::expected<Response, std::string> request(const std::string& socket_path, const std::string& method,
                                            const std::string& target, Duration timeout, const std::string& look) {
  return exchange(socket_path, method, target, timeout, look, {});
}

tl::expected<Response, std::string> stream(const std::string& socket_path, const std::string& target, Duration timeout,
                                           const std::string& look,
                                           const std::function<void(const std::string&)>& line) {
  return exchange(socket_path, "POST", target, timeout, look, line);
}

}  // namespace holdfast::status
