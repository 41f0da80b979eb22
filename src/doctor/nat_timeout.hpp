#pragma once

#include <functional>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/findings.hpp"

/// How long whatever lies between this device and its relay, a carrier's NAT or a firewall, keeps an idle connection.
namespace holdfast::doctor {

struct Silences {
  std::vector<Milliseconds> worth_trying;  ///< the shortest first; one or more
  Milliseconds first{};                    ///< of them: the one that keepalives leave
  Milliseconds patience{};                 ///< after each, for a word of the relay's
};

/// For a tunnel as it would run.
Silences silences_of(const TunnelSpec& there);
/// What all of it takes at the most, but for the way there.
Milliseconds longest_measurement(const Silences& silences);

/// Connects to the relay, is silent, and then says something: what comes back shows that the connection is still known.
/// No login and no key is needed. `there`: the tunnel as it is at one relay. `tell` is called for the name, TCP, the
/// banner and the keepalives; once more for what fails later on. Blocks.
void measure_nat_timeout(TunnelSpec there, Silences silences, const std::function<void(Layer, Finding)>& tell);

}  // namespace holdfast::doctor
