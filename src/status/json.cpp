#include "status/json.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "holdfast/enumerators.hpp"
#include "status/printable.hpp"

namespace holdfast::status {
namespace {

using Json = nlohmann::ordered_json;  // keeps our order of the keys: the document is also read by people

constexpr int schema_version = 1;

// ---- out ---------------------------------------------------------------------------------------------------------

template <typename Resolution>
double seconds(Duration duration) {
  const auto ticks = std::chrono::round<Resolution>(duration).count();
  return static_cast<double>(ticks) * Resolution::period::num / Resolution::period::den;
}

double seconds(Duration duration) {
  return seconds<std::chrono::milliseconds>(duration);
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json{} : Json(text);
}

Json to_document(const FailureReport& report) {
  const Failure& failure = report.failure;
  return {{"cause", to_string(failure.cause)}, {"operation", failure.operation}, {"subject", failure.subject},
          {"detail", failure.detail},          {"message", describe(failure)},   {"remedy", remedy(failure)},
          {"age_seconds", seconds(report.age)}};
}

Json to_document(const DiagnosisReport& diagnosis) {
  return {{"layer", to_string(diagnosis.layer)},   {"cause", to_string(diagnosis.cause)},
          {"sentence", diagnosis.sentence},        {"next_step", diagnosis.next_step},
          {"age_seconds", seconds(diagnosis.age)}, {"outage_seconds", seconds(diagnosis.outage)}};
}

/// An error that was told when it happened, with what people's clocks said then.
Json last_error_document(const std::optional<FailureReport>& report) {
  if (!report) return {};
  Json document = to_document(*report);
  document["at"] = text_or_null(report->at);
  return document;
}

Json to_document(const ProofReport& proof) {
  return {{"result", to_string(proof.result)},
          {"age_seconds", seconds(proof.age)},
          {"failures", proof.failures},
          {"error", proof.failure ? to_document(FailureReport{*proof.failure, proof.age}) : Json{}}};
}

Json to_document(const ForwardReport& forward) {
  return {{"listener", forward.listener},
          {"target", forward.target},
          {"state", to_string(forward.state)},
          {"refusal", forward.refusal ? Json(to_string(*forward.refusal)) : Json{}},
          {"holder", text_or_null(forward.holder)},
          {"bound_port", forward.bound_port == 0 ? Json{} : Json(forward.bound_port)},
          {"connections", forward.connections},
          {"accepted", forward.accepted},
          {"target_refused", forward.target_refused},
          {"proof", forward.proof ? to_document(*forward.proof) : Json{}},
          {"beyond_loopback", forward.beyond_loopback},
          {"listens_on", forward.listens_on == ListensOn::unknown ? Json{} : Json(to_string(forward.listens_on))}};
}

Json to_document(const RelayReport& relay) {
  Json timeouts = Json::array();
  for (const Timeout& timeout : relay.timeouts) {
    timeouts.push_back({{"of", to_string(timeout.of)}, {"seconds", seconds(timeout.after)}});
  }
  return {{"relay", relay.relay},
          {"current", relay.current},
          {"last_failure", relay.failure ? to_document(*relay.failure) : Json{}},
          {"last_refusal", relay.refusal ? to_document(*relay.refusal) : Json{}},
          {"timeouts", std::move(timeouts)},
          {"max_segment_bytes", relay.max_segment ? Json(*relay.max_segment) : Json{}},
          {"next_try_seconds", relay.next_try ? Json(seconds(*relay.next_try)) : Json{}}};
}

Json to_document(const DataReport& data) {
  const auto number_or_null = [](const auto& number) { return number ? Json(*number) : Json{}; };
  return {{"bytes_today", data.today},
          {"bytes_this_month", data.month},
          {"idle_bytes_per_hour", number_or_null(data.idle_per_hour)},
          {"projected_bytes_this_month", number_or_null(data.projected_month)}};
}

Json to_document(const LibsshReport& libssh) {
  return {{"version", libssh.release},
          {"build_id", text_or_null(libssh.build)},
          {"faults", libssh.faults},
          {"warning", text_or_null(libssh.warning)}};
}

Json to_document(const ConfigurationReport& configuration) {
  return {{"path", configuration.path}, {"digest", configuration.digest}};
}

Json opening_or_null(const PhaseReport& phase) {
  return phase.opening ? Json(to_string(*phase.opening)) : Json{};
}

Json wait_or_null(const PhaseReport& phase) {
  return phase.next_retry ? Json(seconds(*phase.next_retry)) : Json{};
}

Json to_document(const ChangeReport& change) {
  return {{"relay", change.relay},
          {"state", to_string(change.phase.kind)},
          {"phase", opening_or_null(change.phase)},
          {"attempt", change.attempt},
          {"next_retry_seconds", wait_or_null(change.phase)},
          {"last_error", last_error_document(change.last_error)}};
}

Json to_document(const std::vector<RecentLosses>& all) {
  Json list = Json::array();
  for (const RecentLosses& losses : all) {
    list.push_back({{"of", to_string(losses.of)}, {"last_10_min", losses.times}, {"last", losses.last}});
  }
  return list;
}

Json to_document(const std::vector<EndReport>& all) {
  Json list = Json::array();
  for (const EndReport& end : all) {
    list.push_back({{"at", text_or_null(end.at)},
                    {"age_seconds", seconds(end.age)},
                    {"held_seconds", seconds(end.held)},
                    {"error", end.why ? to_document(FailureReport{*end.why, end.age}) : Json{}}});
  }
  return list;
}

Json to_document(const std::map<Cause, std::uint64_t>& failures) {
  Json counts = Json::object();
  for (const auto& [cause, times] : failures) counts[std::string{to_string(cause)}] = times;
  return counts;
}

Json to_document(const TunnelReport& tunnel) {
  Json relays = Json::array();
  for (const RelayReport& relay : tunnel.relays) relays.push_back(to_document(relay));
  Json forwards = Json::array();
  for (const ForwardReport& forward : tunnel.forwards) forwards.push_back(to_document(forward));
  Json rtt;
  if (tunnel.keepalive_rtt) rtt = seconds<std::chrono::microseconds>(*tunnel.keepalive_rtt);
  return {{"name", tunnel.name},
          {"relay", tunnel.relay},
          {"address", text_or_null(tunnel.address)},
          {"server", text_or_null(tunnel.server)},
          {"host_key", text_or_null(tunnel.host_key)},
          {"state", to_string(tunnel.phase.kind)},
          {"phase", opening_or_null(tunnel.phase)},
          {"up", tunnel.up},
          {"ready", is_ready(tunnel)},
          {"condition", condition(tunnel)},
          {"in_state_seconds", seconds(tunnel.in_state)},
          {"attempt", tunnel.attempt},
          {"sessions_established", tunnel.sessions_established},
          {"next_retry_seconds", wait_or_null(tunnel.phase)},
          {"last_error", last_error_document(tunnel.last_error)},
          {"diagnosis", tunnel.diagnosis ? to_document(*tunnel.diagnosis) : Json{}},
          {"relay_says", tunnel.relay_says},
          {"losses", to_document(tunnel.losses)},
          {"ends", to_document(tunnel.ends)},
          {"failures", to_document(tunnel.failures)},
          {"forwards", std::move(forwards)},
          {"refused_opens", tunnel.refused_opens},
          {"bytes_received", tunnel.bytes_received},
          {"bytes_sent", tunnel.bytes_sent},
          {"data", tunnel.data ? to_document(*tunnel.data) : Json{}},
          {"keepalive_rtt_seconds", std::move(rtt)},
          {"probe_period_seconds", tunnel.probe_period ? Json(seconds(*tunnel.probe_period)) : Json{}},
          {"cipher", tunnel.cipher ? Json(*tunnel.cipher) : Json{}},
          {"cipher_reason", text_or_null(tunnel.cipher_reason)},
          {"lease", text_or_null(tunnel.lease)},
          {"lease_outdated", tunnel.lease_outdated},
          {"relays", std::move(relays)},
          {"change", tunnel.change ? to_document(*tunnel.change) : Json{}}};
}

// ---- in ----------------------------------------------------------------------------------------------------------

/// The conversions of the library are undefined for a number that does not fit.
template <typename Integer>
std::optional<Integer> integer(const Json& value) {
  if (value.is_number_unsigned() && std::in_range<Integer>(value.get<std::uint64_t>()))
    return static_cast<Integer>(value.get<std::uint64_t>());
  if (value.is_number_integer() && !value.is_number_unsigned() && std::in_range<Integer>(value.get<std::int64_t>()))
    return static_cast<Integer>(value.get<std::int64_t>());
  return std::nullopt;
}

/// What answers may be anybody: no escape sequence is to reach the terminal by way of an escape of JSON's.
std::string text(const Json& value) {
  std::string clean = printable(value.get<std::string>());
  std::replace(clean.begin(), clean.end(), '\n', ' ');
  return clean;
}

/// Absent and null are the same: a key that a version does not know, and a fact that there is not. Where it stands: a
/// copy costs as much stack as the value is deep.
const Json* find_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

const Json& list_at(const Json& object, const char* key) {
  static const Json none = Json::array();
  const Json* found = find_at(object, key);
  return found == nullptr ? none : *found;
}

/// None too for a number that no version writes.
template <typename Value>
std::optional<Value> optional_at(const Json& object, const char* key) {
  const Json* found = find_at(object, key);
  if (found == nullptr) return std::nullopt;
  if constexpr (std::is_same_v<Value, std::string>) {
    return text(*found);
  } else if constexpr (std::is_integral_v<Value> && !std::is_same_v<Value, bool>) {
    return integer<Value>(*found);
  } else {
    return found->get<Value>();
  }
}

std::string text_at(const Json& object, const char* key) {
  return optional_at<std::string>(object, key).value_or("");
}

std::optional<Duration> duration_at(const Json& object, const char* key) {
  const auto value = optional_at<double>(object, key);
  if (!value) return std::nullopt;
  constexpr double most = 1e9;  // 31 years; also keeps the conversion defined
  const double microseconds = std::round(std::clamp(*value, 0.0, most) * 1e6);
  return std::chrono::microseconds{static_cast<std::int64_t>(microseconds)};
}

FailureReport failure_from(const Json& object) {
  FailureReport report;
  Failure& failure = report.failure;
  failure.operation = text_at(object, "operation");
  failure.subject = text_at(object, "subject");
  failure.detail = text_at(object, "detail");
  const auto name = text(object.at("cause"));
  const auto cause = named<Cause>(name);
  failure.cause = cause.value_or(Cause::local_error);
  if (!cause) failure.detail = "cause " + name + ", new since this version: " + failure.detail;
  if (const auto text = text_at(object, "remedy"); text != remedy(failure.cause)) failure.remedy = text;
  report.age = duration_at(object, "age_seconds").value_or(Duration{});
  report.at = text_at(object, "at");
  return report;
}

/// None of a layer that is new since this version.
std::optional<DiagnosisReport> diagnosis_from(const Json& object) {
  const auto layer = named<Layer>(text_at(object, "layer"));
  if (!layer) return std::nullopt;
  return DiagnosisReport{*layer,
                         named<Cause>(text_at(object, "cause")).value_or(Cause::local_error),
                         text_at(object, "sentence"),
                         text_at(object, "next_step"),
                         duration_at(object, "age_seconds").value_or(Duration{}),
                         duration_at(object, "outage_seconds").value_or(Duration{})};
}

/// None for a result that is new since this version.
std::optional<ProofReport> proof_from(const Json& object) {
  const auto result = named<ProofResult>(text(object.at("result")));
  if (!result) return std::nullopt;
  ProofReport proof;
  proof.result = *result;
  proof.age = duration_at(object, "age_seconds").value_or(Duration{});
  proof.failures = optional_at<unsigned>(object, "failures").value_or(0);
  if (const Json* error = find_at(object, "error")) proof.failure = failure_from(*error).failure;
  return proof;
}

/// Without a refusal that is new since this version.
ForwardReport forward_from(const Json& object) {
  ForwardReport forward;
  forward.listener = text(object.at("listener"));
  forward.target = text(object.at("target"));
  forward.state = named<ForwardState>(text(object.at("state"))).value_or(ForwardState::pending);
  forward.refusal = named<Refusal>(text_at(object, "refusal"));
  forward.holder = text_at(object, "holder");
  forward.bound_port = optional_at<std::uint16_t>(object, "bound_port").value_or(0);
  forward.connections = optional_at<std::uint64_t>(object, "connections").value_or(0);
  forward.accepted = optional_at<std::uint64_t>(object, "accepted").value_or(0);
  forward.target_refused = optional_at<std::uint64_t>(object, "target_refused").value_or(0);
  if (const Json* proof = find_at(object, "proof")) forward.proof = proof_from(*proof);
  forward.beyond_loopback = optional_at<bool>(object, "beyond_loopback").value_or(false);
  forward.listens_on = named<ListensOn>(text_at(object, "listens_on")).value_or(ListensOn::unknown);
  return forward;
}

/// None of a kind that is new since this version.
std::vector<Timeout> timeouts_from(const Json& list) {
  std::vector<Timeout> timeouts;
  for (const Json& object : list) {
    const auto of = named<TimeoutOf>(text_at(object, "of"));
    if (of) timeouts.push_back({*of, duration_at(object, "seconds").value_or(Duration{})});
  }
  return timeouts;
}

/// Leaves out losses of a kind that is not known.
std::vector<RecentLosses> losses_from(const Json& list) {
  std::vector<RecentLosses> all;
  for (const Json& object : list) {
    const auto of = named<LossOf>(text_at(object, "of"));
    if (of) all.push_back({*of, optional_at<std::size_t>(object, "last_10_min").value_or(0), text_at(object, "last")});
  }
  return all;
}

std::vector<EndReport> ends_from(const Json& list) {
  std::vector<EndReport> all;
  for (const Json& object : list) {
    EndReport end{std::nullopt, duration_at(object, "age_seconds").value_or(Duration{}),
                  duration_at(object, "held_seconds").value_or(Duration{}), text_at(object, "at")};
    if (const Json* error = find_at(object, "error")) end.why = failure_from(*error).failure;
    all.push_back(std::move(end));
  }
  return all;
}

/// Causes of a later version are left out.
std::map<Cause, std::uint64_t> failures_from(const Json& object) {
  std::map<Cause, std::uint64_t> counts;
  for (const CauseFacts& facts : all_causes()) {
    if (const auto times = optional_at<std::uint64_t>(object, std::string{to_string(facts.cause)}.c_str())) {
      counts[facts.cause] = *times;
    }
  }
  return counts;
}

RelayReport relay_from(const Json& object) {
  RelayReport relay;
  relay.relay = text(object.at("relay"));
  relay.current = object.at("current").get<bool>();
  if (const Json* failure = find_at(object, "last_failure")) relay.failure = failure_from(*failure);
  if (const Json* refusal = find_at(object, "last_refusal")) relay.refusal = failure_from(*refusal);
  relay.timeouts = timeouts_from(list_at(object, "timeouts"));
  relay.max_segment = optional_at<std::uint32_t>(object, "max_segment_bytes");
  relay.next_try = duration_at(object, "next_try_seconds");
  return relay;
}

DataReport data_from(const Json& object) {
  return {optional_at<std::uint64_t>(object, "bytes_today").value_or(0),
          optional_at<std::uint64_t>(object, "bytes_this_month").value_or(0),
          optional_at<std::uint64_t>(object, "idle_bytes_per_hour"),
          optional_at<std::uint64_t>(object, "projected_bytes_this_month")};
}

PhaseReport phase_from(const Json& object) {
  return {named<PhaseKind>(text_at(object, "state")).value_or(PhaseKind::unknown),
          named<OpeningPhase>(text_at(object, "phase")), duration_at(object, "next_retry_seconds")};
}

ChangeReport change_from(const Json& object) {
  ChangeReport change;
  change.relay = text_at(object, "relay");
  change.phase = phase_from(object);
  change.attempt = optional_at<Attempt>(object, "attempt").value_or(0);
  if (const Json* error = find_at(object, "last_error")) change.last_error = failure_from(*error);
  return change;
}

TunnelReport tunnel_from(const Json& object) {
  TunnelReport tunnel;
  tunnel.name = text(object.at("name"));
  tunnel.relay = text(object.at("relay"));
  tunnel.server = text_at(object, "server");
  tunnel.host_key = text_at(object, "host_key");
  tunnel.address = text_at(object, "address");
  tunnel.phase = phase_from(object);
  tunnel.up = object.at("up").get<bool>();
  tunnel.unproven = tunnel.up && !optional_at<bool>(object, "ready").value_or(true);
  tunnel.in_state = duration_at(object, "in_state_seconds").value_or(Duration{});
  tunnel.attempt = optional_at<Attempt>(object, "attempt").value_or(0);
  tunnel.sessions_established = optional_at<std::uint64_t>(object, "sessions_established").value_or(0);
  if (const Json* error = find_at(object, "last_error")) tunnel.last_error = failure_from(*error);
  if (const Json* diagnosis = find_at(object, "diagnosis")) tunnel.diagnosis = diagnosis_from(*diagnosis);
  for (const Json& line : list_at(object, "relay_says")) tunnel.relay_says.push_back(text(line));
  tunnel.losses = losses_from(list_at(object, "losses"));
  tunnel.ends = ends_from(list_at(object, "ends"));
  if (const Json* failures = find_at(object, "failures")) tunnel.failures = failures_from(*failures);
  for (const Json& forward : object.at("forwards")) tunnel.forwards.push_back(forward_from(forward));
  tunnel.refused_opens = optional_at<std::uint64_t>(object, "refused_opens").value_or(0);
  tunnel.bytes_received = optional_at<std::uint64_t>(object, "bytes_received").value_or(0);
  tunnel.bytes_sent = optional_at<std::uint64_t>(object, "bytes_sent").value_or(0);
  if (const Json* data = find_at(object, "data")) tunnel.data = data_from(*data);
  tunnel.keepalive_rtt = duration_at(object, "keepalive_rtt_seconds");
  tunnel.probe_period = duration_at(object, "probe_period_seconds");
  tunnel.cipher = optional_at<std::string>(object, "cipher");
  tunnel.cipher_reason = text_at(object, "cipher_reason");
  tunnel.lease = text_at(object, "lease");
  tunnel.lease_outdated = optional_at<bool>(object, "lease_outdated").value_or(false);
  for (const Json& relay : list_at(object, "relays")) tunnel.relays.push_back(relay_from(relay));
  if (const Json* change = find_at(object, "change")) tunnel.change = change_from(*change);
  return tunnel;
}

LibsshReport libssh_from(const Json& object) {
  LibsshReport libssh{text_at(object, "version"), text_at(object, "build_id"), {}, text_at(object, "warning")};
  for (const Json& fault : optional_at<Json>(object, "faults").value_or(Json::array())) {
    libssh.faults.push_back(text(fault));
  }
  return libssh;
}

Report report_from(const Json& object) {
  Report report;
  report.version = text(object.at("version"));
  report.pid = optional_at<std::int64_t>(object, "pid").value_or(0);
  report.uptime = duration_at(object, "uptime_seconds").value_or(Duration{});
  if (const Json* configuration = find_at(object, "configuration")) {
    report.configuration = {text_at(*configuration, "path"), text_at(*configuration, "digest")};
  }
  if (const auto libssh = optional_at<Json>(object, "libssh")) report.libssh = libssh_from(*libssh);
  report.last_reload_error = optional_at<std::string>(object, "last_reload_error");
  if (const Json* log = find_at(object, "log")) {
    report.log_dropped = optional_at<std::uint64_t>(*log, "dropped").value_or(0);
  }
  for (const Json& problem : list_at(object, "unsaved")) report.unsaved.push_back(text(problem));
  for (const Json& tunnel : object.at("tunnels")) report.tunnels.push_back(tunnel_from(tunnel));
  return report;
}

}  // namespace

std::string to_json(const Report& report) {
  Json tunnels = Json::array();
  for (const TunnelReport& tunnel : report.tunnels) tunnels.push_back(to_document(tunnel));
  const Json document = {{"schema", schema_version},
                         {"version", report.version},
                         {"pid", report.pid},
                         {"uptime_seconds", seconds(report.uptime)},
                         {"configuration", report.configuration ? to_document(*report.configuration) : Json{}},
                         {"libssh", report.libssh ? to_document(*report.libssh) : Json{}},
                         {"health", spelling(health(report)).name},
                         {"summary", summary(report)},
                         {"last_reload_error", report.last_reload_error ? Json(*report.last_reload_error) : Json{}},
                         {"log", {{"dropped", report.log_dropped}}},
                         {"unsaved", report.unsaved},
                         {"tunnels", std::move(tunnels)}};
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

tl::expected<Report, std::string> from_json(const std::string& text) {
  try {
    const Json document = Json::parse(text);
    const auto schema = integer<std::int64_t>(document.at("schema"));
    if (!schema)
      return tl::unexpected<std::string>{"this is not a status document of holdfast: its schema is no number"};
    if (schema != schema_version) {
      return tl::unexpected{"the status has schema " + std::to_string(*schema) + ", and this holdfast reads schema " +
                            std::to_string(schema_version) +
                            ": use the holdfast command of the version that is running"};
    }
    return report_from(document);
  } catch (const Json::exception& error) {
    return tl::unexpected{"this is not a status document of holdfast: " + printable(error.what())};
  }
}

std::string error_text(const std::string& body) {
  const Json document = Json::parse(body, nullptr, false);
  const auto error = document.is_object() ? document.find("error") : document.end();
  return printable(error != document.end() && error->is_string() ? error->get<std::string>() : body);
}

}  // namespace holdfast::status
