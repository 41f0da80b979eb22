#include <algorithm>
#include <array>

#include "core/diagnosis/judges.hpp"

namespace holdfast::diagnosis {
namespace {

using Modem = ModemFindings::Modem;

/// Per cent, as ModemManager has them: about -104 dBm.
constexpr unsigned weak_signal = 15;

bool is_one_of(const std::string& word, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&](const char* each) { return word == each; });
}

std::string told(const std::string& words, const std::string& more) {
  return more.empty() ? words : words + " (" + more + ")";
}

/// "registered with CARRIER, signal 40 %"
std::string place_of(const Modem& modem) {
  std::string text = modem.registration == "roaming" ? "roaming" : "registered";
  if (!modem.operator_name.empty()) text += " with " + modem.operator_name;
  if (modem.signal) text += ", signal " + std::to_string(*modem.signal) + " %";
  return text;
}

Judgement judge_failed(const Modem& modem, const std::string& name) {
  if (modem.failed_reason == "sim-missing") return blame(Cause::sim_missing, name + "sees no SIM");
  if (modem.failed_reason == "esim-without-profiles")
    return blame(Cause::sim_missing, name + "has an eSIM without a profile",
                 "Load the carrier's profile into the eSIM, or put in a SIM card.");
  if (modem.failed_reason == "sim-error")
    return blame(Cause::sim_missing, name + "can't read its SIM",
                 "Take the SIM out, clean its contacts and put it in again; if the error stays, have the carrier "
                 "replace it.");
  return blame(Cause::modem_failed, name + told("failed", modem.failed_reason));
}

bool is_locked(const Modem& modem) {
  // The second PIN guards the address book's fixed numbers, and no data.
  return modem.state == "locked" && !is_one_of(modem.unlock_required, {"sim-pin2", "sim-puk2"});
}

Judgement judge_lock(const Modem& modem, const std::string& name) {
  const std::string& lock = modem.unlock_required;
  if (lock == "sim-puk")
    return blame(Cause::sim_locked, name + "asks for the SIM's PUK",
                 "Ask the carrier for the PUK, then: mmcli -i any --puk=PUK --pin=NEW_PIN");
  if (lock.starts_with("ph-"))
    return blame(Cause::sim_locked, name + "is locked to another SIM or carrier (" + lock + ")",
                 "Use the carrier's own SIM in this modem, or ask whoever sold it for the code that unlocks it.");
  return blame(Cause::sim_locked, name + told("asks for the SIM's PIN", lock == "sim-pin" ? "" : lock));
}

Judgement judge_bearer(const Modem& modem, const std::string& name, const std::vector<std::string>& calls) {
  if (modem.bearer_connected.value_or(false) || !calls.empty()) {
    const std::string words = name + "is " + place_of(modem);
    return modem.signal.value_or(100) < weak_signal ? blame(Cause::signal_weak, words) : pass(Layer::modem, words);
  }
  if (modem.registration == "roaming" && !modem.roaming_allowed.value_or(true))
    return blame(
        Cause::bearer_down, name + "is " + place_of(modem) + ", and must not use it",
        "Permit roaming if the contract has it (nmcli connection modify NAME gsm.home-only no; allow-roaming=yes "
        "in ModemManager); else look at the antenna: the SIM's own network may be out of reach.");
  std::string why = !modem.bearer_error.empty() ? ": " + modem.bearer_error
                    : modem.bearer_connected    ? ", and its data connection is down"
                                                : ", and nobody has asked it for a data connection";
  why = (modem.apn.empty() ? std::string{} : ", APN " + modem.apn) + why;
  return blame(Cause::bearer_down, name + "is " + place_of(modem) + why);
}

Judgement judge(const Modem& modem, const std::vector<std::string>& calls) {
  const std::string name = (modem.name.empty() ? "the modem" : modem.name) + " ";
  if (modem.state == "failed") return judge_failed(modem, name);
  if (is_locked(modem)) return judge_lock(modem, name);
  if (is_one_of(modem.power, {"off", "low"}) || is_one_of(modem.state, {"disabled", "disabling"}))
    return blame(Cause::modem_off, name + told("is switched off", modem.power == "low" ? "low power" : ""));
  if (modem.interfaces.empty() && !modem.serial)
    return blame(Cause::modem_no_interface, name + "has no network interface");
  if (modem.registration == "denied") return blame(Cause::registration_denied, name + "is refused by the network");
  const bool registered = is_one_of(modem.state, {"registered", "connecting", "connected", "disconnecting"});
  if (!registered) {
    std::string words = name + "is " + (modem.state.empty() ? "in no state" : modem.state);
    if (modem.registration == "emergency-only") words += ": emergency calls only";
    if (modem.signal) words += ", signal " + std::to_string(*modem.signal) + " %";
    return blame(Cause::modem_not_registered, words);
  }
  return judge_bearer(modem, name, calls);
}

Judgement judge(const ModemFindings::Device& device, const std::vector<std::string>& calls) {
  if (!device.interfaces.empty()) return pass(Layer::modem, device.name + " has " + listed(device.interfaces));
  if (device.as_disk)
    return blame(Cause::modem_no_interface, device.name + " shows as a disk",
                 "Install usb-modeswitch, which makes a modem of it, then unplug it and plug it in again.");
  if (!device.serial) return blame(Cause::modem_no_interface, device.name + " has no network interface");
  if (!calls.empty()) return pass(Layer::modem, device.name + ", and " + listed(calls));
  return blame(Cause::modem_no_interface, device.name + " has serial ports, and nobody makes a call through them",
               "Install modemmanager and network-manager, or set up pppd; or switch the modem to a mode with a network "
               "interface.");
}

}  // namespace

/// What ModemManager says comes first: it knows more of a modem than USB does.
Judgement judge(const ModemFindings& found) {
  std::vector<Judgement> each;
  for (const Modem& modem : found.modems) each.push_back(judge(modem, found.calls));
  if (found.modems.empty()) {
    for (const ModemFindings::Device& device : found.devices) each.push_back(judge(device, found.calls));
  }
  // One that serves is enough.
  const auto serves = std::find_if(each.begin(), each.end(),
                                   [](const Judgement& judgement) { return judgement.result != CheckResult::fail; });
  if (serves != each.end()) return *serves;
  if (!each.empty()) return worst(std::move(each));
  std::string none = found.managed ? "ModemManager sees none" : "there is none";
  if (!found.manager_error.empty()) none += " on USB, and ModemManager does not say: " + found.manager_error;
  return pass(Layer::modem, none);
}

}  // namespace holdfast::diagnosis
