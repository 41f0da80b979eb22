#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "doctor/device.hpp"
#include "support/modem_manager.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::doctor;
using namespace holdfast::test;

namespace {

/// A machine's USB, a device a port.
class Usb {
 public:
  Usb& device(const std::string& port, const std::string& vendor, const std::string& product) {
    put(port + "/idVendor", vendor);
    put(port + "/idProduct", product);
    return *this;
  }
  /// An interface in USB's sense: its class and subclass ("02", "0e").
  Usb& function(const std::string& port, const std::string& number, const std::string& its_class,
                const std::string& subclass) {
    put(port + "/" + port + ":1." + number + "/bInterfaceClass", its_class);
    put(port + "/" + port + ":1." + number + "/bInterfaceSubClass", subclass);
    return *this;
  }
  Usb& put(const std::string& path, const std::string& line) {
    const std::string file = (dir_ / "sys/bus/usb/devices/") + path;
    std::filesystem::create_directories(std::filesystem::path{file}.parent_path());
    write_file(file, line + "\n");
    return *this;
  }
  std::vector<ModemFindings::Device> modems() const { return modems_on_usb(dir_.path().string()); }

 private:
  TempDir dir_;
};

/// While it lives, the system's bus is that of the test.
class OnBus {
 public:
  explicit OnBus(const std::string& address) { ::setenv("DBUS_SYSTEM_BUS_ADDRESS", address.c_str(), 1); }
  ~OnBus() { ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS"); }
  OnBus(const OnBus&) = delete;
  OnBus& operator=(const OnBus&) = delete;
};

ModemFindings asked(const std::optional<std::string>& modems) {
  const ModemManager manager{modems};
  const OnBus on{manager.bus()};
  ModemFindings found;
  ask_modem_manager(found);
  return found;
}

}  // namespace

// ---- USB
// --------------------------------------------------------------------------------------------------------------

TEST_CASE("what is no modem is none: a hub, a keyboard, a stick, a phone that charges, a serial adapter") {
  Usb usb;
  usb.device("usb1", "1d6b", "0002").function("usb1", "0", "09", "00");
  usb.device("1-1", "046d", "c31c").function("1-1", "0", "03", "01");
  usb.device("1-2", "0781", "5567").function("1-2", "0", "08", "06");
  usb.device("1-3", "12d1", "107e").function("1-3", "0", "06", "01").function("1-3", "1", "08", "06");
  usb.device("1-4", "2341", "0043").function("1-4", "0", "02", "02").function("1-4", "1", "0a", "00");
  CHECK(usb.modems().empty());
  CHECK(modems_on_usb("/nowhere").empty());
}

TEST_CASE("a modem by its maker, with its network interface") {
  Usb usb;
  usb.device("1-1.2", "2c7c", "0125").put("1-1.2/manufacturer", "Quectel").put("1-1.2/product", "EG25-G");
  usb.function("1-1.2", "2", "ff", "00").put("1-1.2/1-1.2:1.2/ttyUSB2/uevent", "");
  usb.function("1-1.2", "4", "ff", "ff");
  auto modems = usb.modems();
  REQUIRE(modems.size() == 1);
  CHECK(modems.front().name == "2c7c:0125 Quectel EG25-G");
  CHECK(modems.front().interfaces.empty());
  CHECK(modems.front().serial);
  CHECK_FALSE(modems.front().as_disk);
  usb.put("1-1.2/1-1.2:1.4/net/wwan0/address", "");
  modems = usb.modems();
  CHECK(modems.front().interfaces == std::vector<std::string>{"wwan0"});
}

TEST_CASE("a modem by its class, whoever made it") {
  Usb usb;
  usb.device("2-1", "413c", "81d7").function("2-1", "0", "02", "0e").function("2-1", "1", "0a", "00");
  REQUIRE(usb.modems().size() == 1);
  CHECK_FALSE(usb.modems().front().serial);
}

TEST_CASE("a modem that shows as a disk is one all the same") {
  Usb usb;
  usb.device("1-1", "12d1", "1f01").function("1-1", "0", "08", "06");
  REQUIRE(usb.modems().size() == 1);
  CHECK(usb.modems().front().as_disk);
}

TEST_CASE("what a device says of itself is bounded") {
  Usb usb;
  usb.device("1-1", "2c7c", "0125").function("1-1", "0", "ff", "ff").put("1-1/product", std::string(5000, 'x'));
  REQUIRE(usb.modems().size() == 1);
  CHECK(usb.modems().front().name.size() < 250);
}

// ---- ModemManager
// -----------------------------------------------------------------------------------------------------

TEST_CASE("without a system bus nothing manages modems, and that is no error") {
  TempDir dir;
  const OnBus on{"unix:path=" + (dir / "nobody")};
  ModemFindings found;
  ask_modem_manager(found);
  CHECK_FALSE(found.managed);
  CHECK(found.manager_error.empty());
}

TEST_CASE("a bus without ModemManager, and one that has no modem") {
  if (skipped_without_dbusmock()) return;
  const ModemFindings nobody = asked(std::nullopt);
  CHECK_FALSE(nobody.managed);
  CHECK(nobody.manager_error.empty());
  const ModemFindings none = asked("[]");
  CHECK(none.managed);
  CHECK(none.modems.empty());
}

TEST_CASE("all that ModemManager says of a modem is read") {
  if (skipped_without_dbusmock()) return;
  const ModemFindings found = asked(R"([{
    "Modem": {"Manufacturer": "QUECTEL", "Model": "EG25", "State": 8, "StateFailedReason": 0, "UnlockRequired": 3,
              "PowerState": 3, "SignalQuality": 61, "Ports": [["ttyUSB2", 3], ["cdc-wdm0", 6], ["wwan0", 2]]},
    "Modem3gpp": {"RegistrationState": 5, "OperatorName": "Carrier"},
    "Bearers": [{"Connected": false, "Interface": "", "ConnectionError": ["org.example.Unknown", "unknown APN"],
                 "Properties": {"apn": "internet", "allow-roaming": false}}]}])");
  CHECK(found.managed);
  REQUIRE(found.modems.size() == 1);
  const ModemFindings::Modem& modem = found.modems.front();
  CHECK(modem.name == "QUECTEL EG25");
  CHECK(modem.state == "registered");
  CHECK(modem.failed_reason == "none");
  CHECK(modem.unlock_required == "sim-pin2");
  CHECK(modem.power == "on");
  CHECK(modem.registration == "roaming");
  CHECK(modem.operator_name == "Carrier");
  CHECK(modem.signal == 61U);
  CHECK(modem.bearer_connected == false);
  CHECK(modem.bearer_error == "unknown APN");
  CHECK(modem.apn == "internet");
  CHECK(modem.roaming_allowed == false);
  CHECK(modem.interfaces == std::vector<std::string>{"wwan0"});
  CHECK(modem.serial);
}

TEST_CASE("of two bearers the one that is connected is told, and its interface") {
  if (skipped_without_dbusmock()) return;
  const ModemFindings found = asked(R"([{
    "Modem": {"Model": "EG25", "State": 11, "Ports": [["wwan0", 2]]},
    "Bearers": [{"Connected": true, "Interface": "wwan0.1", "Properties": {"apn": "good"}},
                {"Connected": false, "Interface": "", "Properties": {"apn": "ims"}}]}])");
  REQUIRE(found.modems.size() == 1);
  const ModemFindings::Modem& modem = found.modems.front();
  CHECK(modem.state == "connected");
  CHECK(modem.bearer_connected == true);
  CHECK(modem.apn == "good");
  CHECK(modem.interfaces == std::vector<std::string>{"wwan0.1"});
  CHECK_FALSE(modem.signal);
  CHECK(modem.registration.empty());
}

TEST_CASE("what is not known keeps its number, and texts are bounded") {
  if (skipped_without_dbusmock()) return;
  const ModemFindings found = asked(R"([{"Modem": {"Model": ")" + std::string(3000, 'x') +
                                    R"(", "State": -1, "StateFailedReason": 77, "UnlockRequired": 99}}])");
  REQUIRE(found.modems.size() == 1);
  CHECK(found.modems.front().state == "failed");
  CHECK(found.modems.front().failed_reason == "77");
  CHECK(found.modems.front().unlock_required == "99");
  CHECK(found.modems.front().name.size() == 200);
}
