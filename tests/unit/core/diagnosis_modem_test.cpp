#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "holdfast/diagnosis.hpp"

using namespace holdfast;

namespace {

/// One that serves.
ModemFindings::Modem modem() {
  ModemFindings::Modem modem;
  modem.name = "QUECTEL EG25";
  modem.state = "connected";
  modem.failed_reason = "none";
  modem.unlock_required = "none";
  modem.power = "on";
  modem.registration = "home";
  modem.operator_name = "Carrier";
  modem.signal = 60;
  modem.bearer_connected = true;
  modem.apn = "internet";
  modem.interfaces = {"wwan0"};
  modem.serial = true;
  return modem;
}

template <typename Change>
ModemFindings managed(const Change& change) {
  ModemFindings found;
  found.managed = true;
  found.modems = {modem()};
  change(found.modems.front());
  return found;
}

template <typename Change>
Judgement judged(const Change& change) {
  return judge(Layer::modem, managed(change));
}

Judgement in_state(const std::string& state) {
  return judged([&](ModemFindings::Modem& modem) {
    modem.state = state;
    modem.bearer_connected.reset();
  });
}

ModemFindings on_usb(ModemFindings::Device device) {
  ModemFindings found;
  found.devices = {std::move(device)};
  return found;
}

ModemFindings without_sim() {
  return managed([](ModemFindings::Modem& modem) {
    modem.state = "failed";
    modem.failed_reason = "sim-missing";
    modem.bearer_connected.reset();
  });
}

RouteFindings way_by(const std::string& interface) {
  RouteFindings routes;
  routes.defaults.push_back({"IPv4", 254, 100, interface, "192.0.2.1"});
  routes.ways.push_back({"198.51.100.2", interface, "192.0.2.2", "192.0.2.1", ""});
  return routes;
}

TcpFindings tried(std::optional<Cause> failed) {
  TcpFindings tcp;
  tcp.tries.emplace_back();
  tcp.tries.back().to = "192.0.2.7:22";
  tcp.tries.back().failed = failed;
  return tcp;
}

CheckResult result_of_modem(const Findings& findings) {
  for (const Judgement& judgement : diagnose(findings).judgements) {
    if (judgement.layer == Layer::modem) return judgement.result;
  }
  throw std::runtime_error("the modem is not judged");
}

}  // namespace

TEST_CASE("a modem that serves says with whom") {
  const Judgement judgement = judged([](ModemFindings::Modem&) {});
  CHECK(judgement.result == CheckResult::pass);
  CHECK(judgement.measured == "QUECTEL EG25 is registered with Carrier, signal 60 %");
}

TEST_CASE("no modem is no fault, with and without ModemManager") {
  ModemFindings found;
  CHECK(judge(Layer::modem, found).measured == "there is none");
  found.managed = true;
  CHECK(judge(Layer::modem, found).measured == "ModemManager sees none");
  found.managed = false;
  found.manager_error = "Access denied";
  CHECK(judge(Layer::modem, found).measured == "there is none on USB, and ModemManager does not say: Access denied");
  CHECK(judge(Layer::modem, found).result == CheckResult::pass);
}

TEST_CASE("a modem that failed says why") {
  const auto because = [](const std::string& reason) {
    return judged([&](ModemFindings::Modem& modem) {
      modem.state = "failed";
      modem.failed_reason = reason;
    });
  };
  CHECK(because("sim-missing").cause == Cause::sim_missing);
  CHECK(because("sim-missing").result == CheckResult::fail);
  CHECK(because("esim-without-profiles").cause == Cause::sim_missing);
  CHECK(because("sim-error").next_step.find("clean its contacts") != std::string::npos);
  CHECK(because("unknown-capabilities").cause == Cause::modem_failed);
  CHECK(because("unknown-capabilities").measured == "QUECTEL EG25 failed (unknown-capabilities)");
}

TEST_CASE("a locked SIM asks for its PIN or its PUK, a locked modem for another SIM") {
  const auto lock = [](const std::string& by) {
    return judged([&](ModemFindings::Modem& modem) {
      modem.state = "locked";
      modem.unlock_required = by;
      modem.power = "low";
    });
  };
  for (const char* each : {"sim-pin", "sim-puk", "ph-net-pin", "unknown"}) CHECK(lock(each).cause == Cause::sim_locked);
  CHECK(lock("sim-pin").measured == "QUECTEL EG25 asks for the SIM's PIN");
  CHECK(lock("sim-puk").next_step.find("PUK") != std::string::npos);
  CHECK(lock("ph-net-pin").next_step.find("carrier's own SIM") != std::string::npos);
  CHECK(judged([](ModemFindings::Modem& modem) { modem.unlock_required = "sim-pin2"; }).result == CheckResult::pass);
}

TEST_CASE("a modem that is switched off, or sleeps") {
  CHECK(in_state("disabled").cause == Cause::modem_off);
  const Judgement low = judged([](ModemFindings::Modem& modem) { modem.power = "low"; });
  CHECK(low.cause == Cause::modem_off);
  CHECK(low.measured == "QUECTEL EG25 is switched off (low power)");
}

TEST_CASE("a modem without a network interface, and none to call from") {
  const auto ports = [](bool serial) {
    return judged([&](ModemFindings::Modem& modem) {
      modem.interfaces.clear();
      modem.serial = serial;
    });
  };
  CHECK(ports(false).cause == Cause::modem_no_interface);
  CHECK(ports(true).result == CheckResult::pass);
}

TEST_CASE("a modem that no network takes") {
  const Judgement searching = in_state("searching");
  CHECK(searching.cause == Cause::modem_not_registered);
  CHECK(searching.measured == "QUECTEL EG25 is searching, signal 60 %");
  CHECK(in_state("enabled").cause == Cause::modem_not_registered);
  const Judgement denied = judged([](ModemFindings::Modem& modem) {
    modem.state = "enabled";
    modem.registration = "denied";
  });
  CHECK(denied.cause == Cause::registration_denied);
  const Judgement emergency = judged([](ModemFindings::Modem& modem) {
    modem.state = "enabled";
    modem.registration = "emergency-only";
  });
  CHECK(emergency.measured.find("emergency calls only") != std::string::npos);
}

TEST_CASE("a bearer that is down says its APN and its error") {
  const auto down = [](std::optional<bool> bearer, const std::string& error) {
    return judged([&](ModemFindings::Modem& modem) {
      modem.state = "registered";
      modem.bearer_connected = bearer;
      modem.bearer_error = error;
      if (!bearer) modem.apn.clear();
    });
  };
  CHECK(down(false, "unknown-apn").cause == Cause::bearer_down);
  CHECK(down(false, "unknown-apn").measured ==
        "QUECTEL EG25 is registered with Carrier, signal 60 %, APN internet: unknown-apn");
  CHECK(down(false, "").measured.ends_with("APN internet, and its data connection is down"));
  CHECK(down(std::nullopt, "").measured.ends_with("signal 60 %, and nobody has asked it for a data connection"));
}

TEST_CASE("a call through a serial port does for a bearer") {
  ModemFindings found = managed([](ModemFindings::Modem& modem) { modem.bearer_connected = false; });
  CHECK(judge(Layer::modem, found).cause == Cause::bearer_down);
  found.calls = {"ppp0"};
  CHECK(judge(Layer::modem, found).result == CheckResult::pass);
}

TEST_CASE("roaming that is not permitted") {
  const auto roams = [](std::optional<bool> allowed) {
    return judged([&](ModemFindings::Modem& modem) {
      modem.state = "registered";
      modem.registration = "roaming";
      modem.bearer_connected = false;
      modem.roaming_allowed = allowed;
    });
  };
  CHECK(roams(false).cause == Cause::bearer_down);
  CHECK(roams(false).measured == "QUECTEL EG25 is roaming with Carrier, signal 60 %, and must not use it");
  CHECK(roams(false).next_step.find("Permit roaming") != std::string::npos);
  CHECK(roams(true).next_step == remedy(Cause::bearer_down));
  CHECK(roams(std::nullopt).next_step == remedy(Cause::bearer_down));
}

TEST_CASE("a weak signal warns") {
  const auto signal = [](unsigned per_cent) {
    return judged([&](ModemFindings::Modem& modem) { modem.signal = per_cent; });
  };
  CHECK(signal(14).cause == Cause::signal_weak);
  CHECK(signal(14).result == CheckResult::warn);
  CHECK(signal(15).result == CheckResult::pass);
}

TEST_CASE("of two modems the one that serves counts") {
  ModemFindings found = without_sim();
  found.modems.push_back(modem());
  CHECK(judge(Layer::modem, found).result == CheckResult::pass);
}

TEST_CASE("a modem on USB without a network interface: the seed of this project") {
  const Judgement none = judge(Layer::modem, on_usb({"2c7c:0125 Quectel EG25-G", {}}));
  CHECK(none.result == CheckResult::fail);
  CHECK(none.cause == Cause::modem_no_interface);
  CHECK(none.measured == "2c7c:0125 Quectel EG25-G has no network interface");
  const Judgement disk = judge(Layer::modem, on_usb({"12d1:1f01 HUAWEI Mobile", {}, false, true}));
  CHECK(disk.cause == Cause::modem_no_interface);
  CHECK(disk.next_step.find("usb-modeswitch") != std::string::npos);
  ModemFindings serial = on_usb({"2c7c:0125 Quectel EG25-G", {}, true});
  CHECK(judge(Layer::modem, serial).measured.find("nobody makes a call") != std::string::npos);
  serial.calls = {"ppp0"};
  CHECK(judge(Layer::modem, serial).result == CheckResult::pass);
  const Judgement good = judge(Layer::modem, on_usb({"2c7c:0125 Quectel EG25-G", {"wwan0"}}));
  CHECK(good.result == CheckResult::pass);
  CHECK(good.measured == "2c7c:0125 Quectel EG25-G has wwan0");
}

// ---- beside other ways out ------------------------------------------------------------------------------------------

TEST_CASE("a modem that nobody needs is no fault where packets come back another way") {
  const ModemFindings modem = without_sim();
  CHECK(result_of_modem({{Layer::modem, modem}}) == CheckResult::fail);
  const Findings healthy{{Layer::modem, modem}, {Layer::route, way_by("wlan0")}, {Layer::tcp, tried(std::nullopt)}};
  CHECK(result_of_modem(healthy) == CheckResult::pass);
  CHECK_FALSE(diagnose(healthy).answer);
  for (const Cause answered : {Cause::connection_refused, Cause::reset_on_the_way, Cause::port_blocked})
    CHECK(diagnose({{Layer::modem, modem}, {Layer::tcp, tried(answered)}}).answer == Layer::tcp);
}

TEST_CASE("where the way out is another's, the modem only warns; where it is the modem's or there is none, it fails") {
  const ModemFindings modem = without_sim();
  const TcpFindings silent = tried(Cause::connection_timed_out);
  const Diagnosis beside = diagnose({{Layer::modem, modem}, {Layer::route, way_by("wlan0")}, {Layer::tcp, silent}});
  CHECK(beside.judgements.front().result == CheckResult::warn);
  CHECK(beside.answer == Layer::tcp);
  CHECK(diagnose({{Layer::modem, modem}, {Layer::route, way_by("wwan0")}, {Layer::tcp, silent}}).answer ==
        Layer::modem);
  CHECK(diagnose({{Layer::modem, modem}, {Layer::route, RouteFindings{}}, {Layer::tcp, silent}}).answer ==
        Layer::modem);
}

TEST_CASE("a way out of the interface that USB shows of the modem is the modem's") {
  ModemFindings modem = without_sim();
  modem.modems.front().interfaces.clear();
  modem.devices = {{"2c7c:0125 Quectel EG25-G", {"wwan0"}}};
  const TcpFindings silent = tried(Cause::connection_timed_out);
  CHECK(diagnose({{Layer::modem, modem}, {Layer::route, way_by("wwan0")}, {Layer::tcp, silent}}).answer ==
        Layer::modem);
  CHECK(diagnose({{Layer::modem, modem}, {Layer::route, way_by("wlan0")}, {Layer::tcp, silent}}).answer == Layer::tcp);
}

TEST_CASE("a cable to something beside the modem does not excuse it") {
  LinkFindings links;
  links.links.emplace_back();
  links.links.back().name = "eth0";
  links.links.back().up = links.links.back().carrier = links.links.back().way_out = true;
  const Diagnosis diagnosis =
      diagnose({{Layer::modem, without_sim()}, {Layer::link, links}, {Layer::route, RouteFindings{}}});
  CHECK(diagnosis.answer == Layer::modem);
  CHECK(result_of(diagnosis) == CheckResult::fail);
}

TEST_CASE("one way beside the modem's excuses it, by default or to the relay alone; a VPN's is none") {
  RouteFindings by_default = way_by("wlan0");
  by_default.ways.clear();
  RouteFindings to_the_relay = way_by("wlan0");
  to_the_relay.defaults.clear();
  LinkFindings links;
  for (const char* name : {"wwan0", "wlan0"}) {
    links.links.emplace_back();
    links.links.back().name = name;
    links.links.back().way_out = true;
  }
  const auto result = [&](const RouteFindings& routes) {
    return result_of_modem({{Layer::modem, without_sim()},
                            {Layer::link, links},
                            {Layer::route, routes},
                            {Layer::tcp, tried(Cause::connection_timed_out)}});
  };
  CHECK(result(by_default) == CheckResult::warn);
  CHECK(result(to_the_relay) == CheckResult::warn);
  links.links.back().way_out = false;  // a VPN over the modem
  CHECK(result(by_default) == CheckResult::fail);
  CHECK(result(to_the_relay) == CheckResult::fail);
}

TEST_CASE("a weak signal is said though packets come back") {
  const ModemFindings weak = managed([](ModemFindings::Modem& modem) { modem.signal = 3; });
  CHECK(result_of_modem({{Layer::modem, weak}, {Layer::tcp, tried(std::nullopt)}}) == CheckResult::warn);
}
