#include "ssh/fingerprint.hpp"

#include "ssh/handles.hpp"

namespace holdfast::ssh {

std::string fingerprint(ssh_key key) {
  unsigned char* hash = nullptr;
  std::size_t length = 0;
  if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &length) != 0) return {};
  const HashHandle owner{hash};
  const TextHandle text{ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length)};
  return text ? text.get() : "";
}

std::string key_name(ssh_key key) {
  const char* type = ssh_key_type_to_char(ssh_key_type(key));
  return (type != nullptr ? std::string{type} : "key") + " " + fingerprint(key);
}

}  // namespace holdfast::ssh
