#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/diagnosis/judges.hpp"

namespace holdfast::diagnosis {
namespace {

using Said = NameFindings::Said;
using Server = NameFindings::Server;

/// Then whoever asks gives up and asks again.
constexpr Milliseconds slow{2000};

bool any_of(const std::vector<std::string>& some, const std::vector<std::string>& others) {
  return std::any_of(some.begin(), some.end(), [&](const std::string& one) {
    return std::find(others.begin(), others.end(), one) != others.end();
  });
}

/// The first two numbers of an IPv4 address.
std::optional<std::array<unsigned, 2>> beginning_of(std::string_view address) {
  std::array<unsigned, 2> numbers{};
  const char* at = address.data();
  for (unsigned& number : numbers) {
    const auto [end, error] = std::from_chars(at, address.data() + address.size(), number);
    if (error != std::errc{} || end == address.data() + address.size() || *end != '.') return std::nullopt;
    at = end + 1;
  }
  return numbers;
}

/// An address that leads to nobody in the Internet, but to a network's own machines.
bool is_private(const std::string& address) {
  if (const auto v4 = beginning_of(address)) {
    const auto [first, second] = *v4;
    return first == 0 || first == 10 || first == 127 || (first == 172 && second >= 16 && second < 32) ||
           (first == 192 && second == 168) || (first == 169 && second == 254) ||
           (first == 100 && second >= 64 && second < 128);
  }
  return address == "::1" || address == "::" || address.starts_with("fe8") || address.starts_with("fc") ||
         address.starts_with("fd");
}

/// An address that leads to this device itself, or nowhere: what a server says that blocks a name.
bool is_nobodys(const std::string& address) {
  const auto v4 = beginning_of(address);
  return v4 ? v4->front() == 0 || v4->front() == 127 : address == "::" || address == "::1";
}

bool all_private(const std::vector<std::string>& addresses) {
  return !addresses.empty() && std::all_of(addresses.begin(), addresses.end(), is_private);
}

std::string name_of(const Server& server) {
  return server.address + (server.behind.empty() ? "" : " (asked by " + server.behind + ")");
}

std::string words_of(const Server& server) {
  std::string name = name_of(server);
  const std::string why = server.detail.empty() ? "" : " (" + server.detail + ")";
  switch (server.said) {
    case Said::addresses:
      return name + " says " + listed(server.addresses) + " after " + seconds(server.took) +
             (server.knows_all ? ", as of any name" : "");
    case Said::no_such_name:
      return name + " says that there is no such name" + why;
    case Said::refused:
      return name + " refuses" + why;
    case Said::failed:
      return name + " fails" + why;
    case Said::nothing:
      return name + " does not answer" + why;
  }
  return name;
}

/// Does somebody else know better?
bool lies(const NameFindings& found, const Server& server) {
  if (server.said != Said::addresses) return false;
  if (server.knows_all) return true;
  if (!server.addresses.empty() && std::all_of(server.addresses.begin(), server.addresses.end(), is_nobodys))
    return true;
  if (!all_private(server.addresses) || any_of(found.remembered, server.addresses)) return false;
  const bool remembered_elsewhere = !found.remembered.empty() && !all_private(found.remembered);
  return remembered_elsewhere || std::any_of(found.servers.begin(), found.servers.end(), [](const Server& other) {
           return other.said == Said::addresses && !other.knows_all && !all_private(other.addresses);
         });
}

std::optional<Judgement> judge_server(const NameFindings& found, const Server& server) {
  if (lies(found, server)) return blame(Cause::nameserver_lies, words_of(server));
  switch (server.said) {
    case Said::addresses:
      if (server.took >= slow) return blame(Cause::nameserver_slow, words_of(server));
      return std::nullopt;
    case Said::no_such_name:
      return blame(Cause::name_not_found, found.name + ": " + words_of(server));
    case Said::refused:
      return blame(Cause::nameserver_refused, words_of(server));
    case Said::failed:
      return blame(Cause::resolver_unavailable, words_of(server));
    case Said::nothing:
      return blame(Cause::nameserver_silent, words_of(server));
  }
  return std::nullopt;
}

/// The system has found the name: what is wrong with a server only costs time, unless the address came from a liar.
Judgement judge_found(const NameFindings& found) {
  std::vector<Judgement> all;
  for (const Server& server : found.servers) {
    auto judgement = judge_server(found, server);
    if (!judgement) continue;
    const bool believed = judgement->cause == Cause::nameserver_lies && any_of(found.found, server.addresses);
    if (judgement->result == CheckResult::fail && !believed) judgement->result = CheckResult::warn;
    all.push_back(std::move(*judgement));
  }
  std::string measured = found.name + " is " + listed(found.found);
  if (found.in_hosts) measured += " (/etc/hosts)";
  if (!found.remembered.empty() && !any_of(found.found, found.remembered)) {
    measured += ", and was " + listed(found.remembered);
    all.push_back(blame(Cause::relay_moved, measured));
  }
  // Another source than DNS has it: mDNS, a database.
  const auto denied = [](const Judgement& judgement) { return judgement.cause == Cause::name_not_found; };
  if (std::all_of(all.begin(), all.end(), denied)) return pass(Layer::name, std::move(measured));
  return worst(std::move(all));
}

/// The first server's word is the one that counts, unless another is worse off. Where one of them knows the name the
/// system is only late: it asks the others first, or asks again after a packet that was lost. A resolver on this device
/// fails where all fail that it asks.
Judgement judge_missing(const NameFindings& found) {
  const auto one_knows = [&](bool behind) {
    return std::any_of(found.servers.begin(), found.servers.end(), [&](const Server& server) {
      return server.behind.empty() != behind && server.said == Said::addresses && server.took < slow &&
             !lies(found, server);
    });
  };
  const bool known = one_knows(false);
  std::vector<Judgement> all;
  for (const bool behind : {true, false}) {
    for (const Server& server : found.servers) {
      auto judgement = server.behind.empty() == behind ? std::nullopt : judge_server(found, server);
      if (!judgement) continue;
      judgement->result = known || (behind && one_knows(true)) ? CheckResult::warn : CheckResult::fail;
      all.push_back(std::move(*judgement));
    }
  }
  if (!all.empty()) return worst(std::move(all));
  if (known) return pass(Layer::name, words_of(found.servers.front()));
  return blame(Cause::resolver_unavailable, found.error);
}

}  // namespace

Judgement judge(const NameFindings& found) {
  if (found.literal) return {Layer::name, CheckResult::skip, found.name + " is an address: nobody has to be asked"};
  Judgement judgement;
  if (!found.found.empty()) {
    judgement = judge_found(found);
  } else if (found.servers.empty()) {
    judgement = blame(Cause::nameserver_missing, found.error);
  } else {
    judgement = judge_missing(found);
  }
  for (const Server& server : found.servers) {
    const std::string words = words_of(server);
    const auto& known = judgement.evidence;
    if (judgement.measured.find(words) == std::string::npos &&
        std::find(known.begin(), known.end(), words) == known.end())
      judgement.evidence.push_back(words);
  }
  if (found.found.empty() && !found.remembered.empty())
    judgement.evidence.push_back("remembered: " + listed(found.remembered));
  return judgement;
}

}  // namespace holdfast::diagnosis
