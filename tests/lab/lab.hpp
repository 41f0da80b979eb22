#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "lab/host.hpp"
#include "lab/link_control.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

namespace holdfast::lab {

/// Three machines, device - carrier - relay; README.md draws them. The carrier translates addresses and drops what it
/// does not know, silently, as carriers do.
class Lab {
 public:
  static constexpr const char* relay_address = "198.51.100.2";
  static constexpr const char* relay_address_v6 = "fd00:5151::2";
  static constexpr const char* relay_name = "relay.lab";  ///< in the device's /etc/hosts until forget_relay_name()
  static constexpr const char* resolver_address = "10.64.0.1";  ///< the carrier; the device's resolv.conf names it
  static constexpr std::uint16_t ssh_port = 22;

  /// Why there can be no lab here (not root, no /dev/net/tun, no nft, ...); nothing if there can.
  static std::optional<std::string> unavailable();

  explicit Lab(std::uint64_t seed = 1);

  const Host& device() const { return *device_; }
  const Host& carrier() const { return carrier_; }
  const Host& relay() const { return *relay_; }

  /// Half of the round trip each way; everything else unlimited.
  void set_rtt(Duration rtt) { set_link({.delay = rtt / 2}); }
  void set_link(const LinkSettings& both);
  void set_link(const LinkSettings& up, const LinkSettings& down);
  void blackhole(bool on) { blackhole(on, on); }
  void blackhole(bool up, bool down);
  LinkStats stats();
  /// Bytes that crossed the link both ways, as a SIM would be charged: what the device sent and what it received.
  std::uint64_t bytes();

  /// Packets above 1400 bytes vanish at the carrier, to the relay (`up`) or to the device, and nobody says so.
  void lose_large_packets(bool up, bool down);
  /// relay_name has an IPv6 address only, from now on.
  void go_ipv6();

  /// The carrier forgets every flow. Packets of a connection it does not know any more are dropped.
  void forget_nat();
  /// The device's address becomes the next of its network; connections from the old one are left to die.
  void new_device_address();
  /// The device's link as `ip link set` does it; its default route goes with it and comes back with it.
  void set_device_link(bool up);
  /// A cable to another network of the carrier's becomes the device's default route; wwan0 keeps its address. What
  /// leaves by the cable from that address is dropped, as an access network does (BCP 38).
  void plug_in_cable();

  /// The device's machine is gone as in a power cut, with nothing sent by its kernel, and a fresh one is in its place,
  /// under a new address. Kill or forget what ran on the old one *after* this call.
  void cut_device_power();
  /// The relay's machine is gone likewise. A fresh one, with another boot id, waits for plug_relay_in().
  void cut_relay_power();
  void plug_relay_in();

  void forget_relay_name();        ///< the device's /etc/hosts no longer knows relay_name
  std::string relay_home() const;  ///< of the account `tunnel`; survives cut_relay_power()
  void set_relay_shell(const std::string& shell);

 private:
  std::string device_etc(const std::string& file) const { return dir_ / "device-etc/" + file; }
  std::string relay_etc(const std::string& file) const { return dir_ / "relay-etc/" + file; }
  std::unique_ptr<Host> new_device();
  std::unique_ptr<Host> new_relay();
  void address_device();
  std::string command(const std::string& line);
  void configure(const char* direction, const LinkSettings& settings);

  test::TempDir dir_;
  std::unique_ptr<Host> device_;
  Host carrier_;
  std::unique_ptr<Host> relay_;
  std::optional<test::Process> link_;
  LinkSettings up_;
  LinkSettings down_;
  unsigned device_number_ = 2;
  unsigned relay_boots_ = 0;
};

}  // namespace holdfast::lab
