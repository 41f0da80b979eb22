#pragma once

#include <optional>
#include <string>

#include "support/process.hpp"
#include "support/temp_dir.hpp"

namespace holdfast::test {

/// A system bus of its own, with somebody on it who plays ModemManager (modem_manager.py).
class ModemManager {
 public:
  /// `modems` as JSON, as the script has it; none: nobody is on the bus.
  explicit ModemManager(const std::optional<std::string>& modems);

  /// For DBUS_SYSTEM_BUS_ADDRESS.
  std::string bus() const { return "unix:path=" + (dir_ / "bus"); }

 private:
  TempDir dir_;
  Process daemon_;
  std::optional<Process> manager_;
};

/// True, and has said so, where there is no python-dbusmock or no dbus-daemon.
bool skipped_without_dbusmock();

}  // namespace holdfast::test
