#include "doctor/device.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "support/keys.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::doctor;
using namespace holdfast::test;

namespace {

/// Another machine's /sys and /proc.
class Machine {
 public:
  Machine() { has("/proc/self/fd/0", ""); }

  Machine& has(const std::string& path, const std::string& content) {
    const std::string file = root() + path;
    std::filesystem::create_directories(std::filesystem::path{file}.parent_path());
    write_file(file, content);
    return *this;
  }
  std::string root() const { return dir_.path().string(); }
  DeviceFindings look(const TunnelSpec& spec = {}) const {
    return find_out_about_device(root(), root() + "/var/lib/holdfast", spec);
  }

 private:
  TempDir dir_;
};

constexpr const char* flags = "/sys/devices/platform/soc/soc:firmware/get_throttled";

}  // namespace

TEST_CASE("a machine without sensors says nothing of its voltage") {
  const DeviceFindings found = Machine{}.has("/sys/class/hwmon/hwmon0/name", "coretemp\n").look();
  CHECK_FALSE(found.under_voltage);
  CHECK_FALSE(found.under_voltage_before);
}

TEST_CASE("a Raspberry Pi's voltage, by hwmon") {
  Machine machine;
  machine.has("/sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
  machine.has("/sys/class/hwmon/hwmon1/name", "rpi_volt\n");
  machine.has("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
  CHECK(machine.look().under_voltage == false);
  machine.has("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
  CHECK(machine.look().under_voltage == true);
}

TEST_CASE("a Raspberry Pi's voltage, by its firmware: now, and since the boot") {
  Machine machine;
  CHECK(machine.has(flags, "0\n").look().under_voltage == false);
  CHECK(machine.look().under_voltage_before == false);
  CHECK(machine.has(flags, "50000\n").look().under_voltage == false);
  CHECK(machine.look().under_voltage_before == true);
  CHECK(machine.has(flags, "50005\n").look().under_voltage == true);
  CHECK(machine.has(flags, "80008\n").look().under_voltage_before == false);  // it was too warm
}

TEST_CASE("the memory, as /proc has it, and as the service sees it without") {
  Machine machine;
  machine.has("/sys/devices/system/node/node0/meminfo",
              "Node 0 MemTotal:         1000 kB\nNode 0 MemFree:           100 kB\nNode 0 Active(anon):       50 kB\n"
              "Node 0 Active(file):       20 kB\nNode 0 Inactive(file):      3 kB\n");
  CHECK(machine.look().memory_total == 1000 * 1024);
  CHECK(machine.look().memory_available == 123 * 1024);
  machine.has("/proc/meminfo", "MemTotal:        900 kB\nMemFree:          10 kB\nMemAvailable:     40 kB\n");
  CHECK(machine.look().memory_total == 900 * 1024);
  CHECK(machine.look().memory_available == 40 * 1024);
  CHECK(Machine{}.look().memory_total == 0);
}

TEST_CASE("a folder that is not there is nobody's, and one that is has its room") {
  Machine machine;
  CHECK(machine.look().places.empty());
  machine.has("/var/lib/holdfast/addresses", "");
  const DeviceFindings found = machine.look();
  REQUIRE(found.places.size() == 1);
  CHECK(found.places.front().path == machine.root() + "/var/lib/holdfast");
  CHECK(found.places.front().free_bytes > 0);
  CHECK_FALSE(found.places.front().read_only);
}

TEST_CASE("the clock can't be before timesyncd last knew it to be right") {
  Machine machine;
  CHECK_FALSE(machine.look().at_least);
  machine.has("/var/lib/systemd/timesync/clock", "");
  const DeviceFindings found = machine.look();
  REQUIRE(found.at_least);
  CHECK(*found.at_least <= found.clock);
  CHECK(*found.at_least > found.clock - 3600);
  CHECK(find_out_about_device("", "/nowhere", {}).at_least);  // this program was built some time
}

TEST_CASE("descriptors are counted, up to the limit that there is") {
  const DeviceFindings found = find_out_about_device("", "/nowhere", {});
  CHECK(found.descriptors_used >= 3);
  CHECK(found.descriptors_used < 1000);
  CHECK(found.descriptors_limit > found.descriptors_used);
}

TEST_CASE("the certificates that a tunnel logs in with, and their times") {
  TempDir dir;
  const std::string key = dir / "key";
  run_checked({{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key}});
  run_checked(
      {{"ssh-keygen", "-q", "-s", ca_key(), "-I", "test", "-n", "tunnel", "-V", "20200101Z:20260101Z", key + ".pub"}});
  TunnelSpec spec;
  spec.identity_file = {key};
  const DeviceFindings found = find_out_about_device("", "/nowhere", spec);
  REQUIRE(found.certificates.size() == 1);
  CHECK(found.certificates.front().file == key + "-cert.pub");
  CHECK(found.certificates.front().valid_after == 1577836800);
  CHECK(found.certificates.front().valid_before == 1767225600);
}
