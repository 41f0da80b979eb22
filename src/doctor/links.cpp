#include <boost/asio/ip/address.hpp>
#include <ctime>

#include "doctor/arp.hpp"
#include "doctor/patient.hpp"
#include "net/interfaces.hpp"
#include "net/network_watcher.hpp"

namespace holdfast::doctor {
namespace {

constexpr const char* kernel_is_silent = "the kernel does not say (netlink)";

std::optional<std::int64_t> uptime() {
  timespec time{};
  if (::clock_gettime(CLOCK_BOOTTIME, &time) != 0) return std::nullopt;
  return time.tv_sec;
}

/// Writes an address as the kernel writes its own.
std::string written_alike(const std::string& address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address, error);
  return error ? address : parsed.to_string();
}

}  // namespace

Look look_at_links(const Patient& patient, Then then) {
  const auto look = [wanted = patient.there.bind_interface]() -> Finding {
    const auto interfaces = net::dump_interfaces();
    if (!interfaces) return Skipped{kernel_is_silent};
    LinkFindings found;
    found.wanted = wanted;
    found.links = interfaces->links();
    found.uptime = uptime();
    return found;
  };
  return beside(patient.executor, look, std::move(then));
}

Look look_at_addresses(const Patient& patient, Then then) {
  const auto look = [spec = patient.there, silent = patient.silent.has_value()]() -> Finding {
    const auto interfaces = net::dump_interfaces();
    if (!interfaces) return Skipped{kernel_is_silent};
    AddressFindings found;
    found.wanted = written_alike(spec.bind_address);
    found.interface = spec.bind_interface;
    found.addresses = interfaces->addresses();
    if (!silent) find_duplicates(found);
    return found;
  };
  return beside(patient.executor, look, std::move(then));
}

}  // namespace holdfast::doctor
