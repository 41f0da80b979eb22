#include "status/server.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "integration/status/running_server.hpp"
#include "status/json.hpp"
#include "support/http_unix.hpp"
#include "support/net.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr status::Limits patient{};

status::Limits impatient() {
  status::Limits limits;
  limits.request = 500ms;
  limits.idle = 150ms;
  return limits;
}

/// Both sockets on paths of their own, and raw clients of the one that answers all.
struct Lab {
  explicit Lab(const status::Limits& limits = patient) : server(source, {status_path, ""}, limits) {}

  Socket connect() const { return Socket::connect_unix(path); }
  HttpResponse ask(const std::string& method, const std::string& target) const {
    return http_request(path, method, target);
  }

  TempDir directory;
  std::string status_path = directory / "status.sock";
  std::string path = control_socket(status_path);
  FakeSource source;
  RunningServer server;
};

std::string request(const std::string& line, const std::string& more = "") {
  return line + " HTTP/1.1\r\nHost: x\r\n" + more + "\r\n";
}

/// A report whose document is more than such a socket takes at once. One long text makes it so, not many tunnels: those
/// take the sanitizers 0.1 s a document.
Report huge_report(const Socket& socket) {
  int taken = 0;
  socklen_t size = sizeof taken;
  REQUIRE(::getsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUF, &taken, &size) == 0);
  Report report = example_report();
  report.last_reload_error = std::string(4 * static_cast<std::size_t>(taken), 'x');
  return report;
}

/// Reads one response with a Content-Length from a connection that stays open.
std::string next_response(Socket& client) {
  std::string head = client.receive_until("\r\n\r\n");
  const std::string field = "Content-Length: ";
  const auto at = head.find(field);
  REQUIRE(at != std::string::npos);
  return head + client.receive_exactly(std::stoul(head.substr(at + field.size())));
}

/// Looks without reading.
bool has_hung_up(const Socket& client) {
  pollfd look{client.fd(), 0, 0};
  return ::poll(&look, 1, 0) == 1 && (look.revents & POLLHUP) != 0;
}

std::string first_line(const std::string& response) {
  return response.substr(0, response.find("\r\n"));
}

/// Not open: nobody, in root's group, is not let in. Root calls.
Socket connect_as_nobody(const std::string& path) {
  // The system call itself changes this thread only, and SO_PEERCRED has the user of connect(2).
  constexpr long unchanged = -1;
  constexpr long nobody = 65534;
  REQUIRE(::syscall(SYS_setresuid, unchanged, nobody, unchanged) == 0);
  Socket client;
  try {
    client = Socket::connect_unix(path);
  } catch (const std::system_error&) {
  }
  REQUIRE(::syscall(SYS_setresuid, unchanged, 0L, unchanged) == 0);
  return client;
}

/// The first line of the answer.
std::string http_over(Socket client, const std::string& method, const std::string& target) {
  REQUIRE(client.is_open());
  client.send(request(method + " " + target));
  return first_line(next_response(client));
}

}  // namespace

TEST_CASE("the status comes over the socket") {
  const Lab lab;
  const HttpResponse response = lab.ask("GET", "/v1/status");
  CHECK(response.status == 200);
  CHECK(response.body == status::to_json(example_report()));
  CHECK(lab.ask("GET", "/healthz").body == "ok\n");
  CHECK(lab.ask("GET", "/readyz").status == 503);
}

TEST_CASE("a reload and a reconnect reach the source, and their refusals the client") {
  Lab lab;
  CHECK(lab.ask("POST", "/v1/reload").status == 200);
  CHECK(lab.source.reloads == 1);
  lab.source.refuse_reload("line 3 is wrong");
  CHECK(lab.ask("POST", "/v1/reload").status == 422);
  CHECK(lab.ask("POST", "/v1/reload").body == "{\"error\":\"line 3 is wrong\"}\n");
  CHECK(lab.ask("POST", "/v1/tunnels/relay/reconnect").status == 202);
  CHECK(lab.ask("POST", "/v1/tunnels/other/reconnect").status == 404);
  CHECK(lab.source.reconnects == 2);
}

TEST_CASE("a connection is kept for the next request") {
  const Lab lab;
  Socket client = lab.connect();
  for (int round = 0; round < 3; ++round) {
    client.send(request("GET /healthz"));
    CHECK(first_line(next_response(client)) == "HTTP/1.1 200 OK");
  }
}

TEST_CASE("pipelined requests are answered in their order") {
  const Lab lab;
  Socket client = lab.connect();
  client.send(request("GET /healthz") + request("GET /readyz") + request("GET /nothing") +
              request("GET /healthz", "Connection: close\r\n"));
  CHECK(first_line(next_response(client)) == "HTTP/1.1 200 OK");
  CHECK(first_line(next_response(client)) == "HTTP/1.1 503 Service Unavailable");
  CHECK(first_line(next_response(client)) == "HTTP/1.1 404 Not Found");
  CHECK(first_line(next_response(client)) == "HTTP/1.1 200 OK");
  CHECK(client.closed_by_peer());
}

TEST_CASE("HEAD has the length of GET's body and no body") {
  const Lab lab;
  Socket client = lab.connect();
  client.send(request("HEAD /v1/status", "Connection: close\r\n"));
  const std::string response = client.receive_all();
  CHECK(response.find("\r\nContent-Length: " + std::to_string(status::to_json(example_report()).size()) + "\r\n") !=
        std::string::npos);
  CHECK(response.ends_with("\r\n\r\n"));
}

TEST_CASE("HTTP/1.0 is answered and closed") {
  const Lab lab;
  Socket client = lab.connect();
  client.send("GET /healthz HTTP/1.0\r\n\r\n");
  const std::string response = client.receive_all();
  CHECK(first_line(response) == "HTTP/1.0 200 OK");
  CHECK(response.ends_with("\r\n\r\nok\n"));
}

TEST_CASE("another method is 405 and names those that there are") {
  const Lab lab;
  const HttpResponse response = lab.ask("DELETE", "/v1/reload");
  CHECK(response.status == 405);
  CHECK(response.head.find("Allow: POST\r\n") != std::string::npos);
  CHECK(lab.ask("BREW", "/healthz").status == 405);
}

TEST_CASE("what is no HTTP is 400, and costs the connection") {
  const Lab lab;
  for (const std::string& garbage :
       {std::string{"garbage\r\n\r\n"}, std::string{"SSH-2.0-OpenSSH_9.2\r\n"}, std::string(64, '\0'),
        std::string{"\x16\x03\x01\x02"} + std::string(200, 'x'), std::string{"GET /healthz HTTP/9.9\r\n\r\n"},
        std::string{"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n"},
        std::string{"POST /v1/reload HTTP/1.1\r\nContent-Length: -1\r\n\r\n"},
        std::string{"POST /v1/reload HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"},
        std::string{"POST /v1/reload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}}) {
    CAPTURE(garbage);
    Socket client = lab.connect();
    client.send(garbage);
    const std::string response = client.receive_all();
    CHECK(first_line(response) == "HTTP/1.1 400 Bad Request");
    CHECK(response.find("{\"error\":\"this is not an HTTP/1.1 request: ") != std::string::npos);
  }
  CHECK(lab.source.reloads == 0);
  CHECK(lab.ask("GET", "/healthz").status == 200);
}

TEST_CASE("a header over the limit is 431") {
  const Lab lab;
  Socket client = lab.connect();
  client.send(request("GET /healthz", "X-Long: " + std::string(patient.header_bytes, 'x') + "\r\n"));
  CHECK(first_line(client.receive_until("\r\n")) == "HTTP/1.1 431 Request Header Fields Too Large");
  CHECK(client.closed_by_peer());

  Socket endless = lab.connect();
  endless.send(std::string(patient.header_bytes + 1000, 'G'));
  CHECK(endless.closed_by_peer());

  Socket just_fits = lab.connect();
  just_fits.send(request("GET /healthz", "X-Long: " + std::string(patient.header_bytes - 100, 'x') + "\r\n"));
  CHECK(first_line(next_response(just_fits)) == "HTTP/1.1 200 OK");
}

TEST_CASE("a body over the limit is 413 and does nothing, announced, chunked or whole") {
  const Lab lab;
  const std::string body(patient.body_bytes + 1, 'x');
  const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
  for (const std::string& oversized :
       {request("POST /v1/reload", length), request("POST /v1/reload", length) + body,
        request("POST /v1/reload", "Transfer-Encoding: chunked\r\n") + "401\r\n" + body + "\r\n0\r\n\r\n"}) {
    Socket client = lab.connect();
    client.send(oversized);
    CHECK(first_line(client.receive_until("\r\n")) == "HTTP/1.1 413 Payload Too Large");
    CHECK(client.closed_by_peer());
  }
  CHECK(lab.source.reloads == 0);

  Socket fits = lab.connect();
  fits.send(request("POST /v1/reload", "Content-Length: 1024\r\n") + std::string(1024, 'x'));
  CHECK(first_line(next_response(fits)) == "HTTP/1.1 200 OK");
}

TEST_CASE("a client that says nothing, or half of a request, is closed at the deadline") {
  const Lab lab{impatient()};
  for (const std::string& said : {std::string{}, std::string{"GET /hea"}, std::string{"GET /healthz HTTP/1.1\r\nHost"},
                                  std::string{"POST /v1/reload HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"}}) {
    CAPTURE(said);
    Socket client = lab.connect();
    client.send(said);
    CHECK(client.closed_by_peer());
  }
  CHECK(lab.source.reloads == 0);
}

TEST_CASE("a client that goes on a byte at a time does not move the deadline") {
  const Lab lab{impatient()};
  Socket client = lab.connect();
  const auto began = std::chrono::steady_clock::now();
  client.send("GET /healthz HTTP/1.1\r\nX: ");
  bool closed = false;
  try {
    while (!closed && std::chrono::steady_clock::now() - began < 10s) {
      client.send("x");
      closed = client.closed_by_peer(20ms);
    }
  } catch (const std::system_error&) {
    closed = true;  // EPIPE
  }
  CHECK(closed);
}

TEST_CASE("a client that keeps its connection and asks no more is closed") {
  const Lab lab{impatient()};
  Socket client = lab.connect();
  client.send(request("GET /healthz"));
  CHECK(first_line(next_response(client)) == "HTTP/1.1 200 OK");
  CHECK(client.closed_by_peer());
}

TEST_CASE("an idle connection lives longer than a request may take") {
  status::Limits limits;
  limits.request = 500ms;
  const Lab lab{limits};
  Socket client = lab.connect();
  client.send(request("GET /healthz"));
  next_response(client);
  CHECK_FALSE(client.closed_by_peer(700ms));
  client.send(request("GET /healthz"));
  CHECK(first_line(next_response(client)) == "HTTP/1.1 200 OK");
}

TEST_CASE("a client that asks and does not read is closed, and meanwhile the others are served") {
  Lab lab{impatient()};
  const Report huge = huge_report(lab.connect());
  lab.source.show(huge);
  Socket deaf = lab.connect();
  deaf.send(request("GET /v1/status"));
  CHECK(wait_until([&] { return lab.source.reports > 0; }));
  CHECK(lab.ask("GET", "/healthz").status == 200);
  CHECK(wait_until([&] { return has_hung_up(deaf); }));
  CHECK(deaf.receive_all().size() < status::to_json(huge).size());
}

TEST_CASE("clients that vanish at any point cost nothing") {
  Lab lab;
  lab.source.show(huge_report(lab.connect()));
  for (const std::string& said : {std::string{}, std::string{"GET /v1/sta"}, request("GET /v1/status"),
                                  request("GET /v1/status") + request("GET /v1/status")}) {
    for (int round = 0; round < 10; ++round) {
      Socket client = lab.connect();
      client.send(said);
    }
  }
  CHECK(lab.ask("GET", "/healthz").status == 200);
}

TEST_CASE("a client that half-closes after its request still gets the answer") {
  const Lab lab;
  Socket client = lab.connect();
  client.send(request("GET /healthz", "Connection: close\r\n"));
  client.finish_sending();
  CHECK(client.receive_all().ends_with("ok\n"));
}

TEST_CASE("a flood of silent connections keeps nobody out, and the oldest of them give way") {
  const Lab lab;
  std::vector<Socket> flood;
  for (int count = 0; count < 200; ++count) flood.push_back(lab.connect());
  CHECK(lab.ask("GET", "/healthz").status == 200);
  // The honest client took the place of one, too.
  for (std::size_t index = 0; index < flood.size() - patient.connections + 1; ++index) {
    CAPTURE(index);
    CHECK(flood[index].closed_by_peer());
  }
  Socket& newest = flood.back();
  newest.send(request("GET /healthz"));
  CHECK(first_line(next_response(newest)) == "HTTP/1.1 200 OK");
}

TEST_CASE("a connection that is in use outlives quiet ones when there are too many") {
  status::Limits limits;
  limits.connections = 2;
  const Lab lab{limits};
  Socket used = lab.connect();
  Socket quiet = lab.connect();
  used.send(request("GET /healthz"));
  next_response(used);
  const Socket third = lab.connect();
  CHECK(quiet.closed_by_peer());
  used.send(request("GET /healthz"));
  CHECK(first_line(next_response(used)) == "HTTP/1.1 200 OK");
}

TEST_CASE("an answer in pieces comes as they do, and its end ends the connection") {
  Lab lab;
  status::Source::Tell tell;
  std::promise<void> asked;
  auto look = std::make_shared<int>();
  const std::weak_ptr<int> looking = look;
  lab.source.on_examine = [&](status::Source::Tell given) {
    tell = std::move(given);
    asked.set_value();
    return std::exchange(look, nullptr);
  };
  Socket client = lab.connect();
  client.send(request("POST /v1/tunnels/relay/doctor"));
  const std::string head = client.receive_until("\r\n\r\n");
  CHECK(first_line(head) == "HTTP/1.1 200 OK");
  CHECK(head.find("application/x-ndjson") != std::string::npos);
  asked.get_future().wait();
  lab.server.in_loop([&] { tell("one\n"); });
  CHECK(client.receive_exactly(9) == "4\r\none\n\r\n");
  CHECK_FALSE(looking.expired());
  lab.server.in_loop([&] { tell("two\n"), tell(""); });
  CHECK(client.receive_all() == "4\r\ntwo\n\r\n0\r\n\r\n");
  CHECK(looking.expired());
}

TEST_CASE("a client that goes away ends the look that it asked for") {
  Lab lab;
  std::promise<void> ended;
  lab.source.on_examine = [&](const status::Source::Tell&) {
    return std::shared_ptr<void>{nullptr, [&](void*) { ended.set_value(); }};
  };
  Socket client = lab.connect();
  client.send(request("POST /v1/tunnels/relay/doctor"));
  client.receive_until("\r\n\r\n");
  client.close();
  CHECK(ended.get_future().wait_for(5s) == std::future_status::ready);
}

TEST_CASE("a client that does not take the pieces loses its connection, and the look ends") {
  status::Limits limits;
  limits.unsent_bytes = 1000;
  Lab lab{limits};
  status::Source::Tell tell;
  std::promise<void> asked;
  std::promise<void> ended;
  lab.source.on_examine = [&](status::Source::Tell given) {
    tell = std::move(given);
    asked.set_value();
    return std::shared_ptr<void>{new int, [&](int* held) {
                                   delete held;
                                   ended.set_value();
                                 }};
  };
  Socket client = lab.connect();
  client.send(request("POST /v1/tunnels/relay/doctor"));
  asked.get_future().wait();
  lab.server.in_loop([&] {
    for (int count = 0; count < 3; ++count) tell(std::string(900, 'x'));
  });
  CHECK(ended.get_future().wait_for(5s) == std::future_status::ready);
}

TEST_CASE("who waits for pieces counts as quiet never, and there are only so many") {
  status::Limits limits;
  limits.connections = 4;
  limits.streams = 1;
  Lab lab{limits};
  status::Source::Tell tell;
  lab.source.on_examine = [&](status::Source::Tell given) {
    tell = std::move(given);
    return std::make_shared<int>();
  };
  Socket stream = lab.connect();
  stream.send(request("POST /v1/tunnels/relay/doctor"));
  stream.receive_until("\r\n\r\n");
  CHECK(lab.ask("POST", "/v1/tunnels/relay/doctor").status == 503);
  std::vector<Socket> silent;
  for (int count = 0; count < 8; ++count) silent.push_back(lab.connect());
  CHECK(lab.ask("GET", "/healthz").status == 200);
  lab.server.in_loop([&] { tell(""); });
  CHECK(stream.receive_all() == "0\r\n\r\n");
}

TEST_CASE("a look is for HTTP/1.1, for a tunnel that there is, and for who may command") {
  Lab lab;
  CHECK(lab.ask("POST", "/v1/tunnels/nobody/doctor").status == 404);
  CHECK(lab.ask("GET", "/v1/tunnels/relay/doctor").status == 405);
  Socket old = lab.connect();
  old.send("POST /v1/tunnels/relay/doctor HTTP/1.0\r\n\r\n");
  CHECK(old.receive_all().find(" 505 ") != std::string::npos);
  CHECK(http_request(lab.status_path, "POST", "/v1/tunnels/relay/doctor").status == 403);
}

TEST_CASE("the end of the server closes its connections, and nothing is asked of the source any more") {
  Lab lab;
  Socket half = lab.connect();
  half.send("GET /v1/status HTTP/1.1\r\n");
  Socket idle = lab.connect();
  idle.send(request("GET /healthz"));
  next_response(idle);
  lab.server.stop();
  CHECK(half.closed_by_peer());
  CHECK(idle.closed_by_peer());
  CHECK(lab.source.reports == 0);
  CHECK_FALSE(std::filesystem::exists(lab.path));
}

TEST_CASE("the status socket shows all, and takes no command from anybody") {
  const Lab lab;
  CHECK(http_request(lab.status_path, "GET", "/v1/status").body == status::to_json(example_report()));
  for (const char* method : {"POST", "PUT", "DELETE"}) {  // of its owner, and where root runs the tests of root
    for (const char* target : {"/v1/reload", "/v1/tunnels/relay/reconnect", "/v1/status"}) {
      const HttpResponse response = http_request(lab.status_path, method, target);
      CHECK(response.status == 403);
      CHECK(response.body ==
            "{\"error\":\"this socket is read-only: commands go to the control socket, " + lab.path + "\"}\n");
    }
  }
  CHECK(lab.source.reloads == 0);
  CHECK(lab.source.reconnects == 0);
}

TEST_CASE("another user of the group may see the status, and can't connect to where commands are taken") {
  if (skipped_without_root()) return;
  const Lab lab;
  std::filesystem::permissions(lab.directory.path(), std::filesystem::perms{0755});
  CHECK(http_over(connect_as_nobody(lab.status_path), "GET", "/healthz") == "HTTP/1.1 200 OK");
  CHECK(http_over(connect_as_nobody(lab.status_path), "POST", "/v1/reload") == "HTTP/1.1 403 Forbidden");
  CHECK_FALSE(connect_as_nobody(lab.path).is_open());

  // Who opens the file by mistake still lets nobody command.
  REQUIRE(::chmod(lab.path.c_str(), 0666) == 0);
  Socket client = connect_as_nobody(lab.path);
  REQUIRE(client.is_open());
  client.send(request("GET /healthz"));
  CHECK(first_line(next_response(client)) == "HTTP/1.1 200 OK");
  for (const char* target : {"/v1/reload", "/v1/tunnels/relay/reconnect"}) {
    client.send(request(std::string{"POST "} + target));
    const std::string response = next_response(client);
    CHECK(first_line(response) == "HTTP/1.1 403 Forbidden");
    CHECK(response.ends_with("{\"error\":\"only root and the user that holdfast runs as may do this\"}\n"));
  }
  CHECK(lab.source.reloads == 0);
  CHECK(lab.source.reconnects == 0);
}

TEST_CASE("without descriptors the server waits instead of spinning, and goes on when there are some") {
  const Lab lab;
  // Made before the limit falls; only the server needs another one.
  const int client_fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Socket client{client_fd};
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = 0;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(static_cast<char*>(address.sun_path), lab.path.data(), lab.path.size());

  const auto cpu_time = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return std::chrono::seconds{usage.ru_utime.tv_sec + usage.ru_stime.tv_sec} +
           std::chrono::microseconds{usage.ru_utime.tv_usec + usage.ru_stime.tv_usec};
  };
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const auto began = cpu_time();
  const int connected = ::connect(client_fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  client.send(request("GET /healthz"));
  const bool unanswered = !client.closed_by_peer(500ms);
  const auto used = cpu_time() - began;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);

  CHECK(connected == 0);
  CHECK(unanswered);
  CHECK(used < 200ms);
  CHECK(first_line(next_response(client)) == "HTTP/1.1 200 OK");
}
