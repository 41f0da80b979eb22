#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "doctor/audit.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/words.hpp"
#include "setup/words.hpp"

namespace holdfast::doctor {
namespace {

constexpr unsigned fleet = 4;            ///< refused devices at once that earn a penalty (docs/decisions/0013)
constexpr std::int64_t long_held = 300;  ///< seconds that a dead device's listener may take to be free

/// "15", "1m", "1h30m" in seconds; "none" and what is no time are 0.
std::int64_t seconds_of(std::string_view text) {
  constexpr std::int64_t longest = 1'000'000'000;  // 31 years
  std::int64_t sum = 0;
  while (!text.empty()) {
    std::int64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc{} || number < 0 || number > 1'000'000'000) return 0;
    text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
    const char unit = text.empty() ? 's' : text.front();
    if (!text.empty()) text.remove_prefix(1);
    const std::int64_t factor = unit == 'm' || unit == 'M'   ? 60
                                : unit == 'h' || unit == 'H' ? 3600
                                : unit == 'd' || unit == 'D' ? 86400
                                : unit == 'w' || unit == 'W' ? 604800
                                                             : 1;
    sum = std::min(sum + number * factor, longest);
  }
  return sum;
}

class Auditor {
 public:
  explicit Auditor(const RelaySeen& seen) : seen_(seen), version_(version_of(seen.banner)) {}

  std::vector<Remark> run() {
    version();
    account();
    if (seen_.ran && seen_.entry.empty()) return std::move(remarks_);
    if (seen_.settings.empty()) {
      add(CheckResult::skip, "settings",
          seen_.ran ? "user " + seen_.user + " can't see how sshd is set up. As root on the relay, type:"
                    : "the account runs no shell. As root on the relay, type:",
          {typed()});
    } else {
      dead_sessions();
      timeouts();
      crowd();
      forwarding();
      rights();
    }
    keys();
    if (!seen_.settings.empty() && !seen_.effective) seen_in_files();
    return std::move(remarks_);
  }

 private:
  /// 902 for "OpenSSH_9.2p1 Debian-2"; 0 for another server.
  static int version_of(std::string_view banner) {
    constexpr std::string_view name = "OpenSSH_";
    if (!banner.starts_with(name)) return 0;
    banner.remove_prefix(name.size());
    unsigned major = 0;
    unsigned minor = 0;
    const char* end = banner.data() + banner.size();
    const auto parsed = std::from_chars(banner.data(), end, major);
    if (parsed.ec != std::errc{} || parsed.ptr == end || *parsed.ptr != '.' || major > 99) return 0;
    std::from_chars(parsed.ptr + 1, end, minor);
    return static_cast<int>(major * 100 + std::min(minor, 99U));
  }

  std::string get(const char* keyword, const char* otherwise) const {
    const auto found = seen_.settings.find(keyword);
    return found == seen_.settings.end() ? otherwise : found->second;
  }
  void add(CheckResult result, std::string about, std::string what, std::vector<std::string> change = {}) {
    remarks_.push_back({result, std::move(about), std::move(what), std::move(change)});
  }
  std::string typed() const { return "sshd -T -C user=" + seen_.account + ",host=x,addr=127.0.0.1"; }
  bool doubles() const { return asks_at_twice_the_interval(seen_.banner); }

  void version() {
    if (seen_.banner.empty()) return add(CheckResult::skip, "version", "the server's own word was not seen");
    if (version_ == 0)
      return add(CheckResult::warn, "version",
                 seen_.banner + " is not OpenSSH: what it is good for stands in docs/relays.md");
    if (version_ < 708)
      return add(CheckResult::fail, "version",
                 seen_.banner + " knows no permitlisten (from 7.8 on), and takes no key whose line says it");
    std::string known = version_ >= 908 ? ": takes nobody from an address after failures from it (PerSourcePenalties)"
                        : doubles()     ? ": 9.2 to 9.4 ask silent clients at twice ClientAliveInterval"
                                        : "";
    add(CheckResult::pass, "version", seen_.banner + known);
  }

  std::string shell() const { return seen_.entry.substr(seen_.entry.rfind(':') + 1); }
  bool runs_lease() const {
    const std::string forced = get("forcecommand", "none");
    const std::string program = shell();
    return !seen_.entry.empty() && !program.ends_with("/nologin") && !program.ends_with("/false") &&
           (forced == "none" || forced.find("relay-script") != std::string::npos) && get("maxsessions", "10") != "0";
  }

  void account() {
    if (!seen_.ran) return;
    if (seen_.entry.empty())
      return add(CheckResult::fail, "account", "there is no account " + seen_.account + ". As root on the relay, type:",
                 {"useradd --create-home --shell /bin/sh " + seen_.account});
    if (seen_.entry.find(":x:0:") != std::string::npos)
      add(CheckResult::warn, "account",
          seen_.account + " is root: whoever steals a device's key has the relay. Give the devices one of their own:",
          {"useradd --create-home --shell /bin/sh tunnel"});
  }

  void dead_sessions() {
    const std::int64_t interval = seconds_of(get("clientaliveinterval", "0"));
    const std::int64_t count = seconds_of(get("clientalivecountmax", "3"));
    const std::vector<std::string> lines{"ClientAliveInterval 15", "ClientAliveCountMax 3"};
    if (interval == 0 || count == 0) {
      const std::string off = interval == 0 ? "ClientAliveInterval 0" : "ClientAliveCountMax 0";
      const bool ever = get("tcpkeepalive", "yes") == "yes";
      if (runs_lease())
        return add(CheckResult::pass, "dead session",
                   "evicted by the lease, which " + shell() + " can run; " + off + " for whom it can't");
      return add(CheckResult::fail, "dead session",
                 off + " and no lease: a dead device's listener is held " +
                     (ever ? "for up to 2 h 11 min, and the device can't have it back" : "for ever"),
                 lines);
    }
    const std::int64_t free_after = interval * (count + 1) * (doubles() ? 2 : 1);
    const std::string said = "a dead device's listener is free after " + std::to_string(free_after) + " s" +
                             (doubles() ? ", twice what ClientAliveInterval says" : "");
    add(free_after > long_held && !runs_lease() ? CheckResult::warn : CheckResult::pass, "dead session", said,
        free_after > long_held && !runs_lease() ? lines : std::vector<std::string>{});
  }

  void timeouts() {
    if (const std::string unused = get("unusedconnectiontimeout", "none"); seconds_of(unused) > 0)
      add(runs_lease() ? CheckResult::warn : CheckResult::fail, "timeouts",
          "UnusedConnectionTimeout " + unused + " ends a session that has a listener and no channel: " +
              (runs_lease() ? "one whose lease can't run" : "every tunnel's, for no lease runs here"),
          {"UnusedConnectionTimeout none"});
    const std::string channels = get("channeltimeout", "none");
    if (channels != "none" && !channels.empty())
      add(CheckResult::warn, "timeouts",
          "ChannelTimeout " + channels + " may close the lease's channel, and visitors' connections that are silent",
          {"ChannelTimeout none"});
  }

  void crowd() {
    const std::string held = std::to_string(seen_.connections) +
                             (seen_.connections == 1 ? " connection stands, " : " connections stand, ") +
                             std::to_string(seen_.from_busiest) + " from " + seen_.busiest;
    bool good = true;
    const auto warn = [&](const std::string& what, std::string line) {
      good = false;
      add(CheckResult::warn, "fleet", what, {std::move(line)});
    };
    const bool penalties = version_ >= 908 && get("persourcepenalties", "yes") != "no";
    const std::string exempt = get("persourcepenaltyexemptlist", "none");
    const bool many = seen_.from_busiest >= fleet;
    if (penalties && many && exempt.find(seen_.busiest) == std::string::npos)
      warn(held + ": one device with a wrong key there keeps the others out (PerSourcePenalties)",
           "PerSourcePenaltyExemptList " + (exempt == "none" ? "" : exempt + ",") + seen_.busiest);
    const std::string each = get("persourcemaxstartups", "none");
    if (each != "none" && many && static_cast<unsigned>(seconds_of(each)) < seen_.from_busiest)
      warn(held + ": when all come back at once, PerSourceMaxStartups " + each + " lets no more in",
           "PerSourceMaxStartups none");
    const std::string startups = get("maxstartups", "10:30:100");
    const auto begin = static_cast<unsigned>(seconds_of(startups.substr(0, startups.find(':'))));
    if (begin > 0 && seen_.connections > begin)
      warn(std::to_string(seen_.connections) + " connections stand: when all come back at once, MaxStartups " +
               startups + " turns some away from the " + std::to_string(begin) + "th on",
           "MaxStartups 100:30:300");
    if (good && seen_.connections > 0) add(CheckResult::pass, "fleet", held);
  }

  void forwarding() {
    const std::string forwarding = get("allowtcpforwarding", "yes");
    const std::string all = get("disableforwarding", "no");
    if (all == "yes" || forwarding == "no" || forwarding == "local")
      add(CheckResult::fail, "forwarding",
          (all == "yes" ? "DisableForwarding yes" : "AllowTcpForwarding " + forwarding) + ": no tunnel can listen here",
          {all == "yes" ? "DisableForwarding no" : "AllowTcpForwarding yes"});
    if (forwarding == "remote")
      add(CheckResult::warn, "forwarding", "AllowTcpForwarding remote: no device can prove its own listener",
          {"AllowTcpForwarding yes"});
    if (get("gatewayports", "no") == "yes")
      add(CheckResult::warn, "forwarding", "GatewayPorts yes: every listener is open to the whole network",
          {"GatewayPorts no"});
    const std::string listen = get("permitlisten", "any");
    if (listen == "none") add(CheckResult::fail, "forwarding", "PermitListen none: no tunnel can listen here");
    if (get("pubkeyauthentication", "yes") == "no")
      add(CheckResult::fail, "login", "PubkeyAuthentication no: no device can log in", {"PubkeyAuthentication yes"});
  }

  /// What the account may do, which an option of a key can take away.
  void rights() {
    struct Right {
      const char* keyword;
      const char* otherwise;
      const char* line;
      const char* name;
    };
    constexpr Right all[] = {
        {"allowagentforwarding", "yes", "AllowAgentForwarding no", "agent forwarding"},
        {"allowstreamlocalforwarding", "yes", "AllowStreamLocalForwarding no", "forwards of Unix sockets"},
        {"x11forwarding", "no", "X11Forwarding no", "X11"},
        {"permittty", "yes", "PermitTTY no", "a terminal"},
        {"permittunnel", "no", "PermitTunnel no", "network devices (tun)"},
        {"permituserenvironment", "no", "PermitUserEnvironment no", "an environment of its own"}};
    std::vector<std::string> names;
    std::vector<std::string> lines;
    for (const Right& right : all) {
      if (get(right.keyword, right.otherwise) == "no") continue;
      names.emplace_back(right.name);
      lines.emplace_back(right.line);
    }
    if (lines.empty()) return add(CheckResult::pass, "rights", "the account has no more than a tunnel needs");
    const bool restricted =
        !seen_.keys.empty() && std::all_of(seen_.keys.begin(), seen_.keys.end(),
                                           [](const std::string& line) { return setup::has_option(line, "restrict"); });
    add(restricted ? CheckResult::pass : CheckResult::warn, "rights",
        "the account may have " + joined(names, ", ") + (restricted ? ", and each of its keys says restrict" : ""),
        restricted ? std::vector<std::string>{} : lines);
  }

  void keys() {
    if (!seen_.ran) return;
    if (seen_.key_files.empty())
      return add(CheckResult::skip, "keys",
                 "user " + seen_.user + " can't see the account's authorized_keys: log in as root or as it");
    struct Lack {
      const char* option = nullptr;
      const char* means = nullptr;
      unsigned keys = 0;
    };
    Lack lacks[] = {{"restrict", "whatever the account may"},
                    {"permitlisten", "listen at each port"},
                    {"permitopen", "connect to whatever the relay reaches (-L)"},
                    {"command", "a shell"}};
    for (Lack& lack : lacks) {
      lack.keys =
          static_cast<unsigned>(std::count_if(seen_.keys.begin(), seen_.keys.end(), [&](const std::string& line) {
            return !setup::has_option(line, lack.option);
          }));
    }
    if (get("forcecommand", "none") != "none") lacks[3].keys = 0;
    if (get("permitlisten", "any") != "any") lacks[1].keys = 0;
    if (get("permitopen", "any") != "any") lacks[2].keys = 0;
    std::vector<std::string> said;
    for (const Lack& lack : lacks) {
      if (lack.keys > 0)
        said.push_back(std::to_string(lack.keys) + " without " + lack.option + " (" + lack.means + ")");
    }
    const std::string count = std::to_string(seen_.keys.size()) + (seen_.keys.size() == 1 ? " key" : " keys");
    if (said.empty()) return add(CheckResult::pass, "keys", count + ", each with its own listener and no more");
    add(CheckResult::warn, "keys",
        count + "; whoever steals one can do more than hold a tunnel: " + joined(said, "; ") + ". See below");
  }

  void seen_in_files() {
    std::string said = "read from sshd_config, for user " + seen_.user + " may not ask sshd itself";
    for (const std::string& unclear : seen_.unclear) said += "; not judged: " + unclear;
    add(CheckResult::skip, "settings", said + ". As root on the relay, type:", {typed()});
  }

  const RelaySeen& seen_;
  const int version_;
  std::vector<Remark> remarks_;
};

}  // namespace

std::vector<Remark> judge_relay(const RelaySeen& seen) {
  return Auditor{seen}.run();
}

}  // namespace holdfast::doctor
