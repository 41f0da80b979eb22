#include "supervisor/run.hpp"

#include <sys/inotify.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "config/load.hpp"
#include "holdfast/version.hpp"
#include "log/log.hpp"
#include "net/resolver.hpp"
#include "service/service.hpp"
#include "status/client.hpp"
#include "status/server.hpp"
#include "supervisor/configuration.hpp"
#include "supervisor/supervisor.hpp"

namespace holdfast::supervisor {
namespace {

/// Each forwarded connection takes a descriptor; the soft limit of 1024 is there for programs that use select(2).
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string counted(std::size_t tunnels) {
  return std::to_string(tunnels) + (tunnels == 1 ? " tunnel" : " tunnels");
}

/// The status socket, as soon as it can be had, and again when its file is gone: a full /run, a wrong group or a
/// cleaned-up directory must neither keep the tunnels down nor blind whoever watches them.
class StatusSocket {
 public:
  StatusSocket(boost::asio::io_context& loop, StatusSocketSpec spec, status::Source& source)
      : loop_(loop), spec_(std::move(spec)), source_(source), again_(loop), watch_(loop) {}

  void open() {
    server_.reset();  // and with it the lock
    auto server = status::Server::listen(loop_.get_executor(), spec_, source_);
    if (server) {
      server_.emplace(std::move(*server));
    } else if (server.error() != told_) {
      log::write(LogLevel::error, server.error() + "; trying again, the tunnels go on without");
    }
    told_ = server ? "" : server.error();
    watch();
    look_after(server_ ? between_looks : between_tries);
  }

 private:
  static constexpr std::chrono::seconds between_tries{10};
  /// For what inotify does not tell: a file system that is mounted over it, or that there are too many watches.
  static constexpr std::chrono::seconds between_looks{60};
  static constexpr std::chrono::seconds after_an_event{1};  ///< for they may come one after the other

  /// The kernel tells when the file goes. (IN_DELETE_SELF would only come with the end of our socket, which keeps the
  /// inode: what comes is IN_ATTRIB, for one link less.)
  void watch() {
    boost::system::error_code error;
    watch_.close(error);
    const int descriptor = server_ ? ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1;
    if (descriptor < 0) return;
    watch_.assign(descriptor, error);
    if (error) {
      ::close(descriptor);
      return;
    }
    // The watch is made anew for each event, which saves reading them. If there can be none, the timer has to do.
    ::inotify_add_watch(descriptor, spec_.path.c_str(), IN_ATTRIB | IN_MOVE_SELF);
    watch_.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& failed) {
      if (!failed) look_after(after_an_event);
    });
  }

  void look_after(std::chrono::seconds wait) {
    again_.expires_after(wait);
    again_.async_wait([this](const boost::system::error_code& error) {
      if (!error) look();
    });
  }

  void look() {
    if (server_ && server_->in_place()) {
      watch();
      return look_after(between_looks);
    }
    if (server_) log::write(LogLevel::info, "status socket " + spec_.path + " was removed; making it again");
    open();
  }

  boost::asio::io_context& loop_;
  const StatusSocketSpec spec_;
  status::Source& source_;
  boost::asio::steady_timer again_;
  boost::asio::posix::stream_descriptor watch_;  ///< inotify(7)
  std::optional<status::Server> server_;
  std::string told_;
};

/// Two daemons would take the listeners from each other.
bool another_runs(const StatusSocketSpec& spec) {
  return status::request(spec.path, "GET", "/healthz", std::chrono::seconds{2}).has_value();
}

}  // namespace

int run(const std::string& config_path) {
  log::init();
  net::hasten_lookups();
  auto loaded = load_configuration(config_path);
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) log::write(LogLevel::error, to_string(problem));
    return 2;
  }
  for (const std::string& warning : warnings(*loaded)) log::write(LogLevel::info, "warning: " + warning);
  raise_descriptor_limit();

  boost::asio::io_context loop{1};
  const StatusSocketSpec status_socket = loaded->config.status_socket;
  Supervisor* running = nullptr;
  Supervisor supervisor{loop.get_executor(), config_path, std::move(loaded->config),
                        [&] { service::notify_status(summary(running->report())); }, [&] { loop.stop(); }};
  running = &supervisor;

  if (another_runs(status_socket)) {
    log::write(LogLevel::error, "another holdfast answers on " + status_socket.path +
                                    ": stop it first, or give this one a status_socket of its own");
    return 1;
  }
  StatusSocket socket{loop, status_socket, supervisor};
  socket.open();
  service::Signals signals{loop.get_executor(),
                           {[&] {
                              log::write(LogLevel::info, "stopping");
                              service::notify_stopping();
                              supervisor.stop();
                            },
                            [&] { supervisor.stop_now(); },
                            [&] {
                              service::notify_reloading();
                              supervisor.reload();
                              service::notify_ready();
                            }}};
  service::Watchdog watchdog{loop.get_executor(), [&] { return !supervisor.wants_restart(); }};

  log::write(LogLevel::info, "holdfast " + std::string{version} + " holds " +
                                 counted(supervisor.report().tunnels.size()) + "; status at " + status_socket.path);
  service::notify_ready();
  supervisor.start();
  loop.run();
  return 0;
}

}  // namespace holdfast::supervisor
