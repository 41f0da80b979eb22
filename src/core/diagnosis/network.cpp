#include <algorithm>
#include <optional>

#include "core/diagnosis/judges.hpp"

namespace holdfast::diagnosis {

namespace {

std::string leads(const std::string& interface, const std::string& gateway) {
  return interface + (gateway.empty() ? "" : " by " + gateway);
}

std::string words_of(const RouteFindings::Default& route) {
  return leads(route.interface, route.gateway) + " (" + route.family + ", metric " + std::to_string(route.metric) + ")";
}

std::string family_of(const RouteFindings::Way& way) {
  return way.to.find(':') == std::string::npos ? "IPv4" : "IPv6";
}

/// Judges routes between which nothing decides: the best of a table and a family, among those that packets to the relay
/// take. Two routers on one link are spares.
std::optional<Judgement> judge_ties(const RouteFindings& found) {
  const auto is_used = [&](const RouteFindings::Default& route) {
    if (!found.wanted.empty() && route.interface != found.wanted) return false;
    return found.ways.empty() || std::any_of(found.ways.begin(), found.ways.end(), [&](const auto& way) {
             return way.error.empty() && family_of(way) == route.family;
           });
  };
  for (const RouteFindings::Default& one : found.defaults) {
    if (!is_used(one)) continue;
    const auto beside = [&](const RouteFindings::Default& other) {
      return other.family == one.family && other.table == one.table && is_used(other);
    };
    const auto tied = [&](const RouteFindings::Default& other) {
      return beside(other) && other.metric == one.metric && other.interface != one.interface;
    };
    const bool best = std::none_of(found.defaults.begin(), found.defaults.end(),
                                   [&](const auto& other) { return beside(other) && other.metric < one.metric; });
    const auto other = std::find_if(found.defaults.begin(), found.defaults.end(), tied);
    if (best && other != found.defaults.end())
      return blame(Cause::routes_tied, words_of(one) + " and " + words_of(*other));
  }
  return std::nullopt;
}

bool has_default(const RouteFindings& found, const std::string& family) {
  return std::any_of(found.defaults.begin(), found.defaults.end(),
                     [&](const auto& route) { return route.family == family; });
}

Judgement judge_way(const RouteFindings& found, const RouteFindings::Way& way) {
  if (way.error.empty()) {
    if (!way.source_belongs.empty() && way.source_belongs != way.interface)
      return blame(Cause::wrong_interface,
                   way.to + ": " + way.source + " belongs to " + way.source_belongs + ", and the way leads out of " +
                       leads(way.interface, way.gateway),
                   "Mend bind_address, or have a rule send what comes from it out of its own interface (ip rule add "
                   "from ADDRESS lookup TABLE).");
    return pass(Layer::route, "to " + way.to + ": " + leads(way.interface, way.gateway));
  }
  const std::string measured = way.to + ": " + way.error;
  if (!found.wanted.empty() && !way.freely.empty())
    return blame(Cause::wrong_interface,
                 "no route to " + way.to + " leads out of " + found.wanted + ", but one out of " + way.freely);
  // A rule or a route that forbids it differs from what is simply missing.
  const bool forbidden = std::any_of(found.rules.begin(), found.rules.end(),
                                     [](const std::string& rule) { return rule.ends_with(" unreachable"); });
  const bool missing = way.error == "Network is unreachable" && !forbidden;
  Judgement judgement = blame(Cause::route_prohibited, measured);
  if (missing)
    judgement = blame(has_default(found, family_of(way)) ? Cause::unreachable : Cause::no_default_route, measured);
  if (missing && judgement.cause == Cause::no_default_route && !found.defaults.empty()) {
    judgement = blame(Cause::unreachable, measured,
                      "This device has no " + family_of(way) +
                          ", and the relay's name leads to such an address alone: give "
                          "the relay's name an address of the other family too, or have this network bring " +
                          family_of(way) + ".");
  }
  if (judgement.cause == Cause::unreachable && !found.rules.empty())
    judgement.next_step =
        "Look at `ip rule`, and at the routes of the table that it names (ip route show table TABLE): none leads to "
        "the relay.";
  for (const std::string& rule : found.rules) judgement.evidence.push_back("rule " + rule);
  return judgement;
}

bool is_silent(const NeighbourFindings::Gateway& gateway) {
  const std::string& state = gateway.state;
  return !gateway.answered && (state == "failed" || state == "incomplete" || state.empty());
}

Judgement judge_gateway(const NeighbourFindings::Gateway& gateway) {
  const std::string name = gateway.address + " on " + gateway.interface;
  const std::string at = gateway.link_addresses.empty() ? "" : " at " + gateway.link_addresses.back();
  const std::string& state = gateway.state;
  if (gateway.link_addresses.size() > 1)
    return blame(Cause::gateway_unstable, name + " is now at " + listed(gateway.link_addresses));
  if (gateway.answered || state == "reachable") return pass(Layer::neighbour, name + " answers" + at);
  const bool silent = is_silent(gateway);
  if (silent && gateway.is_relay)
    return {Layer::neighbour, CheckResult::skip, name + " is the relay itself, on this network, and does not answer"};
  if (silent) return blame(Cause::gateway_silent, name + " (" + (state.empty() ? "nobody asks for it" : state) + ")");
  return {Layer::neighbour, CheckResult::skip, name + " is known" + at + ", and said nothing: " + state};
}

}  // namespace

/// One way is enough; the device's own family of addresses may lack the other's routes.
Judgement judge(const RouteFindings& found) {
  std::vector<Judgement> ways;
  for (const RouteFindings::Way& way : found.ways) ways.push_back(judge_way(found, way));
  const auto badness = [](const Judgement& judgement) { return judgement.result == CheckResult::fail ? 1 : 0; };
  std::stable_sort(ways.begin(), ways.end(),
                   [&](const Judgement& one, const Judgement& other) { return badness(one) < badness(other); });
  Judgement judgement;
  if (!ways.empty()) {
    judgement = ways.front();
    for (auto other = ways.begin() + 1; other != ways.end(); ++other) judgement.evidence.push_back(other->measured);
  } else if (found.defaults.empty()) {
    judgement = blame(Cause::no_default_route, "");
  } else {
    judgement = {Layer::route, CheckResult::skip, "the relay's address is not known"};
  }
  for (const RouteFindings::Default& route : found.defaults)
    judgement.evidence.push_back("default route: " + words_of(route));
  if (judgement.result == CheckResult::fail) return judgement;
  if (const auto tie = judge_ties(found)) return worst({*tie, judgement});
  return judgement;
}

std::string next_step_beside(const NeighbourFindings& found, std::string otherwise) {
  const bool absent = std::any_of(found.gateways.begin(), found.gateways.end(),
                                  [](const auto& gateway) { return gateway.is_relay && is_silent(gateway); });
  if (!absent) return otherwise;
  return "By this device's routes the relay is on its own network, and nobody answers there at its address: look "
         "whether it is on, whether the address is its own, and at the netmask (ip route get ADDRESS).";
}

Judgement judge(const NeighbourFindings& found) {
  std::vector<Judgement> all;
  all.reserve(found.gateways.size());
  for (const NeighbourFindings::Gateway& gateway : found.gateways) all.push_back(judge_gateway(gateway));
  if (all.empty())
    return {Layer::neighbour, CheckResult::skip, found.none_needed.empty() ? "no gateway is known" : found.none_needed};
  // One gateway that answers is a way.
  const auto good = std::find_if(all.begin(), all.end(),
                                 [](const Judgement& judgement) { return judgement.result == CheckResult::pass; });
  for (Judgement& judgement : all) {
    if (good != all.end() && judgement.result == CheckResult::fail) judgement.result = CheckResult::warn;
  }
  return worst(std::move(all));
}

}  // namespace holdfast::diagnosis
