#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>
#include <system_error>

#include "doctor/device.hpp"
#include "doctor/patient.hpp"
#include "net/interfaces.hpp"
#include "net/network_watcher.hpp"

namespace holdfast::doctor {
namespace {

namespace fs = std::filesystem;

/// How much is kept of what a device says of itself.
constexpr std::size_t longest_line = 100;
constexpr std::size_t most_modems = 16;

std::string line_of(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line.substr(0, longest_line);
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator each(folder, error); !error && each != fs::directory_iterator{}; each.increment(error)) {
    found.push_back(each->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// Makers of little but modems, by their USB number: Huawei, ZTE, Quectel, SIMCom, Telit, Sierra, Fibocom, Option,
/// Novatel, Longsung, MeiG, Ericsson, GCT, Pantech, CMOTECH, Wistron, BroadMobi.
bool makes_modems(const std::string& vendor) {
  constexpr std::array<std::string_view, 17> vendors{"12d1", "19d2", "2c7c", "1e0e", "1bc7", "1199",
                                                     "2cb7", "0af0", "1410", "1c9e", "2dee", "0bdb",
                                                     "1076", "106c", "16d8", "1435", "2020"};
  return std::find(vendors.begin(), vendors.end(), vendor) != vendors.end();
}

struct Function {
  std::string kind;  ///< class and subclass: "020e"
  std::vector<std::string> networks;
  bool serial = false;
};

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::path& entry : entries(folder)) names.push_back(entry.filename());
  return names;
}

/// The interfaces of one device, in USB's sense.
std::vector<Function> functions_of(const fs::path& device) {
  std::vector<Function> functions;
  for (const fs::path& entry : entries(device)) {
    if (entry.filename().string().find(':') == std::string::npos) continue;
    Function function{line_of(entry / "bInterfaceClass") + line_of(entry / "bInterfaceSubClass"),
                      names_in(entry / "net")};
    for (const std::string& name : names_in(entry)) function.serial = function.serial || name.starts_with("tty");
    functions.push_back(std::move(function));
  }
  return functions;
}

bool any_is(const std::vector<Function>& functions, std::initializer_list<std::string_view> beginnings) {
  return std::any_of(functions.begin(), functions.end(), [&](const Function& function) {
    return std::any_of(beginnings.begin(), beginnings.end(),
                       [&](std::string_view beginning) { return function.kind.starts_with(beginning); });
  });
}

std::optional<ModemFindings::Device> read_device(const fs::path& folder) {
  const std::string vendor = line_of(folder / "idVendor");
  if (vendor.empty()) return std::nullopt;
  const std::vector<Function> functions = functions_of(folder);
  const bool broadband = any_is(functions, {"020e"});    // MBIM
  const bool phone = any_is(functions, {"06", "ff42"});  // its pictures, its debugger: it charges
  if (!broadband && (!makes_modems(vendor) || phone || functions.empty())) return std::nullopt;
  ModemFindings::Device device;
  device.name = vendor + ":" + line_of(folder / "idProduct");
  for (const char* file : {"manufacturer", "product"}) {
    const std::string words = line_of(folder / file);
    if (!words.empty()) device.name += " " + words;
  }
  for (const Function& function : functions) {
    device.interfaces.insert(device.interfaces.end(), function.networks.begin(), function.networks.end());
    device.serial = device.serial || function.serial;
  }
  device.as_disk = std::all_of(functions.begin(), functions.end(),
                               [](const Function& function) { return function.kind.starts_with("08"); });
  return device;
}

/// Up, of a serial port that made a call.
std::vector<std::string> calls() {
  std::vector<std::string> names;
  const auto interfaces = net::dump_interfaces();
  if (!interfaces) return names;
  for (const LinkFindings::Link& link : interfaces->links()) {
    if (link.kind == "ppp" && link.carrier) names.push_back(link.name);
  }
  return names;
}

}  // namespace

std::vector<ModemFindings::Device> modems_on_usb(const std::string& root) {
  std::vector<ModemFindings::Device> found;
  for (const fs::path& folder : entries(root + "/sys/bus/usb/devices")) {
    auto device = read_device(folder);
    if (device && found.size() < most_modems) found.push_back(std::move(*device));
  }
  return found;
}

Look look_at_modem(const Patient& patient, Then then) {
  const auto look = [root = patient.root]() -> Finding {
    ModemFindings found;
    found.devices = modems_on_usb(root);
    found.calls = calls();
    ask_modem_manager(found);
    return found;
  };
  return beside(patient.executor, look, std::move(then));
}

}  // namespace holdfast::doctor
