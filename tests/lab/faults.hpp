#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lab/site.hpp"

namespace holdfast::lab {

struct Result {
  std::optional<double> value;  ///< none: not within the limit
  double limit = 0;             ///< in the same unit
  std::string remark{};         ///< what else was seen, e.g. "12 connections, 9012 bytes each"
};

enum class Unit { seconds, bytes_per_hour };

/// How a fault is run.
struct Setting {
  bool full = false;  ///< as long as sshd's defaults need, instead of what one has patience for
  unsigned run = 0;   ///< number of the repetition: shifts the moment of the fault against the keepalives
};

/// Something that happens to a tunnel, on a site made with `options`. `run` does it from the first start to the last
/// look and returns how long it took from the moment at which recovery was physically possible (or as `what` says).
struct Fault {
  std::string name;
  std::string what;
  std::function<Result(Site&, const Setting&)> run;
  SiteOptions options{};
  bool only_full = false;  ///< takes minutes
  bool alone = false;      ///< so short that anything else on the machine would show
  Unit unit = Unit::seconds;
};

/// All of them, in the order of the table.
const std::vector<Fault>& all_faults();

// The ones that tests run with figures of their own. All return seconds; the subject is not started yet.
Result signal_gone(Site& site, const Setting& setting, Duration gone, Duration limit);
Result relay_restarted(Site& site, const Setting& setting, Duration away, Duration limit);
Result relay_rebooted(Site& site, const Setting& setting, Duration away, Duration limit);
Result new_address(Site& site, const Setting& setting, Duration limit);
/// No name server, but there was one when the subject ran before.
Result dns_dead_known(Site& site, const Setting& setting, Duration limit);
/// The device's link is set down, as a modem that lost its network does, and up again.
Result link_down(Site& site, const Setting& setting, Duration down, Duration limit);
/// Another link becomes the default route; the old one keeps its address.
Result new_route(Site& site, const Setting& setting, Duration limit);
Result nat_forgets(Site& site, const Setting& setting, Duration limit);
Result power_cut(Site& site, const Setting& setting, Duration limit);
/// An autossh held the port when the power was cut, and from then on it is `subject` that the device runs.
Result autossh_replaced(Site& site, const Setting& setting, Duration limit);
/// Another living device holds the port, with a `holder` whose target answers, and gives it back after `held`.
Result port_held_by_device(Site& site, const Setting& setting, const SubjectKind& holder, Duration held,
                           Duration limit);
/// Somebody who is no SSH session listens on the port, and stops after `held`.
Result port_held(Site& site, const Setting& setting, Duration held, Duration limit);
Result power_cut_for_good(Site& site, const Setting& setting, Duration limit);
Result relay_frozen(Site& site, const Setting& setting, Duration limit);
Result dns_dead_at_boot(Site& site, const Setting& setting, Duration dead, Duration limit);
Result target_down(Site& site, const Setting& setting, Duration down, Duration limit);
Result suspended(Site& site, const Setting& setting, Duration asleep, Duration limit);
/// A year back, and then the relay's sshd is killed and back at once.
Result clock_set_back(Site& site, const Setting& setting, Duration limit);
Result sigterm(Site& site, const Setting& setting, Duration limit);
/// The longest wait for an echo of 1 KB among those of `duration`, with 5 % loss and up to 200 ms of jitter each way.
Result bad_link(Site& site, const Setting& setting, Duration duration);

}  // namespace holdfast::lab
