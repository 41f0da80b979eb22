#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "holdfast/data_usage.hpp"
#include "holdfast/lifetime.hpp"
#include "holdfast/report.hpp"
#include "net/delay.hpp"
#include "net/disk.hpp"
#include "supervisor/slot.hpp"
#include "supervisor/usage_book.hpp"

namespace holdfast::supervisor {

/// Enters in the book what the tunnels cost, from time to time and when a runner of theirs goes.
class DataCounts {
 public:
  /// `slots` outlive it.
  DataCounts(const boost::asio::any_io_executor& executor, std::shared_ptr<net::Disk> disk, UsageBook book,
             const std::vector<Slot>& slots);

  /// From now on it counts every ten minutes.
  void start();
  /// The last count: it is saved at once.
  void close();
  /// Forgets the slot's runners that stopped; what they cost is counted first.
  void forget_stopped(Slot& slot);
  /// The slot goes.
  void forget(const Slot& slot) { meters_.erase(slot.name()); }
  /// Another runner serves: what an idle hour costs is found anew.
  void begin_anew(const Slot& slot) { meters_[slot.name()].idle = {}; }
  DataReport report(const Slot& slot) const;

 private:
  struct Meter {
    std::uint64_t counted = 0;  ///< of the runners' bytes, those that are in the book
    IdleCost idle{};
  };

  void count(const Slot& slot);
  void save(bool at_once);

  const std::shared_ptr<net::Disk> disk_;
  const std::vector<Slot>& slots_;
  UsageBook book_;
  std::map<std::string, Meter> meters_;  ///< by the tunnel's name
  net::Delay timer_;
  Lifetime lifetime_;
};

}  // namespace holdfast::supervisor
