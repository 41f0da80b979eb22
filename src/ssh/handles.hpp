#pragma once

#include <libssh/libssh.h>
#include <libssh/server.h>

#include <memory>

/// Owners of what libssh hands out. No ssh_* type leaves this folder.
namespace holdfast::ssh {

template <auto release>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    release(object);
  }
};

struct FreeHash {
  void operator()(unsigned char* hash) const { ssh_clean_pubkey_hash(&hash); }
};

using SessionHandle = std::unique_ptr<ssh_session_struct, FreeWith<ssh_free>>;
using EventHandle = std::unique_ptr<ssh_event_struct, FreeWith<ssh_event_free>>;
using KeyHandle = std::unique_ptr<ssh_key_struct, FreeWith<ssh_key_free>>;
using ChannelHandle = std::unique_ptr<ssh_channel_struct, FreeWith<ssh_channel_free>>;
using MessageHandle = std::unique_ptr<ssh_message_struct, FreeWith<ssh_message_free>>;
using TextHandle = std::unique_ptr<char, FreeWith<ssh_string_free_char>>;
using HashHandle = std::unique_ptr<unsigned char, FreeHash>;
/// A session can die without any call saying so: a packet that can't be decrypted, a DISCONNECT while an operation
/// is under way. So ask after every pump.
inline bool is_dead(ssh_session session) {
  return ssh_is_connected(session) == 0 || (ssh_get_status(session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0;
}

using KnownHostHandle = std::unique_ptr<ssh_knownhosts_entry, FreeWith<ssh_knownhosts_entry_free>>;

}  // namespace holdfast::ssh
