#include <systemd/sd-bus.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "doctor/device.hpp"

/// ModemManager's interface, as far as it tells why there is no network:
/// https://www.freedesktop.org/software/ModemManager/api/latest/
namespace holdfast::doctor {
namespace {

constexpr const char* service = "org.freedesktop.ModemManager1";
constexpr std::uint64_t patience = 1'500'000;  ///< microseconds, for one answer
constexpr std::size_t longest_text = 200;
constexpr std::size_t most_items = 16;

struct CloseBus {
  void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
};
struct DropMessage {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Bus = std::unique_ptr<sd_bus, CloseBus>;
using Message = std::unique_ptr<sd_bus_message, DropMessage>;

class Error {
 public:
  Error() = default;
  ~Error() { sd_bus_error_free(&error_); }
  Error(const Error&) = delete;
  Error& operator=(const Error&) = delete;
  sd_bus_error* get() { return &error_; }
  bool is(const char* name) const { return sd_bus_error_has_name(&error_, name) != 0; }
  std::string text() const {
    return std::string{error_.message != nullptr ? error_.message
                       : error_.name != nullptr  ? error_.name
                                                 : ""}
        .substr(0, longest_text);
  }

 private:
  sd_bus_error error_{};
};

// ---- values ---------------------------------------------------------------------------------------------------------

/// A property of ModemManager's: a number, which may be the first of a structure, a text, or a list.
struct Value {
  std::int64_t number = 0;
  std::string text{};
  std::vector<std::pair<std::string, std::uint32_t>> items{};  ///< of a list; paths have no number
};
using Properties = std::map<std::string, Value>;

std::string read_text(sd_bus_message* message, char type) {
  const char* text = nullptr;
  if (sd_bus_message_read_basic(message, type, &text) <= 0 || text == nullptr) return {};
  return std::string{text}.substr(0, longest_text);
}

template <typename Number>
std::int64_t read_number(sd_bus_message* message, char type) {
  Number number = 0;
  return sd_bus_message_read_basic(message, type, &number) > 0 ? static_cast<std::int64_t>(number) : 0;
}

/// Goes through what stands in a container, and leaves it; false if there is none of this type.
template <typename Each>
bool each_in(sd_bus_message* message, char type, const char* contents, const Each& each) {
  if (sd_bus_message_enter_container(message, type, contents) <= 0) return false;
  each();
  return sd_bus_message_exit_container(message) >= 0;
}

template <typename Each>
bool each_of_array(sd_bus_message* message, const char* contents, const Each& each) {
  return each_in(message, SD_BUS_TYPE_ARRAY, contents, [&] {
    while (sd_bus_message_at_end(message, 0) == 0 && each()) {
    }
  });
}

void read_properties(sd_bus_message* message, const std::string& prefix, Properties& into);

void read_value(sd_bus_message* message, const std::string& type, const std::string& key, Properties& into) {
  Value value;
  if (type == "s" || type == "o") {
    value.text = read_text(message, type.front());
  } else if (type == "u") {
    value.number = read_number<std::uint32_t>(message, SD_BUS_TYPE_UINT32);
  } else if (type == "i") {
    value.number = read_number<std::int32_t>(message, SD_BUS_TYPE_INT32);
  } else if (type == "b") {
    value.number = read_number<int>(message, SD_BUS_TYPE_BOOLEAN);
  } else if (type == "(ub)") {
    each_in(message, SD_BUS_TYPE_STRUCT, "ub", [&] {
      value.number = read_number<std::uint32_t>(message, SD_BUS_TYPE_UINT32);
      sd_bus_message_skip(message, "b");
    });
  } else if (type == "(ss)") {  // an error: its name, and what it says
    each_in(message, SD_BUS_TYPE_STRUCT, "ss", [&] {
      const std::string name = read_text(message, SD_BUS_TYPE_STRING);
      value.text = read_text(message, SD_BUS_TYPE_STRING);
      if (value.text.empty()) value.text = name;
    });
  } else if (type == "ao") {
    each_of_array(message, "o", [&] {
      value.items.emplace_back(read_text(message, SD_BUS_TYPE_OBJECT_PATH), 0);
      return !value.items.back().first.empty();
    });
  } else if (type == "a(su)") {
    each_of_array(message, "(su)", [&] {
      return each_in(message, SD_BUS_TYPE_STRUCT, "su", [&] {
        std::string name = read_text(message, SD_BUS_TYPE_STRING);
        const auto kind = static_cast<std::uint32_t>(read_number<std::uint32_t>(message, SD_BUS_TYPE_UINT32));
        value.items.emplace_back(std::move(name), kind);
      });
    });
  } else if (type == "a{sv}" && key.find('.') == std::string::npos) {
    return read_properties(message, key + ".", into);
  } else {
    sd_bus_message_skip(message, type.c_str());
    return;
  }
  into.insert_or_assign(key, std::move(value));
}

/// "a{sv}"; what lies in one that is within it is called "Properties.apn".
void read_properties(sd_bus_message* message, const std::string& prefix, Properties& into) {
  each_of_array(message, "{sv}", [&] {
    return each_in(message, SD_BUS_TYPE_DICT_ENTRY, "sv", [&] {
      const std::string key = prefix + read_text(message, SD_BUS_TYPE_STRING);
      const char* type = nullptr;
      if (sd_bus_message_peek_type(message, nullptr, &type) <= 0 || type == nullptr) return;
      const std::string inner = type;
      each_in(message, SD_BUS_TYPE_VARIANT, inner.c_str(), [&] { read_value(message, inner, key, into); });
    });
  });
}

const Value& of(const Properties& properties, const char* key) {
  static const Value none{};
  const auto found = properties.find(key);
  return found == properties.end() ? none : found->second;
}

// ---- its words ------------------------------------------------------------------------------------------------------

template <std::size_t Size>
std::string word(const std::array<const char*, Size>& words, std::int64_t number) {
  if (number >= 0 && number < static_cast<std::int64_t>(Size)) return words.at(static_cast<std::size_t>(number));
  return std::to_string(number);
}

std::string state_of(std::int64_t number) {
  constexpr std::array words{"unknown", "initializing", "locked",     "disabled",      "disabling",  "enabling",
                             "enabled", "searching",    "registered", "disconnecting", "connecting", "connected"};
  return number == -1 ? "failed" : word(words, number);
}

std::string failed_reason_of(std::int64_t number) {
  constexpr std::array words{
      "none", "unknown", "sim-missing", "sim-error", "unknown-capabilities", "esim-without-profiles"};
  return word(words, number);
}

std::string lock_of(std::int64_t number) {
  constexpr std::array words{"unknown",       "none",         "sim-pin",     "sim-pin2",    "sim-puk",
                             "sim-puk2",      "ph-sp-pin",    "ph-sp-puk",   "ph-net-pin",  "ph-net-puk",
                             "ph-sim-pin",    "ph-corp-pin",  "ph-corp-puk", "ph-fsim-pin", "ph-fsim-puk",
                             "ph-netsub-pin", "ph-netsub-puk"};
  return word(words, number);
}

std::string power_of(std::int64_t number) {
  constexpr std::array words{"unknown", "off", "low", "on"};
  return word(words, number);
}

std::string registration_of(std::int64_t number) {
  constexpr std::array words{"idle",
                             "home",
                             "searching",
                             "denied",
                             "unknown",
                             "roaming",
                             "home-sms-only",
                             "roaming-sms-only",
                             "emergency-only",
                             "home-csfb-not-preferred",
                             "roaming-csfb-not-preferred",
                             "attached-rlos"};
  return word(words, number);
}

// ---- asking ---------------------------------------------------------------------------------------------------------

Message call(sd_bus* bus, const char* path, const char* interface, const char* member, const char* argument,
             Error& error) {
  sd_bus_message* made = nullptr;
  if (sd_bus_message_new_method_call(bus, &made, service, path, interface, member) < 0) return nullptr;
  const Message question{made};
  sd_bus_message_set_auto_start(question.get(), 0);
  if (argument != nullptr && sd_bus_message_append_basic(question.get(), SD_BUS_TYPE_STRING, argument) < 0)
    return nullptr;
  sd_bus_message* reply = nullptr;
  if (sd_bus_call(bus, question.get(), patience, error.get(), &reply) < 0) return nullptr;
  return Message{reply};
}

/// The one that is connected, else the last: it was tried last.
void look_at_bearers(sd_bus* bus, const Properties& modem, ModemFindings::Modem& found) {
  std::size_t count = 0;
  for (const auto& [path, unused] : of(modem, "Bearers").items) {
    if (++count > most_items) return;
    Error error;
    const Message reply = call(bus, path.c_str(), "org.freedesktop.DBus.Properties", "GetAll",
                               "org.freedesktop.ModemManager1.Bearer", error);
    if (!reply) continue;
    Properties bearer;
    read_properties(reply.get(), "", bearer);
    found.bearer_connected = of(bearer, "Connected").number != 0;
    found.bearer_error = of(bearer, "ConnectionError").text;
    found.apn = of(bearer, "Properties.apn").text;
    if (bearer.contains("Properties.allow-roaming"))
      found.roaming_allowed = of(bearer, "Properties.allow-roaming").number != 0;
    const std::string& interface = of(bearer, "Interface").text;
    if (*found.bearer_connected && !interface.empty()) found.interfaces = {interface};
    if (*found.bearer_connected) return;
  }
}

ModemFindings::Modem describe(const Properties& modem) {
  constexpr std::uint32_t network_port = 2;  // MMModemPortType
  constexpr std::uint32_t serial_port = 3;
  ModemFindings::Modem found;
  found.name = of(modem, "Manufacturer").text;
  const std::string& model = of(modem, "Model").text;
  if (!model.empty()) found.name += (found.name.empty() ? "" : " ") + model;
  found.state = state_of(of(modem, "State").number);
  found.failed_reason = failed_reason_of(of(modem, "StateFailedReason").number);
  found.unlock_required = lock_of(of(modem, "UnlockRequired").number);
  found.power = power_of(of(modem, "PowerState").number);
  if (modem.contains("RegistrationState")) found.registration = registration_of(of(modem, "RegistrationState").number);
  found.operator_name = of(modem, "OperatorName").text;
  if (modem.contains("SignalQuality")) found.signal = static_cast<unsigned>(of(modem, "SignalQuality").number);
  for (const auto& [port, kind] : of(modem, "Ports").items) {
    if (kind == network_port && found.interfaces.size() < most_items) found.interfaces.push_back(port);
    found.serial = found.serial || kind == serial_port;
  }
  return found;
}

/// "a{oa{sa{sv}}}": of each object, what is a modem's.
std::vector<Properties> read_modems(sd_bus_message* message) {
  std::vector<Properties> modems;
  each_of_array(message, "{oa{sa{sv}}}", [&] {
    return each_in(message, SD_BUS_TYPE_DICT_ENTRY, "oa{sa{sv}}", [&] {
      sd_bus_message_skip(message, "o");
      Properties properties;
      bool is_modem = false;
      each_of_array(message, "{sa{sv}}", [&] {
        return each_in(message, SD_BUS_TYPE_DICT_ENTRY, "sa{sv}", [&] {
          const std::string interface = read_text(message, SD_BUS_TYPE_STRING);
          const bool modem = interface == "org.freedesktop.ModemManager1.Modem";
          is_modem = is_modem || modem;
          if (!modem && interface != "org.freedesktop.ModemManager1.Modem.Modem3gpp") {
            sd_bus_message_skip(message, "a{sv}");
            return;
          }
          read_properties(message, "", properties);
        });
      });
      if (is_modem && modems.size() < most_items) modems.push_back(std::move(properties));
    });
  });
  return modems;
}

}  // namespace

void ask_modem_manager(ModemFindings& found) {
  sd_bus* opened = nullptr;
  const int result = sd_bus_open_system(&opened);
  const Bus bus{opened};
  if (result < 0) {
    // Most machines without a system bus have no modem either.
    if (result != -ENOENT && result != -ECONNREFUSED) found.manager_error = std::generic_category().message(-result);
    return;
  }
  Error error;
  const Message reply = call(bus.get(), "/org/freedesktop/ModemManager1", "org.freedesktop.DBus.ObjectManager",
                             "GetManagedObjects", nullptr, error);
  if (!reply || sd_bus_message_has_signature(reply.get(), "a{oa{sa{sv}}}") == 0) {
    const bool absent = error.is(SD_BUS_ERROR_SERVICE_UNKNOWN) || error.is(SD_BUS_ERROR_NAME_HAS_NO_OWNER);
    if (!absent) found.manager_error = error.text();
    return;
  }
  found.managed = true;
  for (const Properties& properties : read_modems(reply.get())) {
    found.modems.push_back(describe(properties));
    look_at_bearers(bus.get(), properties, found.modems.back());
  }
}

}  // namespace holdfast::doctor
