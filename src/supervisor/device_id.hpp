#pragma once

#include <functional>
#include <string>

#include "holdfast/config.hpp"

namespace holdfast::supervisor {

/// What there is to name a device by. Each may be empty.
struct DeviceTraits {
  std::string host_name;
  std::string board_serial;  ///< of a Raspberry Pi and the like: the same whatever card it boots, and no other's
  std::string machine_id;    ///< machine-id(5), which is not to be shown to others

  static DeviceTraits of_this_machine();
};

/// What a tunnel's leases call this device.
struct DeviceNames {
  std::string now;
  std::string before;  ///< until now, if the name could not be kept then: empty unless this run is the first that does
};

/// The name of this device in its leases on a relay. It outlives reboots, new host names and new machine ids, or the
/// listener that a power cut left behind could not be told from somebody else's. Letters, digits, dots, dashes and
/// underscores, at most 64.
class DeviceId {
 public:
  /// Takes the name that the file keeps, if it was made on this board; else a new one, which the file keeps from now
  /// on. A new name is the host's and eight hexadecimal digits, of board_serial and machine_id or, where there is
  /// neither, of `random`. `say` is told why a file can't be used.
  DeviceId(const std::string& file, const DeviceTraits& traits, std::uint32_t random,
           const std::function<void(const std::string&)>& say);

  /// The tunnel's device_id; else the kept name; else, where no file can be kept, one by the key that logs in. Not for
  /// the loop: it waits for the disk to read that key, one second at most.
  DeviceNames of(const TunnelSpec& spec) const;

 private:
  std::string name_;
  bool kept_ = false;
  bool kept_before_ = false;
};

}  // namespace holdfast::supervisor
