#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "holdfast/config.hpp"
#include "holdfast/report.hpp"
#include "holdfast/time.hpp"
#include "status/socket_file.hpp"

namespace holdfast::status {

/// What the sockets show and may ask for; the supervisor implements it.
class Source {
 public:
  virtual Report report() const = 0;
  /// Told once, from the loop, maybe at once: nothing, or why the file was refused; then the running configuration is
  /// as it was.
  using Reloaded = std::function<void(const std::optional<std::string>& refusal)>;
  virtual void reload(Reloaded then) = 0;
  using Tell = std::function<void(std::string piece)>;
  /// False: no tunnel of that name.
  virtual bool reconnect(const std::string& tunnel) = 0;
  /// Looks at each layer below a tunnel (findings.hpp). `tell` is called from the loop, never from inside: a line of
  /// findings_json.hpp each, and an empty text at the end. Destroying what is returned ends the look; null: no tunnel
  /// of that name.
  virtual std::shared_ptr<void> examine(const std::string& tunnel, Tell tell) = 0;

 protected:
  ~Source() = default;
};

/// What a client may take: slow, silent and greedy ones lose their own connection and nothing else.
struct Limits {
  std::uint32_t header_bytes = 8 * 1024;
  std::uint32_t body_bytes = 1024;
  Duration request = std::chrono::seconds{5};  ///< from its first byte, or accept, until it is read
  Duration answer = std::chrono::seconds{10};  ///< from then until its answer is sent
  Duration idle = std::chrono::seconds{30};    ///< between two requests of one connection
  std::size_t connections = 32;                ///< for one more, the one that was quiet longest is closed
  std::size_t streams = 4;                     ///< answers in pieces, which count as quiet never; no more than these
  std::size_t unsent_bytes = std::size_t{256} * 1024;  ///< of such an answer, before its client is too slow for it
  bool obey_own_process = false;                       ///< for tests that are server and client at once
};

/// HTTP/1.1 on a Unix socket; the routes and the JSON are in docs/status.md.
class Server {
 public:
  /// Binds and listens. A socket file that nobody listens on is replaced; a live one, or a file that is no socket,
  /// is an error. `source` must outlive the server.
  static tl::expected<Server, std::string> listen(const boost::asio::any_io_executor& executor,
                                                  const StatusSocketSpec& spec, Role role, Source& source,
                                                  const Limits& limits = {});
  /// False: the socket's file was removed or replaced, and nobody gets in any more.
  bool in_place() const;
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  ~Server();  ///< closes all connections and removes the socket file

 private:
  class Impl;
  explicit Server(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace holdfast::status
