#include "hostile_relay.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "support/keys.hpp"
#include "support/net.hpp"

namespace holdfast::test {

HostileRelay::HostileRelay(Misdeed misdeed, bool at_login) : misdeed_(std::move(misdeed)), at_login_(at_login) {
  Listener listener = Listener::tcp();
  port_ = listener.port();
  listener_ = ::dup(listener.fd());
  (void)client_key();  // made before there are threads
  (void)host_key(KeyType::ed25519);
  thread_ = std::thread([this] { serve(); });
}

HostileRelay::~HostileRelay() {
  ending_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

TunnelSpec HostileRelay::spec(const TempDir& dir) const {
  TunnelSpec spec;
  spec.host_name = "127.0.0.1";
  spec.port = port_;
  spec.user = "tunnel";
  spec.identity_file = {client_key()};
  spec.user_known_hosts_file = dir / "known_hosts";
  spec.remote_forward = {{"localhost", granted_port, TcpTarget{"localhost", 22}}};
  return spec;
}

void HostileRelay::serve() {
  const int descriptor = ::accept(listener_, nullptr, nullptr);
  if (descriptor < 0) return;
  ssh_bind bind = ssh_bind_new();
  const bool process_config = false;
  ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &process_config);
  ssh_bind_options_set(bind, SSH_BIND_OPTIONS_HOSTKEY, host_key(KeyType::ed25519).c_str());
  ssh_session session = ssh_new();
  const long limit = 20;
  ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &limit);
  if (ssh_bind_accept_fd(bind, session, descriptor) == SSH_OK && let_in(session)) {
    misdeed_(session);
    done_ = true;
    // Goes on serving: what the client answers has to be read.
    ssh_event event = ssh_event_new();
    ssh_event_add_session(event, session);
    while (!ending_ && ssh_is_connected(session) != 0 && (ssh_get_status(session) & SSH_CLOSED_ERROR) == 0) {
      ssh_event_dopoll(event, 10);
    }
    ssh_event_remove_session(event, session);
    ssh_event_free(event);
  }
  ssh_silent_disconnect(session);
  ssh_free(session);
  ssh_bind_free(bind);
}

bool HostileRelay::let_in(ssh_session session) {
  ssh_set_auth_methods(session, SSH_AUTH_METHOD_PUBLICKEY);
  if (ssh_handle_key_exchange(session) != SSH_OK) return false;
  while (ssh_message message = ssh_message_get(session)) {
    const int type = ssh_message_type(message);
    bool ready = false;
    if (type == SSH_REQUEST_AUTH && ssh_message_subtype(message) == SSH_AUTH_METHOD_PUBLICKEY) {
      ssh_message_auth_reply_success(message, 0);
      ready = at_login_;
    } else if (type == SSH_REQUEST_GLOBAL) {
      ssh_message_global_request_reply_success(message, granted_port);
      ready = true;
    } else {
      ssh_message_reply_default(message);
    }
    ssh_message_free(message);
    if (ready) return true;
  }
  return false;
}

}  // namespace holdfast::test
