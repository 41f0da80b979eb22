#include "supervisor/run.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "config/load.hpp"
#include "holdfast/version.hpp"
#include "holdfast/wall_time.hpp"
#include "log/log.hpp"
#include "net/resolver.hpp"
#include "net/state_file.hpp"
#include "preflight/configuration.hpp"
#include "preflight/device_faults.hpp"
#include "record/recorder.hpp"
#include "record/text.hpp"
#include "service/service.hpp"
#include "ssh/libssh.hpp"
#include "status/client.hpp"
#include "status/kept_socket.hpp"
#include "status/socket_file.hpp"
#include "supervisor/memory.hpp"
#include "supervisor/share.hpp"
#include "supervisor/supervisor.hpp"
#include "worker/worker.hpp"

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

/// "libssh 0.10.6, build 9f..., known faults: endless_write": what a fleet's logs are searched for.
std::string told(const LibsshReport& libssh) {
  std::string text = "libssh " + libssh.release + ", build " + (libssh.build.empty() ? "unknown" : libssh.build);
  for (const std::string& fault : libssh.faults) {
    text += (fault == libssh.faults.front() ? ", known faults: " : ", ") + fault;
  }
  return text;
}

/// Two daemons would take the listeners from each other.
bool another_runs(const std::string& socket) {
  return status::is_held(socket) || status::request(socket, "GET", "/healthz", std::chrono::seconds{2}).has_value();
}

/// A process of one tunnel has its sockets, and what it alone writes, in folders of its own. systemd makes the first.
void make_own_folders(const std::string& only, const std::string& status_socket) {
  for (const std::filesystem::path& folder :
       {std::filesystem::path{status_socket}.parent_path(), std::filesystem::path{state_folder(only)}}) {
    ::mkdir(folder.parent_path().c_str(), 0750);
    if (::mkdir(folder.c_str(), 0750) != 0 && errno != EEXIST)
      log::write(LogLevel::error, "can't make " + folder.string() + ": " + std::generic_category().message(errno));
  }
  // Before the first answer of DNS the relays' addresses are needed here as there.
  const std::string addresses = state_folder(only) + "/addresses";
  const auto of_all = net::read_file(state_folder("") + "/addresses");
  if (of_all && !std::filesystem::exists(addresses)) static_cast<void>(net::replace_file_soon(addresses, *of_all));
}

/// Logs warnings. Nothing if the file can't be used, which is logged too. Where each key stands in the file is not
/// kept: it takes a tenth of a tunnel's memory.
std::optional<config::Loaded> configuration(const std::string& config_path, const std::string& only) {
  auto loaded = load_share(config_path, only, config::files_in_service());
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) log::write(LogLevel::error, to_string(problem));
    return std::nullopt;
  }
  for (const std::string& warning : preflight::warnings(*loaded)) log::write(LogLevel::info, "warning: " + warning);
  // What is wrong with the device may heal while the tunnels are tried: no start fails for it.
  Worker reader{1};
  const auto faults =
      within(reader, std::chrono::seconds{2}, [share = *loaded] { return preflight::device_faults(share); });
  for (const preflight::DeviceFault& fault : faults.value_or(std::vector<preflight::DeviceFault>{})) {
    log::write(LogLevel::info, "warning: " + to_string(fault.problem));
  }
  loaded->places.clear();
  return std::move(*loaded);
}

/// Nothing is recorded where no file is named.
std::shared_ptr<record::Recorder> recorder(const std::string& file) {
  if (file.empty()) return nullptr;
  const std::string made = "by holdfast " + std::string{version} + ", begun " +
                           to_text(std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now())) +
                           ", which is " + record::to_text(Clock::now()) + " by the clock of its steps";
  log::write(LogLevel::info, "recording to " + file);
  return std::make_shared<record::Recorder>(record::new_file(file), file, made,
                                            [](const std::string& text) { log::write(LogLevel::error, text); });
}

int hold(const std::string& config_path, const std::string& only, const std::string& recording) {
  auto loaded = configuration(config_path, only);
  if (!loaded) return EX_CONFIG;
  Config& config = loaded->config;
  log::write(LogLevel::info, told(ssh::report(ssh::running_libssh())));
  raise_descriptor_limit();

  for (const std::string& rival : sockets_of_rivals(config_path, config, only)) {
    if (!another_runs(rival)) continue;
    log::write(LogLevel::error,
               "another holdfast holds what this one is to hold, and has " + rival + ": stop that one first");
    return 1;
  }
  if (!only.empty()) make_own_folders(only, config.status_socket.path);

  boost::asio::io_context loop{1};
  const StatusSocketSpec status_socket = config.status_socket;
  const auto recorder = supervisor::recorder(recording);
  Supervisor* running = nullptr;
  ConfigurationReport report{std::filesystem::absolute(config_path), loaded->digest};
  Supervisor supervisor{
      loop.get_executor(), std::move(report), only,
      std::move(config),   recorder,          [&] { service::notify_status(summary(running->report())); },
      [&] { loop.stop(); }};
  running = &supervisor;

  const auto tell = [](LogLevel level, const std::string& text) { log::write(level, text); };
  status::KeptSocket for_status{loop.get_executor(), status_socket, status::Role::status, supervisor, tell};
  for_status.open();
  status::KeptSocket for_commands{loop.get_executor(), status_socket, status::Role::control, supervisor, tell};
  for_commands.open();
  service::Signals signals{loop.get_executor(),
                           {[&] {
                              log::write(LogLevel::info, "stopping");
                              service::notify_stopping();
                              supervisor.stop();
                            },
                            [&] { supervisor.stop_now(); },
                            [&] {
                              service::notify_reloading();
                              supervisor.reload([](const auto&) { service::notify_ready(); });
                            }}};
  service::Watchdog watchdog{loop.get_executor(), [&] { return !supervisor.wants_restart(); }};

  log::write(LogLevel::info, "holdfast " + std::string{version} + " holds " +
                                 counted(supervisor.report().tunnels.size()) +
                                 (for_status.is_open() ? "; status at " + status_socket.path : ""));
  service::notify_ready();
  supervisor.start();
  loop.run();
  if (recorder) recorder->end("stopped");
  if (!supervisor.flush(std::chrono::seconds{1}) || (recorder && !recorder->flush(std::chrono::seconds{1}))) {
    log::write(LogLevel::error, "the disk does not answer: what was to be kept is not written");
  }
  return 0;
}

}  // namespace

int run(const std::string& config_path, const std::string& only, const std::string& recording) {
  service::hide_memory();
  // Before the first thread:
  share_one_heap();
  net::hasten_lookups();
  log::init();
  int status = 1;
  try {
    status = hold(config_path, only, recording);
  } catch (const std::exception& error) {
    log::write(LogLevel::fatal, std::string{"internal error: "} + error.what());
  }
  constexpr std::chrono::milliseconds patience{200};
  const bool told = log::flush(patience);
  if (!service::flush(patience) || !told || any_worker_runs()) std::_Exit(status);
  return status;
}

}  // namespace holdfast::supervisor
