#include "support/modem_manager.hpp"

#include <sys/stat.h>

#include <stdexcept>

#include "support/skip.hpp"

namespace holdfast::test {
namespace {

constexpr const char* python = "/usr/bin/python3";  // Debian's, which has Debian's modules

}  // namespace

ModemManager::ModemManager(const std::optional<std::string>& modems)
    : daemon_({.argv = {"dbus-daemon", "--session", "--nofork", "--nopidfile", "--address=" + bus()}}) {
  const auto listens = [&] {
    struct stat info {};
    return ::stat((dir_ / "bus").c_str(), &info) == 0;
  };
  if (!wait_until(listens)) throw std::runtime_error("no bus: " + daemon_.errors());
  if (!modems) return;
  manager_.emplace(
      Command{.argv = {python, MODEM_MANAGER}, .env = {{"DBUS_SYSTEM_BUS_ADDRESS", bus()}}, .input = *modems});
  const auto ready = [&] { return manager_->output().find("ready") != std::string::npos || !manager_->running(); };
  if (!wait_until(ready, 30s) || !manager_->running()) throw std::runtime_error("no manager: " + manager_->errors());
}

bool skipped_without_dbusmock() {
  static const bool there =
      run({{"sh", "-c", std::string{"command -v dbus-daemon && "} + python + " -c 'import dbusmock'"}}).status ==
      success;
  if (!there) skipped("it needs dbus-daemon and python3-dbusmock");
  return !there;
}

}  // namespace holdfast::test
