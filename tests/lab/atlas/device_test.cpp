#include <doctest/doctest.h>

#include <ctime>
#include <string>
#include <vector>

#include "lab/atlas/atlas.hpp"
#include "support/keys.hpp"
#include "support/modem_manager.hpp"
#include "support/temp_dir.hpp"

/// This machine, its modem, its links and their addresses.
using namespace holdfast::lab;
using namespace std::chrono_literals;
namespace test = holdfast::test;

namespace {

constexpr auto soon = 15s;
#ifdef __SANITIZE_ADDRESS__
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

void shell(Bedside& bedside, const std::string& script) {
  bedside.lab.device().run({"sh", "-e", "-c", script});
}

bool has(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

// ---- what is found -------------------------------------------------------------------------------------------------

/// Only a warning, beside a way that works.
void check_warning(const Seen& seen, const std::string& layer, const std::string& cause) {
  check_answer(seen, cause, soon);
  CHECK(seen.answer == layer);
  CHECK(seen.exit_status == 1);
}

void check_failure(const Seen& seen, const std::string& layer, const std::string& cause) {
  check_answer(seen, cause, soon);
  CHECK(seen.answer == layer);
  CHECK(seen.exit_status == 2);
}

/// What lies above is its consequence.
void check_hides(const Seen& seen, const std::string& lower, const std::string& upper) {
  INFO(seen.text);
  CHECK(seen.layers.at(upper).result != "pass");
  CHECK(seen.layers.at(upper).hidden_by == lower);
}

// ---- modems --------------------------------------------------------------------------------------------------------

struct ModemIs {
  std::string state;
  std::string registration = "1";
  std::string bearers = "";
  std::string more = "";
  std::string ports = R"(["ttyUSB2", 3], ["wwan0", 2])";
};

std::string modem(const ModemIs& is) {
  return R"([{"Modem": {"Manufacturer": "QUECTEL", "Model": "EG25", "State": )" + is.state + is.more +
         R"(, "Ports": [)" + is.ports + R"(]}, "Modem3gpp": {"OperatorName": "Carrier", "RegistrationState": )" +
         is.registration + R"(}, "Bearers": [)" + is.bearers + "]}]";
}

std::string bearer(bool connected, const std::string& more = "") {
  return std::string{R"({"Connected": )"} + (connected ? "true" : "false") +
         R"(, "Properties": {"apn": "internet", "allow-roaming": )" + (more == "home" ? "false" : "true") + "}" +
         (more.empty() || more == "home" ? "" : R"(, "ConnectionError": ["org.example.Error", ")" + more + "\"]") + "}";
}

/// With the link that such a modem would have.
Seen examine_with(const std::string& modems, bool link) {
  Bedside bedside;
  const test::ModemManager manager{modems};
  bedside.env["DBUS_SYSTEM_BUS_ADDRESS"] = manager.bus();
  if (!link) bedside.lab.set_device_link(false);
  return bedside.examine();
}

void check_modem(const ModemIs& is, const std::string& cause, const std::string& next) {
  const Seen seen = examine_with(modem(is), false);
  check_failure(seen, "modem", cause);
  check_hides(seen, "modem", "link");
  check_hides(seen, "modem", "route");
  CHECK(has(seen.layers.at("modem").next_step, next));
}

}  // namespace

// ---- the device ----------------------------------------------------------------------------------------------------

TEST_CASE("a Raspberry Pi's power supply sags") {
  Bedside bedside;
  shell(bedside,
        "mount -t tmpfs none /sys/class; mkdir -p /sys/class/hwmon/hwmon1; cd /sys/class/hwmon/hwmon1; "
        "echo rpi_volt >name; echo 1 >in0_lcrit_alarm");
  const Seen seen = bedside.examine();
  check_warning(seen, "device", "under_voltage");
  CHECK(has(seen.layers.at("device").next_step, "power supply"));
}

TEST_CASE("the clock says 1970") {
  Bedside bedside;
  bedside.subject.set_wall_clock_off(-std::chrono::seconds{std::time(nullptr)});
  bedside.env = bedside.subject.clock_environment();
  const Seen seen = bedside.examine();
  check_warning(seen, "device", "clock_wrong");
  CHECK(has(seen.layers.at("device").measured, "it is 1970-01-01"));
  CHECK(has(seen.layers.at("device").next_step, "Set the clock"));
}

TEST_CASE("a certificate is good from later on than the clock says") {
  Bedside bedside;
  const test::TempDir dir;
  const std::string copy = dir / "key";
  test::write_file(copy + ".pub", test::read_file(bedside.relay.identity() + ".pub"));
  test::run_checked({{"ssh-keygen", "-q", "-s", test::ca_key(), "-I", "test", "-n", "tunnel", "-V",
                      "20990101Z:20991231Z", copy + ".pub"}});
  bedside.subject.settings().more = {"certificate_file: " + copy + "-cert.pub"};
  const Seen seen = bedside.examine();
  check_warning(seen, "device", "clock_wrong");  // the bare key logs in
  CHECK(has(seen.layers.at("device").measured, "is good from 2099-01-01 on"));
}

TEST_CASE("the state folder's disk is full") {
  Bedside bedside;
  test::TempDir state;
  bedside.env["STATE_DIRECTORY"] = state.path();
  shell(bedside, "mount -t tmpfs -o size=64k none " + state.path().string() + "; dd if=/dev/zero of=" + (state / "x") +
                     " bs=1k count=100 2>&1 || true");
  const Seen seen = bedside.examine();
  check_warning(seen, "device", "disk_full");
  CHECK(has(seen.layers.at("device").measured, state.path()));
}

TEST_CASE("the state folder's disk has no inode left") {
  Bedside bedside;
  test::TempDir state;
  bedside.env["STATE_DIRECTORY"] = state.path();
  shell(bedside, "mount -t tmpfs -o nr_inodes=2 none " + state.path().string() + "; touch " + (state / "x"));
  const Seen seen = bedside.examine();
  check_warning(seen, "device", "disk_full");
  CHECK(has(seen.layers.at("device").next_step, "inodes"));
}

TEST_CASE("the state folder's disk takes no writes") {
  Bedside bedside;
  test::TempDir state;
  bedside.env["STATE_DIRECTORY"] = state.path();
  const std::string folder = state.path();
  shell(bedside, "mount --bind " + folder + " " + folder + "; mount -o remount,bind,ro " + folder);
  const Seen seen = bedside.examine();
  check_warning(seen, "device", "disk_read_only");
  CHECK(has(seen.layers.at("device").next_step, "SD card"));
}

TEST_CASE("hardly any memory is left") {
  Bedside bedside;
  test::TempDir dir;
  test::write_file(dir / "meminfo", "MemTotal:  500000 kB\nMemFree:  3000 kB\nMemAvailable:  5000 kB\n");
  shell(bedside, "mount --bind " + (dir / "meminfo") + " /proc/meminfo");
  check_warning(bedside.examine(), "device", "memory_low");
}

// The sanitizers need descriptors of their own to look at an object.
TEST_CASE("no descriptor is left" * doctest::skip(sanitized)) {
  Bedside bedside;
  bedside.before = {"prlimit", "--nofile=14"};
  const Seen seen = bedside.examine();
  check_failure(seen, "device", "local_error");
  CHECK(has(seen.layers.at("device").next_step, "LimitNOFILE"));
}

// ---- the modem -----------------------------------------------------------------------------------------------------

TEST_CASE("a modem on USB has no network interface") {
  Bedside bedside;
  bedside.lab.set_device_link(false);
  shell(bedside,
        "mount -t tmpfs none /sys/bus; mkdir -p /sys/bus/usb/devices/1-1/1-1:1.0; cd /sys/bus/usb/devices/1-1; "
        "echo 2c7c >idVendor; echo 0125 >idProduct; echo Quectel >manufacturer; echo ff >1-1:1.0/bInterfaceClass");
  const Seen seen = bedside.examine();
  check_failure(seen, "modem", "modem_no_interface");
  check_hides(seen, "modem", "link");
  CHECK(has(seen.layers.at("modem").measured, "2c7c:0125 Quectel"));
}

TEST_CASE("a modem on USB shows as a disk") {
  Bedside bedside;
  bedside.lab.set_device_link(false);
  shell(bedside,
        "mount -t tmpfs none /sys/bus; mkdir -p /sys/bus/usb/devices/1-1/1-1:1.0; cd /sys/bus/usb/devices/1-1; "
        "echo 12d1 >idVendor; echo 1f01 >idProduct; echo 08 >1-1:1.0/bInterfaceClass");
  const Seen seen = bedside.examine();
  check_failure(seen, "modem", "modem_no_interface");
  CHECK(has(seen.layers.at("modem").next_step, "usb-modeswitch"));
}

TEST_CASE("the modem sees no SIM") {
  if (test::skipped_without_dbusmock()) return;
  check_modem({.state = "-1", .more = R"(, "StateFailedReason": 2)"}, "sim_missing", "SIM is in its slot");
}

TEST_CASE("the modem failed") {
  if (test::skipped_without_dbusmock()) return;
  check_modem({.state = "-1", .more = R"(, "StateFailedReason": 4)"}, "modem_failed", "--reset");
}

TEST_CASE("the SIM asks for its PIN") {
  if (test::skipped_without_dbusmock()) return;
  check_modem({.state = "2", .more = R"(, "UnlockRequired": 2)"}, "sim_locked", "--pin");
}

TEST_CASE("the SIM asks for its PUK") {
  if (test::skipped_without_dbusmock()) return;
  check_modem({.state = "2", .more = R"(, "UnlockRequired": 4)"}, "sim_locked", "--puk");
}

TEST_CASE("the modem is switched off") {
  if (test::skipped_without_dbusmock()) return;
  check_modem({.state = "3", .registration = "0", .more = R"(, "PowerState": 2)"}, "modem_off", "--enable");
}

TEST_CASE("ModemManager's modem has no network interface") {
  if (test::skipped_without_dbusmock()) return;
  check_modem({.state = "8", .ports = R"(["cdc-wdm0", 6])"}, "modem_no_interface", "usb_modeswitch");
}

TEST_CASE("the modem finds no network") {
  if (test::skipped_without_dbusmock()) return;
  check_modem({.state = "7", .registration = "2"}, "modem_not_registered", "antenna");
}

TEST_CASE("the network refuses the SIM") {
  if (test::skipped_without_dbusmock()) return;
  check_modem({.state = "6", .registration = "3"}, "registration_denied", "Ask the carrier");
}

TEST_CASE("roaming is not permitted") {
  if (test::skipped_without_dbusmock()) return;
  check_modem({.state = "8", .registration = "5", .bearers = bearer(false, "home")}, "bearer_down", "Permit roaming");
}

TEST_CASE("the modem's data connection is down, and the carrier says why") {
  if (test::skipped_without_dbusmock()) return;
  const ModemIs is{.state = "8", .bearers = bearer(false, "unknown APN")};
  check_modem(is, "bearer_down", "APN");
  const Seen seen = examine_with(modem(is), false);
  CHECK(has(seen.layers.at("modem").measured, "APN internet: unknown APN"));
}

TEST_CASE("nobody has asked the modem for a data connection") {
  if (test::skipped_without_dbusmock()) return;
  check_modem({.state = "8"}, "bearer_down", "nmcli");
}

TEST_CASE("the mobile signal is weak") {
  if (test::skipped_without_dbusmock()) return;
  const ModemIs is{.state = "11", .bearers = bearer(true), .more = R"(, "SignalQuality": 5)"};
  check_warning(examine_with(modem(is), true), "modem", "signal_weak");
}

TEST_CASE("a modem that serves, and one without a SIM beside a way that works, are no fault") {
  if (test::skipped_without_dbusmock()) return;
  const ModemIs good{.state = "11", .bearers = bearer(true), .more = R"(, "SignalQuality": 60)"};
  check_answer(examine_with(modem(good), true), "", soon);
  const ModemIs unused{.state = "-1", .more = R"(, "StateFailedReason": 2)", .ports = R"(["wwan9", 2])"};
  const Seen seen = examine_with(modem(unused), true);
  check_answer(seen, "", soon);
  CHECK(has(seen.layers.at("modem").measured, "sees no SIM"));
}

TEST_CASE("ModemManager without a modem is no fault") {
  if (test::skipped_without_dbusmock()) return;
  const Seen seen = examine_with("[]", true);
  check_answer(seen, "", soon);
  CHECK(seen.layers.at("modem").result == "pass");
  CHECK(has(seen.layers.at("modem").measured, "ModemManager sees none"));
}

// ---- the link ------------------------------------------------------------------------------------------------------

TEST_CASE("the cable is unplugged") {
  Bedside bedside;
  bedside.lab.plug_in_cable();
  bedside.lab.set_device_link(false);
  bedside.lab.carrier().ip("link set wire0 down\n");
  const Seen seen = bedside.examine();
  check_failure(seen, "link", "no_carrier");
  CHECK(has(seen.layers.at("link").measured, "eth1 has no carrier"));
}

TEST_CASE("a cable that is unplugged beside a link that works is no fault") {
  Bedside bedside;
  bedside.lab.plug_in_cable();
  bedside.lab.device().ip("route replace default via 10.64.0.1\n");
  bedside.lab.carrier().ip("link set wire0 down\n");
  const Seen seen = bedside.examine();
  CHECK(seen.layers.at("link").result == "pass");
  CHECK(seen.layers.at("link").evidence == std::vector<std::string>{"eth1 has no carrier"});
}

TEST_CASE("the wanted interface is not there") {
  Bedside bedside{{.holdfast = {"bind_interface: wwan7"}}};
  const Seen seen = bedside.examine();
  check_failure(seen, "link", "link_missing");
  CHECK(has(seen.layers.at("link").measured, "wwan7"));
  CHECK(has(seen.layers.at("link").next_step, "bind_interface"));
}

TEST_CASE("the link comes and goes") {
  Bedside bedside;
  bedside.lab.plug_in_cable();
  // More than a few an hour, however long this machine has been up.
  const auto hours = std::stod(test::read_file("/proc/uptime")) / 3600;
  const int losses = 50 + static_cast<int>(5 * hours);
  std::string batch;
  for (int count = 0; count < losses; ++count) batch += "link set wire0 down\nlink set wire0 up\n";
  bedside.lab.carrier().ip(batch);
  const auto carrier = [&] { return has(bedside.lab.device().run({"ip", "link", "show", "dev", "eth1"}), "state UP"); };
  REQUIRE(test::wait_until(carrier));
  check_warning(bedside.examine(), "link", "link_flapping");
}

// ---- the address ---------------------------------------------------------------------------------------------------

TEST_CASE("no interface has an address") {
  Bedside bedside;
  bedside.lab.device().ip("addr flush dev wwan0\n");
  const Seen seen = bedside.examine();
  check_failure(seen, "address", "no_address");
  check_hides(seen, "address", "route");
  CHECK(has(seen.layers.at("address").next_step, "DHCP"));
}

TEST_CASE("only a link-local address is left") {
  Bedside bedside;
  bedside.lab.device().ip("addr flush dev wwan0\naddr add 169.254.7.7/16 dev wwan0\n");
  const Seen seen = bedside.examine();
  check_failure(seen, "address", "link_local_only");
  CHECK(has(seen.layers.at("address").measured, "169.254.7.7 on wwan0"));
}

TEST_CASE("another machine has the same address") {
  Bedside bedside;
  bedside.lab.plug_in_cable();
  bedside.lab.device().sysctl("net/ipv6/conf/eth1/disable_ipv6", "0");
  bedside.lab.carrier().sysctl("net/ipv6/conf/wire0/disable_ipv6", "0");
  bedside.lab.carrier().ip("addr add 2001:db8:65::9/64 dev wire0 nodad\n");
  bedside.lab.device().ip("addr flush dev wwan0\naddr flush dev eth1\naddr add 2001:db8:65::9/64 dev eth1\n");
  const auto failed = [&] {
    return has(bedside.lab.device().run({"ip", "-6", "addr", "show", "dev", "eth1"}), "dadfailed");
  };
  REQUIRE(test::wait_until(failed));
  const Seen seen = bedside.examine();
  check_failure(seen, "address", "address_duplicate");
  CHECK(has(seen.layers.at("address").measured, "2001:db8:65::9 on eth1"));
}

TEST_CASE("another machine has the same IPv4 address") {
  Bedside bedside;
  bedside.lab.plug_in_cable();
  const Host other;
  bedside.lab.carrier().ip("link add link wire0 name other0 type macvlan mode bridge\nlink set other0 netns " +
                           other.network_path() + "\n");
  other.ip("addr add 10.65.0.2/16 dev other0\nlink set other0 up\n");
  const Seen seen = bedside.examine();
  check_answer(seen, "address_duplicate", soon);
  CHECK(seen.answer == "address");
  CHECK(has(seen.layers.at("address").measured, "10.65.0.2 on eth1"));
}

TEST_CASE("the address was given for a time that is over") {
  Bedside bedside;
  bedside.lab.device().ip("addr change 10.64.0.2/16 dev wwan0 valid_lft 3600 preferred_lft 0\n");
  check_warning(bedside.examine(), "address", "address_expired");
}

TEST_CASE("a carrier's NAT is said, and not blamed") {
  Bedside bedside;
  bedside.lab.device().ip("addr add 100.64.0.2/32 dev wwan0\n");
  const Seen seen = bedside.examine();
  check_answer(seen, "", soon);
  CHECK(seen.layers.at("address").cause == "carrier_nat");
}

TEST_CASE("the wanted address is not there") {
  Bedside bedside{{.holdfast = {"bind_address: 10.64.9.9"}}};
  const Seen seen = bedside.examine();
  check_answer(seen, "local_address_unavailable", soon);
  CHECK(seen.answer == "address");
  CHECK(has(seen.layers.at("address").measured, "10.64.9.9"));
}
