#include "ssh/host_key_look.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>

#include "ssh/descriptor.hpp"
#include "ssh/errors.hpp"
#include "ssh/file.hpp"
#include "ssh/handles.hpp"
#include "ssh/host_key.hpp"
#include "ssh/key_pair.hpp"
#include "ssh/known_hosts.hpp"
#include "ssh/options.hpp"

namespace holdfast::ssh {
namespace {

using Clock = std::chrono::steady_clock;

Failure local_failure(const std::string& what) {
  return {Cause::local_error, "look at the host key of", what, errno_text(ENOMEM)};
}

/// ssh_connect() in pieces, because one that blocks waits for each packet anew: a relay could dribble for ever.
std::optional<Failure> exchange_keys(ssh_session session, int connected, const TunnelSpec& spec,
                                     Clock::time_point deadline) {
  std::string first_line;
  while (true) {
    if (first_line.empty()) first_line = peek_line(connected);  // libssh drops what is no banner
    const int rc = ssh_connect(session);
    set_nonblocking(connected);  // which libssh takes away when it considers the socket connected
    if (rc == SSH_OK) return std::nullopt;
    const char* banner = ssh_get_serverbanner(session);
    const Progress progress = banner == nullptr ? Progress::banner : Progress::key_exchange;
    if (rc == SSH_ERROR) {
      return explain(
          {progress, ssh_get_error(session), banner == nullptr ? "" : banner, first_line, !first_line.empty()}, spec);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return Failure{Cause::phase_timed_out, std::string{operation_name(progress)}, relay_name(spec), ""};
    pollfd ready{connected, POLLIN, 0};
    constexpr std::int64_t longest = 200;  // for what libssh has not written yet
    ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, longest)));
  }
}

}  // namespace

tl::expected<ShownHostKey, Failure> look_at_host_key(int connected, const TunnelSpec& spec,
                                                     std::chrono::seconds limit) {
  const auto deadline = Clock::now() + limit;
  const auto known_hosts = read_known_hosts(spec.user_known_hosts_file);
  const SessionHandle session{ssh_new()};
  const int own = ::dup(connected);  // libssh closes what it is given
  if (!session || own < 0) return tl::unexpected(local_failure(relay_name(spec)));
  ssh_set_blocking(session.get(), 0);
  if (auto failure = apply_options(session.get(), own, spec, known_hosts.value_or("")))
    return tl::unexpected(std::move(*failure));
  if (auto failure = exchange_keys(session.get(), connected, spec, deadline))
    return tl::unexpected(std::move(*failure));
  auto shown = server_key(session.get());
  auto check = verify_host_key(session.get(), spec, known_hosts);
  if (check.failure) return tl::unexpected(std::move(*check.failure));
  if (!shown) return tl::unexpected(local_failure(relay_name(spec)));
  const std::string known =
      known_hosts_name(spec.host_name, spec.port) + " " + shown->type + " " + shown->base64 + "\n";
  return ShownHostKey{shown->type, fingerprint(*shown), std::move(check.line), known};
}

}  // namespace holdfast::ssh
