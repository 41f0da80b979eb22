#include "preflight/device_faults.hpp"

#include <net/if.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "ssh/local_faults.hpp"

namespace holdfast::preflight {
namespace {

/// What the kernel says to a socket of that address; empty: the device has it.
std::string why_not_ours(const std::string& address) {
  namespace ip = boost::asio::ip;
  boost::system::error_code error;
  const ip::tcp::endpoint end{ip::make_address(address, error), 0};
  if (error) return error.message();
  boost::asio::io_context loop;
  ip::tcp::socket socket{loop};
  socket.open(end.protocol(), error);
  if (!error) socket.bind(end, error);
  return error ? error.message() : "";
}

/// These come and go while the tunnel runs: none of them is hopeless.
std::vector<ssh::LocalFault> what_is_away(const TunnelSpec& spec) {
  std::vector<ssh::LocalFault> faults;
  if (!spec.bind_interface.empty() && ::if_nametoindex(spec.bind_interface.c_str()) == 0) {
    faults.push_back({"bind_interface", 0,
                      "this device has no interface " + spec.bind_interface + " now, and the tunnel waits for it"});
  }
  if (!spec.bind_address.empty()) {
    if (const std::string reason = why_not_ours(spec.bind_address); !reason.empty()) {
      faults.push_back({"bind_address", 0,
                        "this device can't connect from " + spec.bind_address + " now (" + reason +
                            "), and the tunnel waits for it"});
    }
  }
  for (std::size_t item = 0; item < spec.remote_forward.size(); ++item) {
    const auto* target = std::get_if<UnixTarget>(&spec.remote_forward[item].target);
    struct stat info {};
    if (target == nullptr || ::stat(target->path.c_str(), &info) == 0 || errno != ENOENT) continue;
    faults.push_back({"remote_forward", item, "there is no socket " + target->path + " now: visitors are refused"});
  }
  return faults;
}

}  // namespace

std::vector<DeviceFault> device_faults(const config::Loaded& loaded, const config::Files& files) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto unseen = [&](const std::string& file) { return files.readable_file(file) == config::Files::Kind::unseen; };
  std::vector<DeviceFault> found;
  for (const TunnelSpec& spec : loaded.config.tunnels) {
    const auto add = [&](std::vector<ssh::LocalFault> faults) {
      for (ssh::LocalFault& fault : faults) {
        found.push_back({spec.name, loaded.problem_with(spec.name, fault.key, fault.item, std::move(fault.message)),
                         fault.hopeless});
      }
    };
    add(ssh::local_faults(spec, now, unseen));
    add(what_is_away(spec));
  }
  return found;
}

}  // namespace holdfast::preflight
