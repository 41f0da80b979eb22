#pragma once

#include <string>
#include <vector>

namespace holdfast::test {

enum class KeyType { ed25519, ecdsa, rsa };

/// A private key's path; the public key is beside it in ".pub". Made by ssh-keygen on first use, once a test process.
std::string client_key(KeyType type = KeyType::ed25519);
std::string stranger_key();   ///< no relay has it in its authorized_keys
std::string encrypted_key();  ///< ed25519, in authorized_keys, passphrase "secret"
std::string ca_key();         ///< signs certificates

/// "ssh-ed25519 AAAA..." of a private key's path, no comment.
std::string public_key(const std::string& private_key);
/// "SHA256:...", as ssh-keygen says.
std::string fingerprint(const std::string& private_key);
/// client_key() of each type, and encrypted_key(): what a relay has in its authorized_keys unless told otherwise.
std::vector<std::string> all_client_public_keys();

/// Signs private_key + ".pub" with ca_key() for one principal; the certificate's path.
std::string sign_certificate(const std::string& private_key, const std::string& principal);

/// The path of host key number `set` of this type: sets differ, so a relay can change its key.
std::string host_key(KeyType type, int set = 0);

}  // namespace holdfast::test
