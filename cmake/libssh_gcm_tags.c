/* Does this libssh notice that an AES-GCM packet was changed on its way (CVE-2026-59847)? Exits with 0 if it does, with
   1 if it takes the packet, with 2 if that could not be found out. A client and a server of libssh talk in this
   process, through a relay that changes the last byte of the first encrypted packet: a byte of its tag. */
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static const char* const cipher = "aes128-gcm@openssh.com";

struct Side {
  ssh_session session;
  ssh_event event;
  int far_end; /* of its socket pair: the relay's */
};

static bool connect_side(struct Side* side, int* near_end) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return false;
  *near_end = pair[0];
  side->far_end = pair[1];
  side->session = ssh_new();
  side->event = ssh_event_new();
  return side->session != NULL && side->event != NULL;
}

static bool make_client(struct Side* client) {
  int near_end = -1;
  const bool process_config = false;
  if (!connect_side(client, &near_end)) return false;
  ssh_set_blocking(client->session, 0);
  return ssh_options_set(client->session, SSH_OPTIONS_PROCESS_CONFIG, &process_config) == SSH_OK &&
         ssh_options_set(client->session, SSH_OPTIONS_HOST, "nobody") == SSH_OK &&
         ssh_options_set(client->session, SSH_OPTIONS_USER, "nobody") == SSH_OK &&
         ssh_options_set(client->session, SSH_OPTIONS_SSH_DIR, "/nonexistent") == SSH_OK &&
         ssh_options_set(client->session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") == SSH_OK &&
         ssh_options_set(client->session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") == SSH_OK &&
         ssh_options_set(client->session, SSH_OPTIONS_FD, &near_end) == SSH_OK &&
         ssh_options_set(client->session, SSH_OPTIONS_CIPHERS_C_S, cipher) == SSH_OK &&
         ssh_options_set(client->session, SSH_OPTIONS_CIPHERS_S_C, cipher) == SSH_OK &&
         ssh_connect(client->session) != SSH_ERROR && ssh_event_add_session(client->event, client->session) == SSH_OK;
}

static bool make_server(struct Side* server) {
  int near_end = -1;
  const bool process_config = false;
  ssh_key key = NULL;
  ssh_bind bind = ssh_bind_new();
  if (!connect_side(server, &near_end) || bind == NULL) return false;
  if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK) return false;
  if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &process_config) != SSH_OK ||
      ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) != SSH_OK ||
      ssh_bind_options_set(bind, SSH_BIND_OPTIONS_CIPHERS_C_S, cipher) != SSH_OK ||
      ssh_bind_options_set(bind, SSH_BIND_OPTIONS_CIPHERS_S_C, cipher) != SSH_OK ||
      ssh_bind_accept_fd(bind, server->session, near_end) != SSH_OK) {
    return false;
  }
  ssh_set_blocking(server->session, 0);
  return ssh_handle_key_exchange(server->session) != SSH_ERROR &&
         ssh_event_add_session(server->event, server->session) == SSH_OK;
}

static void pass_on(int from, int to, bool change) {
  unsigned char data[16384];
  const ssize_t count = recv(from, data, sizeof data, MSG_DONTWAIT);
  if (count <= 0) return;
  if (change) data[count - 1] ^= 1;
  if (send(to, data, (size_t)count, MSG_NOSIGNAL) != count) shutdown(to, SHUT_RDWR);
}

static bool alive(const struct Side* side) {
  return ssh_is_connected(side->session) && (ssh_get_status(side->session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) == 0;
}

/* The server's half of what follows the keys: whether the client's first request came through. */
static bool request_taken(struct Side* server) {
  ssh_message message = ssh_message_get(server->session);
  if (message == NULL) return false;
  ssh_message_free(message);
  return true;
}

/* 1: the request came through; 0: the server ended the session; -1: neither within ten seconds. */
static int request_fate(bool change) {
  struct Side client, server;
  if (!make_client(&client) || !make_server(&server)) return -1;
  const time_t end = time(NULL) + 10;
  bool client_has_keys = false, server_has_keys = false;
  while (time(NULL) < end) {
    if (alive(&client)) ssh_event_dopoll(client.event, 1);
    if (alive(&server)) ssh_event_dopoll(server.event, 1);
    client_has_keys = client_has_keys || ssh_connect(client.session) == SSH_OK;
    server_has_keys = server_has_keys || ssh_handle_key_exchange(server.session) == SSH_OK;
    const bool both = client_has_keys && server_has_keys;
    if (both) ssh_service_request(client.session, "ssh-userauth");
    if (both && request_taken(&server)) return 1;
    if (!alive(&server)) return both ? 0 : -1;
    pass_on(client.far_end, server.far_end, both && change);
    pass_on(server.far_end, client.far_end, false);
  }
  return -1;
}

int main(void) {
  if (ssh_init() != SSH_OK) return 2;
  if (request_fate(false) != 1) return 2;
  const int fate = request_fate(true);
  if (fate < 0) return 2;
  return fate == 0 ? 0 : 1;
}
