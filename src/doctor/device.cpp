#include "doctor/device.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <system_error>

#include "doctor/patient.hpp"
#include "ssh/identity.hpp"

namespace holdfast::doctor {
namespace {

namespace fs = std::filesystem;

/// The first word of a file; none if it can't be read.
std::optional<std::string> word_of(const fs::path& file) {
  std::ifstream in(file);
  std::string word;
  if (!(in >> word)) return std::nullopt;
  return word;
}

/// Empty if the folder is not there.
std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator each(folder, error); !error && each != fs::directory_iterator{}; each.increment(error)) {
    found.push_back(each->path());
  }
  return found;
}

// ---- power --------------------------------------------------------------------------------------------------------

/// A Raspberry Pi's firmware tells the kernel, which tells hwmon when the voltage was too low a moment ago. What else
/// the firmware says stands in a file of its own, in the folder that lies above.
void look_at_power(const std::string& root, DeviceFindings& found) {
  for (const fs::path& monitor : entries(root + "/sys/class/hwmon")) {
    if (word_of(monitor / "name") != "rpi_volt") continue;
    if (const auto alarm = word_of(monitor / "in0_lcrit_alarm")) found.under_voltage = *alarm == "1";
  }
  const auto flags = word_of(root + "/sys/devices/platform/soc/soc:firmware/get_throttled");
  if (!flags) return;
  const unsigned long bits = std::strtoul(flags->c_str(), nullptr, 16);
  found.under_voltage = found.under_voltage.value_or(false) || (bits & 0x1U) != 0;
  found.under_voltage_before = (bits & 0x10000U) != 0;
}

// ---- the clock ----------------------------------------------------------------------------------------------------

std::optional<std::int64_t> written_at(const std::string& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return std::nullopt;
  return info.st_mtim.tv_sec;
}

/// The service may not call adjtimex(2): its sandbox takes all that sets a clock for one thing. systemd-timesyncd says
/// it in a file too.
std::optional<bool> synchronized(const std::string& root) {
  constexpr long most_error = 16'000'000;  // microseconds: from there on the kernel calls it unsynchronised
  timex state{};
  if (::adjtimex(&state) >= 0) return state.maxerror < most_error;
  if (written_at(root + "/run/systemd/timesync/synchronized")) return true;
  return std::nullopt;
}

void look_at_clock(const std::string& root, const TunnelSpec& there, DeviceFindings& found) {
  found.clock =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  found.clock_synchronized = synchronized(root);
  // The program is as old as its file, and timesyncd touches its own as long as the time is right.
  for (const char* file : {"/proc/self/exe", "/var/lib/systemd/timesync/clock"}) {
    const auto time = written_at(root + file);
    if (time && *time > found.at_least.value_or(0)) found.at_least = time;
  }
  constexpr auto latest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  for (const ssh::CertificateFile& certificate : ssh::load_identities(there).certificates) {
    if (!certificate.terms || certificate.terms->for_hosts) continue;
    found.certificates.push_back({certificate.path,
                                  static_cast<std::int64_t>(std::min(certificate.terms->valid_after, latest)),
                                  static_cast<std::int64_t>(std::min(certificate.terms->valid_before, latest))});
  }
}

// ---- room -----------------------------------------------------------------------------------------------------------

/// One that is not there is nobody's: a user's own holdfast keeps its things elsewhere, and not every journal is kept.
void look_at_place(const std::string& path, bool ours, DeviceFindings& found) {
  DeviceFindings::Place place;
  place.path = path;
  struct statvfs state {};
  if (::statvfs(path.c_str(), &state) == 0) {
    place.free_bytes = std::uint64_t{state.f_bavail} * state.f_frsize;
    place.free_files = state.f_files == 0 ? 1 : state.f_favail;
    if (!ours && place.free_bytes == 0 && (state.f_flag & ST_RDONLY) != 0) return;  // an image, always full
    place.read_only = ours && (state.f_flag & ST_RDONLY) != 0;  // the service's sandbox makes the rest read-only
  } else if (errno == ENOENT) {
    return;
  } else {
    place.error = std::generic_category().message(errno);
  }
  found.places.push_back(std::move(place));
}

void look_at_descriptors(const std::string& root, DeviceFindings& found) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  found.descriptors_limit = limit.rlim_cur;
  std::error_code error;
  fs::directory_iterator each(root + "/proc/self/fd", error);
  if (error == std::errc::too_many_files_open) found.descriptors_used = limit.rlim_cur;
  if (error) return;
  found.descriptors_used = static_cast<std::uint64_t>(std::distance(each, fs::directory_iterator{})) - 1;
}

/// "MemAvailable:" -> bytes, of lines like "MemAvailable: 12 kB" and "Node 0 MemFree: 12 kB".
std::map<std::string, std::uint64_t> read_memory(const fs::path& file) {
  std::map<std::string, std::uint64_t> sizes;
  std::ifstream in(file);
  std::string word;
  for (std::string key; in >> word; key = word) {
    if (!key.ends_with(':')) continue;
    sizes[key] += std::strtoull(word.c_str(), nullptr, 10) * 1024;
  }
  return sizes;
}

/// The service does not see /proc/meminfo (ProcSubset=pid). What the kernel says of its nodes is nearly as good: what
/// is free, and what is a copy of a file.
void look_at_memory(const std::string& root, DeviceFindings& found) {
  auto memory = read_memory(root + "/proc/meminfo");
  if (memory.contains("MemAvailable:")) {
    found.memory_total = memory["MemTotal:"];
    found.memory_available = memory["MemAvailable:"];
    return;
  }
  for (const fs::path& node : entries(root + "/sys/devices/system/node")) {
    memory = read_memory(node / "meminfo");
    found.memory_total += memory["MemTotal:"];
    found.memory_available += memory["MemFree:"] + memory["Active(file):"] + memory["Inactive(file):"];
  }
}

}  // namespace

DeviceFindings find_out_about_device(const std::string& root, const std::string& state_folder,
                                     const TunnelSpec& there) {
  DeviceFindings found;
  look_at_power(root, found);
  look_at_clock(root, there, found);
  look_at_place(state_folder, true, found);
  look_at_place(root + "/var/log/journal", false, found);
  look_at_descriptors(root, found);
  look_at_memory(root, found);
  return found;
}

Look look_at_device(const Patient& patient, Then then) {
  const auto relay_clock = patient.running ? patient.running->relay_clock : std::nullopt;
  const auto look = [root = patient.root, folder = patient.state_folder, there = patient.there,
                     relay_clock]() -> Finding {
    DeviceFindings found = find_out_about_device(root, folder, there);
    found.relay_clock = relay_clock;
    return found;
  };
  return beside(patient.executor, look, std::move(then));
}

}  // namespace holdfast::doctor
