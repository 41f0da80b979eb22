#include <algorithm>
#include <charconv>
#include <string_view>

#include "core/diagnosis/judges.hpp"

/// Links and the addresses on them.
namespace holdfast::diagnosis {
namespace {

using Link = LinkFindings::Link;
using Address = AddressFindings::Address;

/// A link that comes and goes more often than this is worth a word: some are lost at each boot.
constexpr unsigned tolerated_losses = 7;
constexpr double tolerated_losses_an_hour = 4;

bool flaps(const Link& link, const LinkFindings& found) {
  const unsigned losses = link.losses.value_or(0);
  const double hours = static_cast<double>(std::max<std::int64_t>(found.uptime.value_or(0), 3600)) / 3600;
  return found.uptime && losses > tolerated_losses && losses / hours > tolerated_losses_an_hour;
}

std::string losses_of(const Link& link, const LinkFindings& found) {
  const auto hours = found.uptime.value_or(0) / 3600;
  const std::string time = hours < 2    ? std::to_string(found.uptime.value_or(0) / 60) + " min"
                           : hours < 48 ? std::to_string(hours) + " h"
                                        : std::to_string(hours / 24) + " days";
  return link.name + " lost its carrier " + std::to_string(link.losses.value_or(0)) + " times in " + time;
}

std::string state_of(const Link& link) {
  if (!link.up) return link.name + " is switched off";
  return link.name + (link.carrier ? " has a carrier" : " has no carrier");
}

bool is_carrier_nat(const std::string& address) {  // RFC 6598: 100.64.0.0/10
  constexpr std::string_view first = "100.";
  unsigned second = 0;
  if (!address.starts_with(first)) return false;
  std::from_chars(address.data() + first.size(), address.data() + address.size(), second);
  return second >= 64 && second < 128;
}

std::string text_of(const Address& address) {
  std::string text = address.address + " on " + address.interface;
  if (address.duplicate) return text + " is another machine's";
  if (address.tentative) return text + " is still being checked";
  if (address.expired) return text + " has expired";
  return text;
}

bool serves(const Address& address) {
  return !address.link_local && !address.duplicate && !address.tentative;
}

/// One whose time is over can be connected from all the same, but not for long. Of temporary ones (RFC 8981) there is
/// always a fresh one beside it.
Judgement judge_served(const std::vector<Address>& good) {
  std::vector<std::string> texts;
  texts.reserve(good.size());
  for (const Address& address : good) texts.push_back(text_of(address));
  if (std::all_of(good.begin(), good.end(), [](const Address& address) { return address.expired; }))
    return blame(Cause::address_expired, listed(texts));
  for (const Address& address : good) {
    if (is_carrier_nat(address.address)) return blame(Cause::carrier_nat, listed(texts));
  }
  return pass(Layer::address, listed(texts));
}

Judgement judge_unserved(const std::vector<Address>& ours) {
  const auto duplicate = std::find_if(ours.begin(), ours.end(), [](const Address& each) { return each.duplicate; });
  if (duplicate != ours.end()) return blame(Cause::address_duplicate, text_of(*duplicate));
  const auto tentative =
      std::find_if(ours.begin(), ours.end(), [](const Address& each) { return each.tentative && !each.link_local; });
  if (tentative != ours.end()) return blame(Cause::no_address, text_of(*tentative));
  std::vector<std::string> texts;
  texts.reserve(ours.size());
  for (const Address& address : ours) texts.push_back(text_of(address));
  return texts.empty() ? blame(Cause::no_address, "") : blame(Cause::link_local_only, listed(texts));
}

}  // namespace

Judgement judge(const LinkFindings& found) {
  std::vector<Judgement> ready;
  std::vector<const Link*> others;
  for (const Link& link : found.links) {
    if (found.wanted.empty() ? !link.way_out : link.name != found.wanted) continue;
    if (!link.carrier) {
      others.push_back(&link);
    } else if (flaps(link, found)) {
      ready.push_back(blame(Cause::link_flapping, losses_of(link, found)));
    } else {
      ready.push_back(pass(Layer::link, state_of(link)));
    }
  }
  // One that is up has been meant to be used.
  std::stable_partition(others.begin(), others.end(), [](const Link* link) { return link->up; });
  std::vector<std::string> states;
  states.reserve(others.size());
  for (const Link* link : others) {
    states.push_back(flaps(*link, found) ? state_of(*link) + " (" + losses_of(*link, found) + ")" : state_of(*link));
  }
  if (!ready.empty()) {
    Judgement judgement = worst(std::move(ready));
    judgement.evidence.insert(judgement.evidence.end(), states.begin(), states.end());
    return judgement;
  }
  if (others.empty())
    return blame(Cause::link_missing,
                 found.wanted.empty() ? "no interface leads out of this machine" : found.wanted + " is not there");
  if (others.front()->up) return blame(Cause::no_carrier, listed(states));
  return blame(
      Cause::link_down, listed(states),
      "Switch it on: ip link set " + others.front()->name + " up, or what configures it (nmcli, ifup, networkctl).");
}

Judgement judge(const AddressFindings& found) {
  std::vector<Address> ours;
  std::vector<Address> good;
  bool wanted_is_there = found.wanted.empty();
  for (const Address& address : found.addresses) {
    wanted_is_there = wanted_is_there || (address.address == found.wanted && serves(address));
    if (found.interface.empty() ? !address.way_out : address.interface != found.interface) continue;
    ours.push_back(address);
    if (serves(address)) good.push_back(address);
  }
  std::vector<Judgement> each;
  if (!wanted_is_there) {
    const auto bad = std::find_if(found.addresses.begin(), found.addresses.end(),
                                  [&](const Address& address) { return address.address == found.wanted; });
    each.push_back(bad != found.addresses.end() && bad->duplicate
                       ? blame(Cause::address_duplicate, text_of(*bad))
                       : blame(Cause::local_address_unavailable,
                               "bind_address " + found.wanted + " is no address of this device now"));
  }
  each.push_back(good.empty() ? judge_unserved(ours) : judge_served(good));
  for (const Address& address : ours) {
    if (good.empty() || !address.duplicate) continue;
    each.push_back(blame(Cause::address_duplicate, text_of(address)));
    each.back().result = CheckResult::warn;  // another one serves
  }
  return worst(std::move(each));
}

}  // namespace holdfast::diagnosis
