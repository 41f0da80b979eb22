#include <algorithm>

#include "core/diagnosis/judges.hpp"

namespace holdfast::diagnosis {

Judgement judge(const LinkFindings& found) {
  std::vector<std::string> ready;
  const LinkFindings::Link* best = nullptr;  // of those that are not ready
  for (const LinkFindings::Link& link : found.links) {
    if (link.loopback || (!found.wanted.empty() && link.name != found.wanted)) continue;
    if (link.up && link.carrier) ready.push_back(link.name);
    if (best == nullptr || (link.up && !best->up)) best = &link;
  }
  if (!ready.empty()) return pass(Layer::link, listed(ready) + (ready.size() == 1 ? " has" : " have") + " a carrier");
  if (best == nullptr)
    return blame(Cause::link_missing,
                 found.wanted.empty() ? "there is only the loopback" : found.wanted + " is not there");
  if (!best->up) return blame(Cause::link_down, best->name);
  return blame(Cause::no_carrier, best->name);
}

Judgement judge(const AddressFindings& found) {
  std::vector<std::string> good;
  for (const AddressFindings::Address& address : found.addresses) {
    if (!address.link_local && !address.duplicate && !address.tentative)
      good.push_back(address.address + " on " + address.interface);
  }
  if (!good.empty()) return pass(Layer::address, listed(good));
  if (found.addresses.empty()) return blame(Cause::no_address, "");
  return blame(Cause::link_local_only, found.addresses.front().address);
}

Judgement judge(const RouteFindings& found) {
  std::vector<std::string> ways;
  std::vector<std::string> errors;
  for (const RouteFindings::Way& way : found.ways) {
    if (way.error.empty()) {
      ways.push_back("to " + way.to + " from " + way.source);
    } else {
      errors.push_back(way.to + ": " + way.error);
    }
  }
  if (ways.empty()) return blame(Cause::unreachable, listed(errors));
  Judgement judgement = pass(Layer::route, ways.front());
  judgement.evidence = std::move(errors);
  return judgement;
}

Judgement judge(const NeighbourFindings& found) {
  for (const NeighbourFindings::Gateway& gateway : found.gateways) {
    if (!gateway.answered && (gateway.state == "failed" || gateway.state == "incomplete"))
      return blame(Cause::gateway_silent, gateway.address + " on " + gateway.interface);
  }
  return pass(Layer::neighbour, found.gateways.empty() ? "no gateway is needed" : found.gateways.front().address);
}

}  // namespace holdfast::diagnosis
