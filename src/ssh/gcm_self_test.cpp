#include "ssh/gcm_self_test.hpp"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "ssh/descriptor.hpp"
#include "ssh/handles.hpp"

namespace holdfast::ssh {
namespace {

constexpr const char* cipher = "aes128-gcm@openssh.com";
constexpr std::chrono::seconds time_limit{10};

using BindHandle = std::unique_ptr<ssh_bind_struct, FreeWith<ssh_bind_free>>;

/// One end of the conversation, and the relay's end of its socket pair.
struct Side {
  Side() : session(ssh_new()), event(ssh_event_new()) {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0) given = duplicate(pair[0]);
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  ~Side() {
    event.reset();
    session.reset();
    close_duplicate(given, pair[0]);
    for (const int end : pair) {
      if (end >= 0) ::close(end);
    }
  }

  bool complete() const { return session && event && given >= 0; }
  bool alive() const { return !is_dead(session.get()); }
  int far_end() const { return pair[1]; }

  SessionHandle session;
  EventHandle event;
  std::array<int, 2> pair{-1, -1};
  int given = -1;  ///< to libssh, which may close it
};

bool start_client(const Side& client) {
  ssh_session_struct* session = client.session.get();
  const bool process_config = false;
  ssh_set_blocking(session, 0);
  return ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &process_config) == SSH_OK &&
         ssh_options_set(session, SSH_OPTIONS_HOST, "nobody") == SSH_OK &&
         ssh_options_set(session, SSH_OPTIONS_USER, "nobody") == SSH_OK &&
         ssh_options_set(session, SSH_OPTIONS_SSH_DIR, "/nonexistent") == SSH_OK &&
         ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") == SSH_OK &&
         ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") == SSH_OK &&
         ssh_options_set(session, SSH_OPTIONS_FD, &client.given) == SSH_OK &&
         ssh_options_set(session, SSH_OPTIONS_CIPHERS_C_S, cipher) == SSH_OK &&
         ssh_options_set(session, SSH_OPTIONS_CIPHERS_S_C, cipher) == SSH_OK && ssh_connect(session) != SSH_ERROR &&
         ssh_event_add_session(client.event.get(), session) == SSH_OK;
}

bool start_server(const Side& server) {
  const bool process_config = false;
  const BindHandle bind(ssh_bind_new());
  ssh_key key = nullptr;
  if (!bind || ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK) return false;
  KeyHandle owned(key);
  if (ssh_bind_options_set(bind.get(), SSH_BIND_OPTIONS_IMPORT_KEY, key) != SSH_OK) return false;
  static_cast<void>(owned.release());  // to `bind`
  if (ssh_bind_options_set(bind.get(), SSH_BIND_OPTIONS_PROCESS_CONFIG, &process_config) != SSH_OK ||
      ssh_bind_options_set(bind.get(), SSH_BIND_OPTIONS_CIPHERS_C_S, cipher) != SSH_OK ||
      ssh_bind_options_set(bind.get(), SSH_BIND_OPTIONS_CIPHERS_S_C, cipher) != SSH_OK ||
      ssh_bind_accept_fd(bind.get(), server.session.get(), server.given) != SSH_OK) {
    return false;
  }
  ssh_set_blocking(server.session.get(), 0);
  return ssh_handle_key_exchange(server.session.get()) != SSH_ERROR &&
         ssh_event_add_session(server.event.get(), server.session.get()) == SSH_OK;
}

void pass_on(int from, int to, bool change) {
  std::array<unsigned char, 16384> data{};
  const ssize_t count = ::recv(from, data.data(), data.size(), MSG_DONTWAIT);
  if (count <= 0) return;
  const auto size = static_cast<std::size_t>(count);
  if (change) data[size - 1] ^= 1U;
  if (::send(to, data.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT) != count) ::shutdown(to, SHUT_RDWR);
}

/// What became of the client's first encrypted request.
enum class Fate { taken, session_ended, none };

Fate request_fate(bool change) {
  const Side client;
  const Side server;
  if (!client.complete() || !server.complete() || !start_client(client) || !start_server(server)) return Fate::none;
  const auto end = std::chrono::steady_clock::now() + time_limit;
  bool client_has_keys = false;
  bool server_has_keys = false;
  while (std::chrono::steady_clock::now() < end) {
    if (client.alive()) ssh_event_dopoll(client.event.get(), 1);
    if (server.alive()) ssh_event_dopoll(server.event.get(), 1);
    client_has_keys = client_has_keys || ssh_connect(client.session.get()) == SSH_OK;
    server_has_keys = server_has_keys || ssh_handle_key_exchange(server.session.get()) == SSH_OK;
    const bool both = client_has_keys && server_has_keys;
    if (both) ssh_service_request(client.session.get(), "ssh-userauth");
    if (both && MessageHandle(ssh_message_get(server.session.get()))) return Fate::taken;
    if (!server.alive()) return both ? Fate::session_ended : Fate::none;
    pass_on(client.far_end(), server.far_end(), both && change);
    pass_on(server.far_end(), client.far_end(), false);
  }
  return Fate::none;
}

}  // namespace

GcmTags try_gcm_tags() {
  // Only a conversation that works unchanged tells something when it ends.
  if (request_fate(false) != Fate::taken) return GcmTags::unknown;
  switch (request_fate(true)) {
    case Fate::taken:
      return GcmTags::ignored;
    case Fate::session_ended:
      return GcmTags::verified;
    case Fate::none:
      break;
  }
  return GcmTags::unknown;
}

}  // namespace holdfast::ssh
