#include "ssh/handshake.hpp"

#include <string_view>
#include <utility>

#include "ssh/descriptor.hpp"
#include "ssh/handles.hpp"

namespace holdfast::ssh {

bool is_openssh(std::string_view banner) {
  constexpr std::string_view openssh = "SSH-2.0-OpenSSH_";
  return banner.starts_with(openssh) && banner.size() > openssh.size() && banner[openssh.size()] >= '1' &&
         banner[openssh.size()] <= '9';
}

Handshake::Handshake(const TunnelSpec& spec, std::shared_ptr<Storage> storage, std::shared_ptr<Learnt> learnt)
    : spec_(spec), storage_(std::move(storage)), learnt_(std::move(learnt)) {}

void Handshake::look_at_first_line(int socket) {
  if (!banner_seen_ && first_line_.empty()) first_line_ = peek_line(socket);
}

bool Handshake::has_new(const std::string& banner) {
  return !banner.empty() && !std::exchange(banner_seen_, true);
}

HostKeyCheck Handshake::check_host_key(ssh_session session) {
  HostKeyCheck check = verify_host_key(session, spec_, material_->known_hosts);
  host_key_ = check.shown;
  if (const char* name = ssh_get_cipher_out(session)) cipher_ = name;
  if (!check.failure && !check.met.empty()) know(check.line);
  return check;
}

std::vector<std::string> Handshake::learn_host_keys(ssh_session session, const std::vector<PublicKey>& told) {
  std::vector<std::string> names;
  if (!material_->known_hosts) return names;
  for (const LearntKey& key : ssh::learn_host_keys(session, spec_, *material_->known_hosts, told)) {
    know(key.line);
    names.push_back(key.name);
  }
  return names;
}

void Handshake::know(const std::string& line) {
  std::string& known = *material_->known_hosts;
  known += (known.empty() || known.back() == '\n' ? "" : "\n") + line;
  storage_->store(spec_.user_known_hosts_file, line);
}

void Handshake::begin_authentication(const boost::asio::any_io_executor& executor, std::function<void()> wake,
                                     bool listen_ahead) {
  listen_ahead_ = listen_ahead;
  authentication_began_ = Clock::now();
  authentication_ = std::make_unique<Authentication>(executor, spec_, material_->identities, std::move(wake));
}

Authentication::State Handshake::authenticate(ssh_session session, int socket, const std::string& banner,
                                              GlobalRequests& global, const ssh_counter_struct& packets) {
  const Cork cork(socket);
  const auto state = authentication_->step(session);
  note_banner_at_login(session);
  if (!round_trip_ && authentication_->service_accepted()) round_trip_ = Clock::now() - authentication_began_;
  const bool asked = state == Authentication::State::asked;
  if (asked && listen_ahead_ && learnt_->reads_ahead && is_openssh(banner)) global.listen_ahead(session, packets);
  return state;
}

void Handshake::note_banner_at_login(ssh_session session) {
  if (!banner_at_login_.empty()) return;
  const TextHandle banner{ssh_get_issue_banner(session)};
  if (banner) banner_at_login_ = sanitized_lines(banner.get());
}

}  // namespace holdfast::ssh
