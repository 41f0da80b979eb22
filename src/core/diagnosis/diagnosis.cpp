#include "holdfast/diagnosis.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "core/diagnosis/judges.hpp"
#include "holdfast/enumerators.hpp"

namespace holdfast {

namespace {

/// Where a look at this layer passes, its packets have crossed all the layers below.
bool carries(Layer layer) {
  return layer == Layer::neighbour || (layer >= Layer::path && hides(layer, Layer::proof));
}

/// A gateway that answers shows nothing of the way behind it, a handful of small packets nothing of large ones, and a
/// connection nothing of whom it leads to.
bool shows_otherwise(Layer passed, const Judgement& judgement, bool key_was_known) {
  if (passed == Layer::neighbour)
    return judgement.layer < Layer::route && judgement.cause != Cause::local_address_unavailable;
  if (judgement.cause == Cause::path_mtu) return passed >= Layer::key_exchange;
  if (judgement.cause == Cause::nameserver_lies)
    return passed >= (key_was_known ? Layer::host_key : Layer::authentication);
  return !nobody_holds(judgement);
}

/// That nobody is meant to hold the tunnel is worth a look where nothing else is.
Judgement* lowest(std::vector<Judgement>& judgements, CheckResult result) {
  const auto is_it = [&](const Judgement& judgement) { return judgement.result == result && !judgement.hidden_by; };
  auto found = std::find_if(judgements.begin(), judgements.end(), [&](const Judgement& judgement) {
    return is_it(judgement) && judgement.cause != Cause::not_started;
  });
  if (found == judgements.end()) found = std::find_if(judgements.begin(), judgements.end(), is_it);
  return found == judgements.end() ? nullptr : &*found;
}

/// Packets of the relay's, or of what stands before it, came back to us just now. `asked`: the port was tried; else
/// what the last session came to is all that is known.
bool came_back(const Judgement& judgement, bool asked) {
  if (judgement.layer < Layer::tcp) return false;
  if (judgement.result == CheckResult::pass) return true;
  const bool own = judgement.cause && facts_of(*judgement.cause).layer == judgement.layer;
  if (own && !asked && judgement.layer >= Layer::host_key && judgement.layer != Layer::session) return true;
  return judgement.layer == Layer::tcp &&
         (judgement.cause == Cause::connection_refused || judgement.cause == Cause::reset_on_the_way ||
          judgement.cause == Cause::port_blocked);
}

/// What fails below a layer that passes is not needed: another interface, server or address serves. A modem that nobody
/// needs is no fault at all: many a laptop has one without a SIM.
void soften(std::vector<Judgement>& judgements, bool key_was_known) {
  const bool asked = std::any_of(judgements.begin(), judgements.end(),
                                 [](const Judgement& judgement) { return judgement.layer == Layer::tcp; });
  std::optional<Layer> carried;  // the highest that shows it
  bool back = false;
  std::for_each(judgements.rbegin(), judgements.rend(), [&](Judgement& judgement) {
    if (!hides(judgement.layer, Layer::proof) || judgement.layer == Layer::device) return;
    if (judgement.layer == Layer::modem) {
      const bool blamed = judgement.result == CheckResult::fail || judgement.result == CheckResult::warn;
      if (back && blamed && judgement.cause != Cause::signal_weak) judgement.result = CheckResult::pass;
      return;
    }
    if (carried && shows_otherwise(*carried, judgement, key_was_known)) {
      if (judgement.result == CheckResult::fail) judgement.result = CheckResult::warn;
      // Somebody answers echoes in the relay's place, and hands on the rest.
      if (judgement.cause == Cause::answered_on_the_way) judgement.result = CheckResult::pass;
    }
    back = back || came_back(judgement, asked);
    const bool passes = carries(judgement.layer) && judgement.result == CheckResult::pass;
    if (!carried && (passes || came_back(judgement, asked))) carried = judgement.layer;
  });
}

template <typename Kind>
const Kind* find(const Findings& findings, Layer layer) {
  const auto found = findings.find(layer);
  return found == findings.end() ? nullptr : std::get_if<Kind>(&found->second);
}

/// Does a route lead out of an interface that is no modem's? Then that one is the way, and the modem is for another
/// day.
bool has_way_beside_modem(const Findings& findings) {
  const auto* modem = find<ModemFindings>(findings, Layer::modem);
  const auto* routes = find<RouteFindings>(findings, Layer::route);
  if (modem == nullptr || routes == nullptr) return false;
  std::set<std::string> of_modem{modem->calls.begin(), modem->calls.end()};
  for (const auto& each : modem->modems) of_modem.insert(each.interfaces.begin(), each.interfaces.end());
  for (const auto& each : modem->devices) of_modem.insert(each.interfaces.begin(), each.interfaces.end());
  // A VPN's route leads nowhere by itself.
  const auto* links = find<LinkFindings>(findings, Layer::link);
  const auto leads_out = [&](const std::string& interface) {
    if (links == nullptr) return true;
    return std::any_of(links->links.begin(), links->links.end(),
                       [&](const auto& link) { return link.name == interface && link.way_out; });
  };
  const auto beside = [&](const auto& route) {
    return !route.interface.empty() && !of_modem.contains(route.interface) && leads_out(route.interface);
  };
  return std::any_of(routes->defaults.begin(), routes->defaults.end(), beside) ||
         std::any_of(routes->ways.begin(), routes->ways.end(),
                     [&](const RouteFindings::Way& way) { return way.error.empty() && beside(way); });
}

/// What stopped the tunnel lies on a way that another connection has just gone to its end, the login.
bool has_passed(Cause cause) {
  return facts_of(cause).layer < Layer::session || cause == Cause::relay_silent || cause == Cause::connection_lost;
}

void compare_with_another(std::vector<Judgement>& judgements) {
  for (Judgement& judgement : judgements) {
    if (judgement.layer != Layer::session || !judgement.cause || !has_passed(*judgement.cause)) continue;
    judgement.next_step =
        "Another connection came through just now, up to the login: what stopped the tunnel is mended or has passed, "
        "or it met that one connection alone. The tunnel comes back by itself; at once with holdfast reconnect TUNNEL.";
    if (judgement.cause == Cause::relay_silent)
      judgement.next_step +=
          " If it happens again, holdfast doctor TUNNEL --nat-timeout measures how long the way keeps a silent "
          "connection.";
  }
}

void explain(std::vector<Judgement>& judgements) {
  for (Judgement& upper : judgements) {
    if (upper.result == CheckResult::pass || nobody_holds(upper)) continue;
    for (const Judgement& lower : judgements) {
      // A process that hangs has what it held.
      const bool explains = !nobody_holds(lower) || lower.cause == Cause::not_answering;
      if (lower.result != CheckResult::fail || !explains || !hides(lower.layer, upper.layer)) continue;
      upper.hidden_by = lower.layer;
      break;
    }
  }
}

/// What the tunnel itself met last speaks of a layer that lies lower, mostly. What the look met as well is told there.
void cite(std::vector<Judgement>& judgements, const Findings& findings) {
  const auto session = findings.find(Layer::session);
  const auto* step = session == findings.end() ? nullptr : std::get_if<StepFindings>(&session->second);
  if (step == nullptr || !step->failure) return;
  for (Judgement& judgement : judgements) {
    const Cause cause = step->failure->cause;
    if (judgement.layer != facts_of(cause).layer || judgement.layer == Layer::session) continue;
    if (judgement.cause == cause && judgement.result != CheckResult::pass) continue;
    judgement.evidence.push_back("the tunnel's own last error: " + describe(*step->failure));
  }
}

/// Where the relay has just shown the host key that is meant; empty: nowhere.
std::string proven_address(const Findings& findings) {
  const auto* host_key = find<StepFindings>(findings, Layer::host_key);
  const auto* tcp = find<TcpFindings>(findings, Layer::tcp);
  if (host_key == nullptr || host_key->failure || host_key->is_new || tcp == nullptr) return {};
  const auto connected =
      std::find_if(tcp->tries.begin(), tcp->tries.end(), [](const auto& one) { return !one.failed; });
  return connected == tcp->tries.end() ? std::string{} : host_of(connected->to);
}

struct Judge {
  Layer layer;
  Judgement operator()(const Skipped& skipped) const { return {layer, CheckResult::skip, skipped.why}; }
  Judgement operator()(const StepFindings& found) const { return diagnosis::judge(layer, found); }
  Judgement operator()(const auto& found) const { return diagnosis::judge(found); }
};

}  // namespace

std::string_view to_string(CheckResult result) {
  return spelling(result).name;
}

bool nobody_holds(const Judgement& judgement) {
  return judgement.cause == Cause::not_running || judgement.cause == Cause::not_answering ||
         judgement.cause == Cause::not_started;
}

std::string host_of(const std::string& endpoint) {
  std::string host = endpoint.substr(0, endpoint.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

Judgement judge(Layer layer, const Finding& finding) {
  Judgement judgement = std::visit(Judge{layer}, finding);
  judgement.layer = layer;  // whatever the cause's own is
  return judgement;
}

Diagnosis diagnose(const Findings& findings) {
  Diagnosis diagnosis;
  for (const auto& [layer, finding] : findings) {
    Judgement judgement = judge(layer, finding);
    if (const auto* tcp = find<TcpFindings>(findings, Layer::tcp); tcp != nullptr && layer == Layer::tcp)
      judgement = diagnosis::judge(*tcp, find<PathFindings>(findings, Layer::path));
    if (const auto* name = find<NameFindings>(findings, Layer::name); name != nullptr && layer == Layer::name) {
      NameFindings known = *name;
      if (const auto address = proven_address(findings); !address.empty()) known.remembered.push_back(address);
      judgement = diagnosis::judge(known);
    }
    const auto* neighbours = find<NeighbourFindings>(findings, Layer::neighbour);
    if (layer == Layer::tcp && judgement.cause == Cause::unreachable && neighbours != nullptr)
      judgement.next_step = diagnosis::next_step_beside(*neighbours, std::move(judgement.next_step));
    judgement.layer = layer;
    diagnosis.judgements.push_back(std::move(judgement));
  }
  const bool logged_in = std::any_of(
      diagnosis.judgements.begin(), diagnosis.judgements.end(),
      [](const Judgement& each) { return each.layer == Layer::authentication && each.result == CheckResult::pass; });
  for (Judgement& judgement : diagnosis.judgements) {
    if (judgement.result != CheckResult::fail) continue;
    const bool spare = judgement.layer == Layer::modem && has_way_beside_modem(findings);
    // Another key did, where the clock is too early for a certificate.
    const bool harmless = judgement.cause == Cause::clock_wrong && logged_in;
    if (spare || harmless) judgement.result = CheckResult::warn;
  }
  if (logged_in && find<TcpFindings>(findings, Layer::tcp) != nullptr) compare_with_another(diagnosis.judgements);
  cite(diagnosis.judgements, findings);
  const auto* host_key = find<StepFindings>(findings, Layer::host_key);
  soften(diagnosis.judgements, host_key != nullptr && !host_key->is_new);
  explain(diagnosis.judgements);
  const Judgement* fault = lowest(diagnosis.judgements, CheckResult::fail);
  if (fault == nullptr) fault = lowest(diagnosis.judgements, CheckResult::warn);
  if (fault != nullptr) diagnosis.answer = fault->layer;
  return diagnosis;
}

CheckResult result_of(const Diagnosis& diagnosis) {
  for (const Judgement& judgement : diagnosis.judgements) {
    if (judgement.layer == diagnosis.answer) return judgement.result;
  }
  return CheckResult::pass;
}

std::string answer_of(const Diagnosis& diagnosis) {
  for (const Judgement& judgement : diagnosis.judgements) {
    if (judgement.layer != diagnosis.answer) continue;
    std::string text{facts_of(judgement.cause.value()).sentence};
    if (!judgement.measured.empty()) text += " (" + judgement.measured + ")";
    return text;
  }
  return {};
}

}  // namespace holdfast
