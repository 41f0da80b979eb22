#include <sys/resource.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "doctor/patient.hpp"

namespace holdfast::doctor {
namespace {

DeviceFindings::Place place(const std::string& path) {
  DeviceFindings::Place place;
  place.path = path;
  struct statvfs found {};
  if (::statvfs(path.c_str(), &found) != 0) {
    place.error = std::generic_category().message(errno);
    return place;
  }
  place.free_bytes = std::uint64_t{found.f_bavail} * found.f_frsize;
  place.free_files = found.f_files == 0 ? 1 : found.f_favail;
  place.read_only = (found.f_flag & ST_RDONLY) != 0;
  return place;
}

}  // namespace

Look look_at_device(const Patient& patient, Then then) {
  return beside(
      patient.executor,
      [state_folder = patient.state_folder]() -> Finding {
        DeviceFindings found;
        found.clock =
            std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                .count();
        found.places.push_back(place(state_folder));
        std::ifstream memory("/proc/meminfo");
        std::string key;
        std::string unit;
        for (std::uint64_t kilobytes = 0; memory >> key >> kilobytes; std::getline(memory, unit)) {
          if (key == "MemTotal:") found.memory_total = kilobytes * 1024;
          if (key == "MemAvailable:") found.memory_available = kilobytes * 1024;
        }
        return found;
      },
      std::move(then));
}

}  // namespace holdfast::doctor
