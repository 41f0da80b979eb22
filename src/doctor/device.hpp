#pragma once

#include <string>

#include "holdfast/config.hpp"
#include "holdfast/findings.hpp"

/// What blocks, for a thread of its own. `root` is empty, or where a test has another machine's /sys and /proc.
namespace holdfast::doctor {

DeviceFindings find_out_about_device(const std::string& root, const std::string& state_folder, const TunnelSpec& there);

/// Modems on USB, and what the kernel makes of them.
std::vector<ModemFindings::Device> modems_on_usb(const std::string& root);
/// What ModemManager has, if it is on the system bus. It is never started for this.
void ask_modem_manager(ModemFindings& found);

}  // namespace holdfast::doctor
