#include "lab/faults.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <stdexcept>

#include "support/net.hpp"

namespace holdfast::lab {
namespace {

using namespace std::chrono_literals;

double in_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string text(const char* format, auto... values) {
  std::array<char, 200> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, values...);
  return buffer.data();
}

/// A tunnel that has stood for a while; how long differs from run to run, so that the fault does not always come at the
/// same place between two keepalives.
void establish(Site& site, const Setting& setting) {
  site.establish();
  let_pass(1s + setting.run * 1700ms % 5000ms);
}

/// Content flows again, and it is the right content.
Result answer(Site& site, Duration limit) {
  const std::size_t connections_before = site.relay.connections();
  const std::uint64_t bytes_before = site.lab.bytes();
  Result result{site.probe.wait_for_answer(limit), in_seconds(limit)};
  const std::size_t connections = site.relay.connections() - connections_before;
  const double bytes = static_cast<double>(site.lab.bytes() - bytes_before);
  if (result.value && !site.probe.echoes(1000)) {
    return {{}, in_seconds(limit), "answered, but the echo was wrong"};
  }
  if (connections > 1) {
    result.remark = text("%zu connections, %.0f bytes", connections, bytes);
  }
  if (!result.value && site.probe.old_listener_stands()) {
    result.remark += result.remark.empty() ? "stale listener" : "; stale listener";
  }
  return result;
}

/// As long as it takes with sshd's defaults, or as one has patience for.
Duration patience(const Setting& setting) {
  return setting.full ? 200s : 45s;
}

Result cold_start(Site& site, const Setting&) {
  site.subject.start();
  return answer(site, 30s);
}

void cut_power(Site& site) {
  site.probe.mark_old(false);
  site.lab.cut_device_power();
  site.subject.kill9();
  site.start_target();
}

/// What it cost to find the port held.
std::string cost_while_held(std::size_t connections, std::uint64_t bytes) {
  const std::size_t attempts = std::max<std::size_t>(connections, 1);
  return text("held: %zu connections, %.0f bytes each", attempts,
              static_cast<double>(bytes) / static_cast<double>(attempts));
}

/// From just after one keepalive to just after another, so that the figure does not depend on how many fell into the
/// window by chance.
Result idle_bytes(Site& site, int exchanges) {
  site.establish();
  const auto wait_for_traffic = [&] {
    const std::uint64_t before = site.lab.bytes();
    const bool came = time_until([&] { return site.lab.bytes() != before; }, 90s).has_value();
    let_pass(1s);  // its answer and the last acknowledgement
    return came;
  };
  let_pass(2s);  // the knock's own farewell
  bool kept_alive = wait_for_traffic();
  const std::uint64_t bytes_before = site.lab.bytes();
  const TimePoint start = Clock::now();
  for (int i = 0; i < exchanges; ++i) {
    kept_alive = wait_for_traffic() && kept_alive;
  }
  const double seconds = in_seconds(Clock::now() - start);
  const double hourly = static_cast<double>(site.lab.bytes() - bytes_before) / seconds * 3600;
  const std::string memory = text("RSS %.1f MiB", static_cast<double>(site.subject.resident_kib()) / 1024);
  return {kept_alive ? std::optional(hourly) : std::nullopt, 1e6, text("over %.0f s; ", seconds) + memory};
}

SiteOptions at_rtt(Duration rtt) {
  SiteOptions options;
  options.rtt = rtt;
  return options;
}

SiteOptions with_client_alive(const std::string& shell = "/bin/sh") {
  SiteOptions options;
  options.relay = {.client_alive = 5, .shell = shell};
  return options;
}

SiteOptions with_keepalive_60() {
  SiteOptions options;
  options.server_alive_interval = 60;
  return options;
}

SiteOptions with_economy_60() {
  SiteOptions options = with_keepalive_60();
  options.holdfast = {"economy: yes"};
  return options;
}

std::vector<Fault> make_faults() {
  const auto run_signal_gone = [](Duration gone) {
    return [gone](Site& site, const Setting& setting) { return signal_gone(site, setting, gone, 90s); };
  };
  const auto run_restart = [](Duration away) {
    return [away](Site& site, const Setting& setting) { return relay_restarted(site, setting, away, 60s); };
  };
  const auto run_power_cut = [](Site& site, const Setting& setting) {
    return power_cut(site, setting, patience(setting));
  };
  return {
      {.name = "cold-start-0",
       .what = "start to first answer, RTT 0",
       .run = cold_start,
       .options = at_rtt(0ms),
       .alone = true},
      {.name = "cold-start-60", .what = "start to first answer, RTT 60 ms", .run = cold_start, .alone = true},
      {.name = "cold-start-300",
       .what = "start to first answer, RTT 300 ms",
       .run = cold_start,
       .options = at_rtt(300ms),
       .alone = true},
      {.name = "sigterm",
       .what = "SIGTERM to listener gone, RTT 60 ms",
       .run = [](Site& site, const Setting& setting) { return sigterm(site, setting, 20s); },
       .alone = true},
      {.name = "power-cut",
       .what = "power cut, new address, relay's default sshd: back after start",
       .run = run_power_cut},
      {.name = "power-cut-alive",
       .what = "the same, relay with ClientAlive 5 x 3",
       .run = run_power_cut,
       .options = with_client_alive()},
      {.name = "power-cut-no-shell",
       .what = "the same, and the account has no shell",
       .run = run_power_cut,
       .options = with_client_alive("/usr/sbin/nologin")},
      {.name = "power-cut-for-good",
       .what = "power cut, device stays away: listener gone from the relay",
       .run = [](Site& site, const Setting& setting) { return power_cut_for_good(site, setting, patience(setting)); }},
      {.name = "signal-5", .what = "5 s without signal: after it is back", .run = run_signal_gone(5s)},
      {.name = "signal-30", .what = "30 s without signal: after it is back", .run = run_signal_gone(30s)},
      {.name = "signal-300",
       .what = "300 s without signal: after it is back",
       .run = run_signal_gone(300s),
       .only_full = true},
      {.name = "nat-forgets",
       .what = "carrier NAT forgets the flow",
       .run = [](Site& site, const Setting& setting) { return nat_forgets(site, setting, patience(setting)); }},
      {.name = "new-address",
       .what = "new address on the device",
       .run = [](Site& site, const Setting& setting) { return new_address(site, setting, patience(setting)); }},
      {.name = "new-route",
       .what = "another default route on the device, by a link of its own",
       .run = [](Site& site, const Setting& setting) { return new_route(site, setting, patience(setting)); }},
      {.name = "link-down-5",
       .what = "device's link down 5 s: after it is up",
       .run = [](Site& site, const Setting& setting) { return link_down(site, setting, 5s, 60s); }},
      {.name = "link-down-40",
       .what = "device's link down 40 s: after it is up",
       .run = [](Site& site, const Setting& setting) { return link_down(site, setting, 40s, 60s); }},
      {.name = "relay-restart-10", .what = "relay's sshd away 10 s: after it is back", .run = run_restart(10s)},
      {.name = "relay-restart-13", .what = "relay's sshd away 13 s: after it is back", .run = run_restart(13s)},
      {.name = "relay-restart-17", .what = "relay's sshd away 17 s: after it is back", .run = run_restart(17s)},
      {.name = "relay-killed",
       .what = "relay's sshd killed -9, back at once",
       .run = [](Site& site, const Setting& setting) { return relay_restarted(site, setting, 0s, 60s); }},
      {.name = "relay-reboot",
       .what = "relay's host gone without a word for 20 s: after it is back",
       .run = [](Site& site, const Setting& setting) { return relay_rebooted(site, setting, 20s, 60s); }},
      {.name = "relay-frozen",
       .what = "relay frozen: noticed after",
       .run = [](Site& site, const Setting& setting) { return relay_frozen(site, setting, 45s); }},
      {.name = "port-held",
       .what = "port held 20 s by a stranger: after it is free",
       .run = [](Site& site, const Setting& setting) { return port_held(site, setting, 20s, 60s); }},
      {.name = "port-held-device",
       .what = "port held 20 s by another living device: after it is free",
       .run = [](Site& site,
                 const Setting& setting) { return port_held_by_device(site, setting, ssh_in_a_loop(), 20s, 60s); }},
      {.name = "autossh-replaced",
       .what = "power cut of an autossh, relay with ClientAlive 5 x 3: back after start",
       .run = [](Site& site, const Setting& setting) { return autossh_replaced(site, setting, patience(setting)); },
       .options = with_client_alive()},
      {.name = "dns-dead",
       .what = "no name server for the first 20 s: after it is there",
       .run = [](Site& site, const Setting& setting) { return dns_dead_at_boot(site, setting, 20s, 60s); }},
      {.name = "dns-dead-known",
       .what = "no name server, but there was one when it ran before: after the start",
       .run = [](Site& site, const Setting& setting) { return dns_dead_known(site, setting, 20s); },
       .alone = true},
      {.name = "target-down",
       .what = "target down 10 s: after it is back",
       .run = [](Site& site, const Setting& setting) { return target_down(site, setting, 10s, 30s); }},
      {.name = "suspend",
       .what = "suspended 60 s: after the resume",
       .run = [](Site& site, const Setting& setting) { return suspended(site, setting, 60s, 60s); }},
      {.name = "clock-back",
       .what = "wall clock a year back, then sshd killed and back at once",
       .run = [](Site& site, const Setting& setting) { return clock_set_back(site, setting, 60s); }},
      {.name = "bad-link",
       .what = "5 % loss, 200 ms jitter each way: longest wait for an echo",
       .run = [](Site& site,
                 const Setting& setting) { return bad_link(site, setting, setting.full ? Duration(600s) : 60s); }},
      {.name = "idle-bytes",
       .what = "idle at 60 x 3, bytes an hour at the IP level",
       .run = [](Site& site, const Setting& setting) { return idle_bytes(site, setting.full ? 5 : 2); },
       .options = with_keepalive_60(),
       .unit = Unit::bytes_per_hour},
      {.name = "idle-bytes-economy",
       .what = "the same, holdfast with economy: yes",
       // Every fifth exchange is another than those between.
       .run = [](Site& site, const Setting&) { return idle_bytes(site, 5); },
       .options = with_economy_60(),
       .unit = Unit::bytes_per_hour},
  };
}

}  // namespace

const std::vector<Fault>& all_faults() {
  static const std::vector<Fault> faults = make_faults();
  return faults;
}

Result power_cut_for_good(Site& site, const Setting& setting, Duration limit) {
  establish(site, setting);
  cut_power(site);
  return {time_until([&] { return !site.probe.listening(); }, limit), in_seconds(limit)};
}

Result relay_frozen(Site& site, const Setting& setting, Duration limit) {
  establish(site, setting);
  site.probe.mark_old(false);
  site.relay.freeze();
  const Result result{time_until([&] { return !site.probe.old_session_stands(); }, limit), in_seconds(limit)};
  site.relay.thaw();
  return result;
}

Result port_held(Site& site, const Setting&, Duration held, Duration limit) {
  // On both loopback addresses: sshd is content when it gets one of them.
  std::optional<test::Listener> ipv4;
  std::optional<test::Listener> ipv6;
  {
    const InNetwork here(site.lab.relay());
    ipv4.emplace(test::Listener::tcp(Site::tunnel_port));
    ipv6.emplace(test::Listener::tcp(Site::tunnel_port, true));
  }
  site.probe.mark_old(false);
  site.subject.start();
  let_pass(held);
  const std::string cost = cost_while_held(site.relay.connections(), site.lab.bytes());
  ipv4.reset();
  ipv6.reset();
  Result result = answer(site, limit);
  result.remark = cost;
  return result;
}

Result port_held_by_device(Site& site, const Setting&, const SubjectKind& holder, Duration held, Duration limit) {
  constexpr std::uint16_t its_target_port = 7008;
  std::optional<test::TargetServer> its_target;
  {
    const InNetwork here(site.lab.relay());
    its_target.emplace(test::greet_then_echo("another device's target\r\n"), test::Listener::tcp(its_target_port));
  }
  TunnelSettings settings = site.subject.settings();
  settings.host = Lab::relay_address;
  settings.target = its_target_port;
  Subject other(site.lab, holder, settings, Subject::Where::relay);
  other.start();
  if (!time_until([&] { return site.probe.listening(); }, 30s)) {
    throw std::runtime_error("the other device does not get its port\n" + other.log());
  }
  site.probe.mark_old(false);
  const std::size_t connections_before = site.relay.connections();
  site.subject.start();
  let_pass(held);
  const std::string cost = cost_while_held(site.relay.connections() - connections_before, site.lab.bytes());
  if (!site.probe.old_listener_stands()) {
    return {{}, in_seconds(limit), "the other device lost its listener"};
  }
  other.sigterm();
  if (!time_until([&] { return !site.probe.old_listener_stands(); }, 10s)) {
    throw std::runtime_error("the other device does not end\n" + other.log());
  }
  Result result = answer(site, limit);
  result.remark = cost;
  return result;
}

Result autossh_replaced(Site& site, const Setting& setting, Duration limit) {
  Subject before(site.lab, autossh(), site.subject.settings());
  before.start();
  if (!site.probe.wait_for_answer(30s)) {
    throw std::runtime_error("autossh gets no tunnel\n" + before.log());
  }
  site.probe.hang_up();
  let_pass(1s + setting.run * 1700ms % 5000ms);
  site.probe.mark_old(false);
  site.lab.cut_device_power();
  before.kill9();
  site.start_target();
  site.subject.start();
  return answer(site, limit);
}

Result dns_dead_at_boot(Site& site, const Setting&, Duration dead, Duration limit) {
  site.lab.forget_relay_name();
  site.subject.start();
  let_pass(dead);
  const Resolver resolver(site.lab.carrier(), Lab::relay_address);
  return answer(site, limit);
}

Result signal_gone(Site& site, const Setting& setting, Duration gone, Duration limit) {
  establish(site, setting);
  site.probe.mark_old(true);
  site.lab.blackhole(true);
  let_pass(gone);
  site.lab.blackhole(false);
  return answer(site, limit);
}

Result relay_restarted(Site& site, const Setting& setting, Duration away, Duration limit) {
  establish(site, setting);
  site.probe.mark_old(false);
  if (away > Duration::zero()) {
    site.relay.terminate();
  } else {
    site.relay.kill();
  }
  let_pass(away);
  site.relay.start();
  return answer(site, limit);
}

Result relay_rebooted(Site& site, const Setting& setting, Duration away, Duration limit) {
  establish(site, setting);
  site.probe.mark_old(false);
  site.lab.cut_relay_power();
  site.relay.kill();
  let_pass(away);
  site.lab.plug_relay_in();
  site.relay.start();
  return answer(site, limit);
}

Result new_address(Site& site, const Setting& setting, Duration limit) {
  establish(site, setting);
  site.probe.mark_old(false);
  site.lab.new_device_address();
  return answer(site, limit);
}

Result link_down(Site& site, const Setting& setting, Duration down, Duration limit) {
  establish(site, setting);
  site.probe.mark_old(true);
  site.lab.set_device_link(false);
  let_pass(down);
  site.lab.set_device_link(true);
  return answer(site, limit);
}

Result new_route(Site& site, const Setting& setting, Duration limit) {
  establish(site, setting);
  site.probe.mark_old(false);
  site.lab.plug_in_cable();
  return answer(site, limit);
}

Result dns_dead_known(Site& site, const Setting&, Duration limit) {
  site.lab.forget_relay_name();
  {
    const Resolver resolver(site.lab.carrier(), Lab::relay_address);
    site.establish();
  }
  site.subject.kill9();
  if (!time_until([&] { return !site.probe.listening(); }, 10s)) {
    return {{}, 10, "the relay keeps the listener"};
  }
  site.subject.start();
  return answer(site, limit);
}

Result nat_forgets(Site& site, const Setting& setting, Duration limit) {
  establish(site, setting);
  site.probe.mark_old(false);
  site.lab.forget_nat();
  return answer(site, limit);
}

Result power_cut(Site& site, const Setting& setting, Duration limit) {
  establish(site, setting);
  cut_power(site);
  site.subject.start();
  return answer(site, limit);
}

Result target_down(Site& site, const Setting& setting, Duration down, Duration limit) {
  establish(site, setting);
  site.probe.mark_old(true);
  site.stop_target();
  let_pass(down);
  site.start_target();
  return answer(site, limit);
}

Result suspended(Site& site, const Setting& setting, Duration asleep, Duration limit) {
  establish(site, setting);
  site.probe.mark_old(true);
  site.lab.blackhole(true);
  site.subject.freeze();
  let_pass(asleep);
  site.lab.blackhole(false);
  site.subject.thaw();
  return answer(site, limit);
}

Result clock_set_back(Site& site, const Setting& setting, Duration limit) {
  site.subject.own_wall_clock();
  establish(site, setting);
  site.subject.set_wall_clock_off(-std::chrono::hours{365 * 24});
  let_pass(1s);
  site.probe.mark_old(false);
  site.relay.kill();
  site.relay.start();
  return answer(site, limit);
}

Result sigterm(Site& site, const Setting& setting, Duration limit) {
  establish(site, setting);
  site.subject.sigterm();
  return {time_until([&] { return !site.probe.listening(); }, limit), in_seconds(limit)};
}

Result bad_link(Site& site, const Setting&, Duration duration) {
  site.establish();
  site.lab.set_link({.delay = 30ms, .jitter = 200ms, .loss = 0.05});
  site.probe.mark_old(true);
  const std::size_t connections_before = site.relay.connections();
  double longest = 0;
  unsigned echoes = 0;
  for (const TimePoint end = Clock::now() + duration; Clock::now() < end; ++echoes) {
    const TimePoint start = Clock::now();
    if (!site.probe.wait_for_answer(90s)) {
      return {{}, 90, "no answer"};
    }
    if (!site.probe.echoes(1000)) {
      site.probe.hang_up();
    }
    longest = std::max(longest, in_seconds(Clock::now() - start));
  }
  return {longest, 90, text("%u echoes, %zu reconnects", echoes, site.relay.connections() - connections_before)};
}

}  // namespace holdfast::lab
