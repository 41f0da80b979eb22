#include "cli/init/holder.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>

#include "cli/daemon.hpp"
#include "cli/init/way_in.hpp"
#include "setup/command.hpp"
#include "setup/files.hpp"
#include "status/json.hpp"

namespace holdfast::cli::steps {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds patience{30};

Options asking(const std::string& socket) {
  Options options;
  options.socket = socket;
  return options;
}

bool answers(const std::string& socket) {
  return ask(asking(socket), "/v1/status").has_value();
}

bool has_bad_proof(const TunnelReport& tunnel) {
  return std::any_of(tunnel.forwards.begin(), tunnel.forwards.end(),
                     [](const ForwardReport& forward) { return forward.proof && is_bad(forward.proof->result); });
}

/// What nobody mends by waiting, as it turned out since the wait began.
bool is_in_vain(const TunnelReport& tunnel, Duration waited) {
  const auto is_bad_proof = [&](const ForwardReport& forward) {
    return forward.proof && forward.proof->age < waited && is_bad(forward.proof->result);
  };
  if (std::any_of(tunnel.forwards.begin(), tunnel.forwards.end(), is_bad_proof)) return true;
  if (!tunnel.last_error || tunnel.last_error->age > waited) return false;
  const Cause cause = tunnel.last_error->failure.cause;
  return is_refused_login(cause) || cause == Cause::forward_refused || cause == Cause::privileged_port;
}

}  // namespace

/// How to ask the process that holds this tunnel, or is to hold it.
Options Holder::of_daemon() const {
  return asking(own_process_ ? socket_of_tunnel(plan_.status_socket, wish_.tunnel.name) : plan_.status_socket);
}

/// The units conflict: to start the process of all would end those of one tunnel, or keep them from the next boot.
bool Holder::is_one_process_a_tunnel() const {
  if (wish_.places.is_service() && setup::is_enabled("/etc/systemd/system", "holdfast@")) return true;
  const auto tunnels = tunnels_of_own_process(plan_.status_socket);
  return std::any_of(tunnels.begin(), tunnels.end(),
                     [&](const std::string& tunnel) { return answers(socket_of_tunnel(plan_.status_socket, tunnel)); });
}

bool Holder::start(bool key_is_new, bool configuration_is_new) {
  own_process_ = !answers(plan_.status_socket) && is_one_process_a_tunnel();
  if (own_process_) wish_.say("start", "each tunnel has a process of its own here; this one's is " + unit());
  const bool runs = answers(*of_daemon().socket);
  const bool systemd = exists("/run/systemd/system") && wish_.places.kind != Places::Kind::named;
  if (wish_.options.no_start || (!systemd && !runs)) {
    wish_.say("start", "not by this command; in the foreground: " + wish_.places.foreground(only()));
    return false;
  }
  if (!runs) {
    systemctl({"enable", "--now"});
    wish_.say("start", "started, now and at every boot");
  } else if (systemd && wish_.places.is_service() && key_is_new) {
    systemctl({"restart"});  // systemd hands the key over when it starts the service
    wish_.say("start", "started anew, with the new key");
  } else if (configuration_is_new || !look()) {
    reload();
  } else {
    reconnect();
  }
  if (systemd && !wish_.places.is_service()) warn_of_logout();
  return true;
}

void Holder::systemctl(const std::vector<std::string>& verb) const {
  std::vector<std::string> command{"systemctl"};
  if (!wish_.places.is_service()) command.emplace_back("--user");
  command.insert(command.end(), verb.begin(), verb.end());
  command.push_back(unit());
  const auto ended = setup::run(command);
  if (ended && ended->exit_status == 0) return;
  throw Stopped{"systemd did not start " + unit() + ": it says why above, or journalctl" +
                std::string{wish_.places.is_service() ? "" : " --user"} + " -u " + unit() +
                " does; in the foreground: " + wish_.places.foreground(only())};
}

void Holder::warn_of_logout() const {
  const auto linger = setup::run({"loginctl", "show-user", user_name(), "-p", "Linger", "--value"});
  if (linger && linger->output == "no\n")
    wish_.say("start", "it ends when you log out, unless: sudo loginctl enable-linger " + user_name());
}

void Holder::reload() const {
  const auto response = command(of_daemon(), "/v1/reload");
  if (!response) throw Stopped{response.error().text};
  if (response->status != 200)
    throw Stopped{"the running holdfast refuses the configuration:\n" + status::error_text(response->body)};
  wish_.say("start", "it runs already, and has read the configuration again");
}

/// One that waits for its next try is to try now. One that only lacks a proof may have visitors.
void Holder::reconnect() const {
  if (const auto tunnel = look(); tunnel && (!tunnel->up || has_bad_proof(*tunnel)))
    static_cast<void>(command(of_daemon(), "/v1/tunnels/" + wish_.tunnel.name + "/reconnect"));
  wish_.say("start", "it runs already");
}

std::optional<TunnelReport> Holder::look() const {
  const auto response = ask(of_daemon(), "/v1/status");
  const auto report = response ? status::from_json(response->body) : tl::unexpected<std::string>("");
  if (!report) return std::nullopt;
  for (const TunnelReport& tunnel : report->tunnels) {
    if (tunnel.name == wish_.tunnel.name) return tunnel;
  }
  return std::nullopt;
}

/// Up, and proven where the configuration has it proven.
bool Holder::is_good(const TunnelReport& tunnel) const {
  if (!tunnel.up || has_bad_proof(tunnel)) return false;
  return plan_.spec.verify_interval == Duration::zero() ||
         std::all_of(tunnel.forwards.begin(), tunnel.forwards.end(),
                     [](const ForwardReport& forward) { return forward.proof.has_value(); });
}

void Holder::wait() const {
  const auto began = steady_clock::now();
  std::optional<TunnelReport> tunnel;
  Duration waited{};
  do {
    tunnel = look();
    waited = steady_clock::now() - began;
    if (tunnel && is_good(*tunnel))
      return wish_.say("tunnel", "up: " + condition(tunnel->forwards.front()) + "; see 'holdfast status'");
    if (tunnel && is_in_vain(*tunnel, waited)) break;
    constexpr int between_looks = 100;  // ms
    ::poll(nullptr, 0, between_looks);
  } while (waited < patience);
  if (!tunnel) throw Stopped{"holdfast does not answer on " + *of_daemon().socket + ": look at its log"};
  std::string why = "tunnel " + wish_.tunnel.name + " is not as it should be: " + condition(*tunnel);
  for (const ForwardReport& forward : tunnel->forwards) {
    if (forward.proof && forward.proof->failure) return fail(why, *forward.proof->failure);
  }
  if (tunnel->last_error) return fail(why, tunnel->last_error->failure);
  throw Stopped{why};
}

void Holder::fail(const std::string& why, const Failure& failure) const {
  std::string text = why + "\n" + std::string{remedy(failure)};
  if (failure.cause == Cause::authentication_refused) text += "\nThe line that it needs stands above.";
  if (failure.cause == Cause::target_down) text += missing_server(wish_);
  throw Stopped{text};
}

}  // namespace holdfast::cli::steps
