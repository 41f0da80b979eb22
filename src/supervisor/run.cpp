#include "supervisor/run.hpp"

#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <iostream>
#include <utility>

#include "config/load.hpp"
#include "holdfast/version.hpp"
#include "log/log.hpp"
#include "service/service.hpp"
#include "status/server.hpp"
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

}  // namespace

int run(const std::string& config_path) {
  log::init();
  auto loaded = config::load(config_path);
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) log::write(LogLevel::error, to_string(problem));
    return 2;
  }
  for (const config::Problem& warning : loaded->warnings) log::write(LogLevel::info, "warning: " + to_string(warning));
  raise_descriptor_limit();

  boost::asio::io_context loop{1};
  const StatusSocketSpec status_socket = loaded->config.status_socket;
  Supervisor* running = nullptr;
  Supervisor supervisor{loop.get_executor(), config_path, std::move(loaded->config),
                        [&] { service::notify_status(summary(running->report())); }, [&] { loop.stop(); }};
  running = &supervisor;

  auto server = status::Server::listen(loop.get_executor(), status_socket, supervisor);
  if (!server) {
    log::write(LogLevel::error, server.error());
    return 1;
  }
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
  service::Watchdog watchdog{loop.get_executor()};

  log::write(LogLevel::info, "holdfast " + std::string{version} + " holds " +
                                 counted(supervisor.report().tunnels.size()) + "; status at " + status_socket.path);
  service::notify_ready();
  supervisor.start();
  loop.run();
  return 0;
}

}  // namespace holdfast::supervisor
