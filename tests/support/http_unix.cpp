#include "support/http_unix.hpp"

#include <cstdlib>
#include <stdexcept>

#include "support/net.hpp"

namespace holdfast::test {

HttpResponse http_request(const std::string& socket_path, const std::string& method, const std::string& target,
                          std::chrono::milliseconds timeout) {
  Socket socket = Socket::connect_unix(socket_path, timeout);
  socket.send(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  const std::string answer = socket.receive_all();
  const std::size_t head_end = answer.find("\r\n\r\n");
  if (answer.rfind("HTTP/1.1 ", 0) != 0 || head_end == std::string::npos) {
    throw std::runtime_error("not an HTTP response: " + answer);
  }
  return {std::atoi(answer.c_str() + 9), answer.substr(0, head_end), answer.substr(head_end + 4)};
}

}  // namespace holdfast::test
