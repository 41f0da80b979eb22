#include "supervisor/equipment.hpp"

#include <random>
#include <utility>

#include "holdfast/relays.hpp"
#include "log/log.hpp"
#include "supervisor/share.hpp"

namespace holdfast::supervisor {
namespace {

UnitRandom system_random() {
  return [engine = std::mt19937_64{std::random_device{}()}]() mutable {
    return std::uniform_real_distribution<double>{0, 1}(engine);
  };
}

void say(const std::string& line) {
  log::write(LogLevel::info, line);
}

void complain(const std::string& line) {
  log::write(LogLevel::error, line);
}

}  // namespace

Equipment::Equipment(const boost::asio::any_io_executor& executor, std::string only, const Config& config,
                     std::shared_ptr<record::Recorder> recorder)
    : executor_(executor),
      only_(std::move(only)),
      recorder_(std::move(recorder)),
      started_(Clock::now()),
      disk_(std::make_shared<net::Disk>(executor)),
      storage_(std::make_shared<ssh::Storage>(executor, disk_, complain)),
      resolver_(executor, net::AddressCache{state_folder(only_) + "/addresses", say}, say, disk_),
      device_id_(state_folder("") + "/device_id", DeviceTraits::of_this_machine(), std::random_device{}(), say),
      runs_(begin_run(state_folder(only_) + "/runs", files_beside("runs", config, only_), std::random_device{}(), say)),
      jitter_(system_random()) {}

std::unique_ptr<TunnelRunner> Equipment::make_runner(const SharedSpec& spec, const DeviceNames& names,
                                                     std::function<void()> changed) {
  relay::Device device{names.now, runs_.numbers, runs_.kept, started_, names.before};
  Surroundings around{executor_, resolver_, storage_, std::move(device), [this] { return jitter_(); },
                      teller_,   recorder_};
  return std::make_unique<TunnelRunner>(std::move(around), spec, std::move(changed));
}

doctor::Patient Equipment::patient(const TunnelSpec& spec, TunnelReport report) {
  TunnelSpec there = spec;
  for (const RelaySpec& relay : relays_of(spec)) {
    if (relay_name(relay) != report.relay) continue;
    there = at_relay(spec, relay);
    break;
  }
  return {executor_, resolver_, storage_, std::move(there), state_folder(only_), std::move(report)};
}

}  // namespace holdfast::supervisor
