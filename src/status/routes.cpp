#include "status/routes.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "status/json.hpp"

namespace holdfast::status {
namespace {

Answer text(unsigned status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body), ""};
}

Answer done(unsigned status, const std::string& result) {
  return {status, "application/json",
          nlohmann::json{{"result", result}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", ""};
}

Answer not_allowed(const std::string& allow) {
  Answer answer = problem(405, "this address answers " + allow + " only");
  answer.allow = allow;
  return answer;
}

/// RFC 3986, 2.1. Absent: a percent sign without two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view encoded) {
  std::string decoded;
  for (std::size_t at = 0; at < encoded.size(); ++at) {
    if (encoded[at] != '%') {
      decoded += encoded[at];
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = encoded.substr(at + 1, 2);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || parsed.ec != std::errc{} || parsed.ptr != digits.data() + 2) return std::nullopt;
    decoded += static_cast<char>(value);
    at += 2;
  }
  return decoded;
}

Answer ready(const Report& report) {
  std::string lines;
  bool all_ready = !report.tunnels.empty();
  for (const TunnelReport& tunnel : report.tunnels) {
    all_ready = all_ready && is_ready(tunnel);
    lines += tunnel.name + ": " + condition(tunnel) + "\n";
  }
  if (report.tunnels.empty()) lines = "no tunnels configured\n";
  return text(all_ready ? 200 : 503, std::move(lines));
}

/// "; there are: relay, backup"
std::string known_names(const Source& source) {
  constexpr std::size_t most = 10;
  const Report report = source.report();
  std::string names;
  for (std::size_t index = 0; index < report.tunnels.size() && index < most; ++index) {
    names += (index == 0 ? "; there are: " : ", ") + report.tunnels[index].name;
  }
  return report.tunnels.size() > most ? names + ", ..." : names;
}

/// What is asked of the tunnel that is called `tunnel`.
using Command = std::function<Answer(Source& source, const std::string& tunnel)>;

Answer no_such_tunnel(const Source& source, const std::string& name) {
  return problem(404, "no tunnel is called '" + name + "'" + known_names(source));
}

Answer reconnect(Source& source, const std::string& name) {
  return source.reconnect(name) ? done(202, "reconnecting") : no_such_tunnel(source, name);
}

Answer examine(Source& source, const std::string& name) {
  const auto tunnels = source.report().tunnels;
  const bool known =
      std::any_of(tunnels.begin(), tunnels.end(), [&](const auto& tunnel) { return tunnel.name == name; });
  if (!known) return no_such_tunnel(source, name);
  Answer answer{200, "application/x-ndjson", "", ""};
  answer.pieces = [&source, name](Source::Tell tell) { return source.examine(name, std::move(tell)); };
  return answer;
}

struct TunnelRequest {
  std::string_view encoded_name;
  Command command;
};

/// Parses /v1/tunnels/NAME/reconnect and /v1/tunnels/NAME/doctor.
std::optional<TunnelRequest> tunnel_request(std::string_view path) {
  constexpr std::string_view before = "/v1/tunnels/";
  if (!path.starts_with(before)) return std::nullopt;
  path.remove_prefix(before.size());
  const std::size_t slash = path.find('/');
  if (slash == 0 || slash == std::string_view::npos) return std::nullopt;
  const std::string_view what = path.substr(slash);
  if (what == "/reconnect") return TunnelRequest{path.substr(0, slash), reconnect};
  if (what == "/doctor") return TunnelRequest{path.substr(0, slash), examine};
  return std::nullopt;
}

std::string_view path_of(const Request& request) {
  return request.target.substr(0, request.target.find('?'));
}

Answer answer_at_once(const Request& request, Source& source) {
  const std::string_view path = path_of(request);
  const bool reading = request.method == "GET" || request.method == "HEAD";
  if (!reading && !request.refusal.empty()) return problem(403, std::string{request.refusal});
  if (path == "/healthz" || path == "/readyz" || path == "/v1/status") {
    if (!reading) return not_allowed("GET, HEAD");
    if (path == "/healthz") return text(200, "ok\n");
    const Report report = source.report();
    return path == "/readyz" ? ready(report) : Answer{200, "application/json", to_json(report), ""};
  }
  const auto tunnel = tunnel_request(path);
  if (path != "/v1/reload" && !tunnel) {
    return problem(404,
                   "there is no such address; these are: /healthz, /readyz, /v1/status, /v1/reload, "
                   "/v1/tunnels/NAME/reconnect, /v1/tunnels/NAME/doctor");
  }
  if (!tunnel || request.method != "POST") return not_allowed("POST");
  const auto name = percent_decoded(tunnel->encoded_name);
  if (!name) return problem(400, "the tunnel's name is not correctly percent-encoded");
  return tunnel->command(source, *name);
}

}  // namespace

Answer problem(unsigned status, const std::string& error) {
  const nlohmann::json body = {{"error", error}};
  // ASCII: it may repeat what somebody asked for, and a terminal may show it as it is.
  return {status, "application/json", body.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n", ""};
}

void answer(const Request& request, Source& source, const std::function<void(Answer)>& reply) {
  if (path_of(request) != "/v1/reload" || request.method != "POST" || !request.refusal.empty()) {
    return reply(answer_at_once(request, source));
  }
  source.reload([reply](const std::optional<std::string>& refusal) {
    reply(refusal ? problem(422, *refusal) : done(200, "reloaded"));
  });
}

}  // namespace holdfast::status
