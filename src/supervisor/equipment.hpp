#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "doctor/patient.hpp"
#include "holdfast/config.hpp"
#include "net/disk.hpp"
#include "net/resolver.hpp"
#include "record/recorder.hpp"
#include "ssh/storage.hpp"
#include "supervisor/device_id.hpp"
#include "supervisor/runs.hpp"
#include "supervisor/teller.hpp"
#include "supervisor/tunnel_runner.hpp"

namespace holdfast::supervisor {

/// What the tunnels of a process have in common. Outlives their runners and every look at them.
class Equipment {
 public:
  /// `only`: see share.hpp; `config` is that share. `recorder`: null if nothing is recorded.
  Equipment(const boost::asio::any_io_executor& executor, std::string only, const Config& config,
            std::shared_ptr<record::Recorder> recorder);

  /// `changed`: as of TunnelRunner.
  std::unique_ptr<TunnelRunner> make_runner(const SharedSpec& spec, const DeviceNames& names,
                                            std::function<void()> changed);
  /// The tunnel as `report` has it, for a look at its layers.
  doctor::Patient patient(const TunnelSpec& spec, TunnelReport report);

  const boost::asio::any_io_executor& executor() const { return executor_; }
  const std::string& only() const { return only_; }
  const std::shared_ptr<net::Disk>& disk() const { return disk_; }
  net::Resolver& resolver() { return resolver_; }
  const DeviceId& device_id() const { return device_id_; }
  TimePoint started() const { return started_; }

 private:
  boost::asio::any_io_executor executor_;
  const std::string only_;
  const std::shared_ptr<record::Recorder> recorder_;
  const TimePoint started_;
  const std::shared_ptr<net::Disk> disk_;
  const std::shared_ptr<ssh::Storage> storage_;
  net::Resolver resolver_;
  const DeviceId device_id_;
  const Runs runs_;
  UnitRandom jitter_;
  Teller teller_;
};

}  // namespace holdfast::supervisor
