#include "status/findings_json.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <type_traits>

#include "holdfast/enumerators.hpp"

/// Absent is null or no key at all.
template <typename Value>
struct nlohmann::adl_serializer<std::optional<Value>> {
  static void to_json(json& out, const std::optional<Value>& value) { out = value ? json(*value) : json(nullptr); }
  static void from_json(const json& in, std::optional<Value>& value) {
    value = in.is_null() ? std::nullopt : std::optional{in.get<Value>()};
  }
};

/// A key with the suffix _ms would say it; the documents do.
template <>
struct nlohmann::adl_serializer<holdfast::Milliseconds> {
  static void to_json(json& out, const holdfast::Milliseconds& time) { out = time.count(); }
  static void from_json(const json& in, holdfast::Milliseconds& time) {
    time = holdfast::Milliseconds{in.get<std::int64_t>()};
  }
};

template <>
struct nlohmann::adl_serializer<holdfast::Cause> {
  static void to_json(json& out, const holdfast::Cause& cause) { out = std::string{holdfast::to_string(cause)}; }
  static void from_json(const json& in, holdfast::Cause& cause) {
    const auto known = holdfast::named<holdfast::Cause>(in.get_ref<const std::string&>());
    cause = known.value_or(holdfast::Cause::local_error);  // where a newer holdfast wrote it
  }
};

namespace holdfast {

/// An enumeration of findings is written as C++ spells it, as the fields are. One of a newer holdfast counts as the
/// first.
template <typename Enum>
requires std::is_enum_v<Enum>
void to_json(nlohmann::json& out, Enum value) {
  out = std::string{spelling(value).name};
}
template <typename Enum>
requires std::is_enum_v<Enum>
void from_json(const nlohmann::json& in, Enum& value) {
  value = spelled<Enum>(in.is_string() ? in.get_ref<const std::string&>() : "").value_or(Enum{});
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Failure, cause, operation, subject, detail, remedy)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Skipped, why)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DeviceFindings::Place, path, free_bytes, free_files, read_only, error)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DeviceFindings::Certificate, file, valid_after, valid_before)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DeviceFindings, clock, relay_clock, at_least, certificates,
                                                clock_synchronized, under_voltage, under_voltage_before, places,
                                                descriptors_used, descriptors_limit, memory_available, memory_total)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ModemFindings::Modem, name, state, failed_reason, unlock_required,
                                                power, registration, operator_name, signal, bearer_connected,
                                                bearer_error, apn, roaming_allowed, interfaces, serial)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ModemFindings::Device, name, interfaces, serial, as_disk)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ModemFindings, managed, manager_error, modems, devices, calls)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LinkFindings::Link, name, kind, up, carrier, loopback, way_out, losses)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LinkFindings, links, wanted, uptime)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AddressFindings::Address, interface, address, link_local, expired,
                                                duplicate, tentative, way_out)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AddressFindings, addresses, wanted, interface)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RouteFindings::Default, family, table, metric, interface, gateway)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RouteFindings::Way, to, interface, source, gateway, error, freely,
                                                source_belongs)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RouteFindings, defaults, ways, rules, wanted)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NeighbourFindings::Gateway, address, interface, state, link_addresses,
                                                answered, is_relay)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NeighbourFindings, gateways, none_needed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NameFindings::Server, address, said, addresses, took, detail, behind,
                                                knows_all)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NameFindings, name, literal, in_hosts, servers, found, error,
                                                remembered)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PathFindings::Echo, to, sent, answered, from, ttl, round_trip, detail,
                                                neighbour)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PathFindings::Large, to, size, passed, detail)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PathFindings, echoes, not_permitted, large)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TcpFindings::Try, to, failed, detail, took, answered_from, ttl,
                                                short_of_relay)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TcpFindings, tries, others, captured)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(StepFindings, failure, measured, evidence, said, is_new)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TargetFindings::Target, forward, target, said, words, detail, took,
                                                listens, port, here, unresolved, spoke_before, timed_out)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TargetFindings, targets)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(KeepaliveFindings, interval, survived, forgotten, ended)

namespace status {
namespace {

using nlohmann::json;

/// In the order of Finding's alternatives.
constexpr auto kinds =
    std::to_array<std::string_view>({"skipped", "device", "modem", "link", "address", "route", "neighbour", "name",
                                     "path", "tcp", "step", "target", "keepalive"});
static_assert(kinds.size() == std::variant_size_v<Finding>, "a name for each kind");

/// A relay's words need not be UTF-8.
std::string dumped(const json& value, int indent = -1) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace) + "\n";
}

json to_value(Layer layer, const Finding& finding) {
  return {{"layer", std::string{to_string(layer)}},
          {"kind", std::string{kinds.at(finding.index())}},
          {"found", std::visit([](const auto& found) { return json(found); }, finding)}};
}

json to_value(const Judgement& judgement) {
  json value{{"layer", std::string{to_string(judgement.layer)}},
             {"result", std::string{to_string(judgement.result)}},
             {"measured", judgement.measured},
             {"evidence", judgement.evidence},
             {"next_step", judgement.next_step}};
  value["cause"] = judgement.cause ? json(std::string{to_string(*judgement.cause)}) : json(nullptr);
  value["hidden_by"] = judgement.hidden_by ? json(std::string{to_string(*judgement.hidden_by)}) : json(nullptr);
  return value;
}

template <std::size_t Index = 0>
std::optional<Finding> read(std::string_view kind, const json& found) {
  if constexpr (Index < kinds.size()) {
    if (kinds.at(Index) == kind) return Finding{found.get<std::variant_alternative_t<Index, Finding>>()};
    return read<Index + 1>(kind, found);
  }
  return std::nullopt;
}

tl::expected<std::pair<Layer, Finding>, std::string> from_value(const json& value) {
  const auto layer = named<Layer>(value.value("layer", ""));
  if (!layer) return tl::unexpected{"no layer is called '" + value.value("layer", "") + "'"};
  auto finding = read(value.value("kind", ""), value.value("found", json::object()));
  if (!finding) return tl::unexpected{"no kind of findings is called '" + value.value("kind", "") + "'"};
  return std::pair{*layer, std::move(*finding)};
}

/// All numbers of a finding are whole; others, and those that are too large for it, count as absent.
bool take_whole_numbers(int /*depth*/, json::parse_event_t event, json& parsed) {
  if (event == json::parse_event_t::value && parsed.is_number_float()) parsed = nullptr;
  return true;
}

std::string refusal_of_schema(const json& value) {
  return value.value("schema", 0) == 1 ? "" : "schema 1 is expected: another version wrote this";
}

/// The section that holds the findings, if `doctor --bundle` wrote the text; all of any other text.
std::string diagnosis_of_bundle(const std::string& text) {
  const std::string title = "==== diagnosis\n";
  const auto found = text.starts_with(title) ? 0 : text.find("\n" + title);
  if (found == std::string::npos || !text.starts_with("====")) return text;
  const auto begin = text.find(title, found) + title.size();
  return text.substr(begin, text.find("\n====", begin) - begin);
}

/// to_json() begins with a brace on a line of its own, and ends so; of anything else, all.
std::vector<std::string> documents_in(const std::string& text) {
  std::vector<std::string> documents;
  std::istringstream lines{text};
  std::string document;
  for (std::string line; std::getline(lines, line);) {
    if (document.empty() && line.empty()) continue;
    if (document.empty() && line != "{") return {text};
    document += line + "\n";
    if (line == "}") documents.push_back(std::exchange(document, {}));
  }
  if (!document.empty()) documents.push_back(document);
  return documents.empty() ? std::vector<std::string>{text} : documents;
}

std::string tunnel_of(const std::string& document) {
  const json value = json::parse(document, take_whole_numbers, false);
  const auto name = value.is_object() ? value.find("tunnel") : value.end();
  return name != value.end() && name->is_string() ? name->get<std::string>() : "";
}

/// The library throws where a value is of another kind than it should be.
template <typename Reading>
auto guarded(Reading reading) -> decltype(reading()) {
  try {
    return reading();
  } catch (const json::exception&) {
    return tl::unexpected{std::string{"this is not what a look found"}};
  }
}

}  // namespace

std::string to_line(Layer layer, const Finding& finding) {
  json value = to_value(layer, finding);
  value["schema"] = 1;
  return dumped(value);
}

tl::expected<std::pair<Layer, Finding>, std::string> from_line(std::string_view line) {
  return guarded([&]() -> tl::expected<std::pair<Layer, Finding>, std::string> {
    const json value = json::parse(line, take_whole_numbers);
    if (const auto refused = refusal_of_schema(value); !refused.empty()) return tl::unexpected{refused};
    return from_value(value);
  });
}

tl::expected<Findings, std::string> read_findings(const std::string& text) {
  Findings findings;
  const auto take = [&](tl::expected<std::pair<Layer, Finding>, std::string> read) -> std::string {
    if (!read) return read.error();
    findings.insert_or_assign(read->first, std::move(read->second));
    return {};
  };
  const json document = json::parse(text, take_whole_numbers, false);
  if (document.is_object() && document.contains("findings")) {
    return guarded([&]() -> tl::expected<Findings, std::string> {
      if (const auto refused = refusal_of_schema(document); !refused.empty()) return tl::unexpected{refused};
      for (const json& value : document.at("findings")) {
        if (const std::string error = take(from_value(value)); !error.empty()) return tl::unexpected{error};
      }
      if (findings.empty()) return tl::unexpected{std::string{"there are no findings in it"}};
      return findings;
    });
  }
  if (document.is_discarded() && text.starts_with("{\n"))
    return tl::unexpected{std::string{"it is cut short, or no JSON"}};
  std::istringstream lines{text};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty()) continue;
    if (const std::string error = take(from_line(line)); !error.empty())
      return tl::unexpected{"line " + std::to_string(number) + ": " + error};
  }
  if (findings.empty()) return tl::unexpected{std::string{"there are no findings in it"}};
  return findings;
}

tl::expected<std::vector<Recorded>, std::string> read_recorded(const std::string& text) {
  std::vector<Recorded> recorded;
  const std::string part = diagnosis_of_bundle(text);
  for (const std::string& document : documents_in(part)) {
    auto findings = read_findings(document);
    if (!findings) {
      const std::string which = recorded.empty() ? "" : "document " + std::to_string(recorded.size() + 1) + ": ";
      return tl::unexpected{which + findings.error()};
    }
    recorded.push_back({tunnel_of(document), std::move(*findings)});
  }
  return recorded;
}

std::string to_json(const std::string& tunnel, const Findings& findings, const Diagnosis& diagnosis) {
  json value{{"schema", 1}, {"tunnel", tunnel}, {"result", std::string{to_string(result_of(diagnosis))}}};
  value["answer"] = diagnosis.answer ? json(std::string{to_string(*diagnosis.answer)}) : json(nullptr);
  value["judgements"] = json::array();
  for (const Judgement& judgement : diagnosis.judgements) value["judgements"].push_back(to_value(judgement));
  value["findings"] = json::array();
  for (const auto& [layer, finding] : findings) value["findings"].push_back(to_value(layer, finding));
  return dumped(value, 2);
}

}  // namespace status
}  // namespace holdfast
