#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;
struct evp_cipher_ctx_st;

/// What our SSH transport needs of OpenSSL's libcrypto. A failure throws std::runtime_error.
namespace holdfast::test {

std::string random_bytes(std::size_t count);
std::string sha256(std::string_view data);
std::string hmac_sha256(std::string_view key, std::string_view data);
std::string base64(std::string_view data);

/// A fresh pair on curve 25519.
class KeyPair {
 public:
  static KeyPair x25519();   ///< to agree on a secret
  static KeyPair ed25519();  ///< to sign

  std::string public_key() const;
  std::string agree(std::string_view their_public_key) const;
  std::string sign(std::string_view data) const;

 private:
  explicit KeyPair(int kind);
  std::shared_ptr<evp_pkey_st> key_;
};

/// One direction of a stream; both ways are the same.
class Aes256Ctr {
 public:
  Aes256Ctr(std::string_view key, std::string_view iv);
  std::string apply(std::string_view data);

 private:
  std::shared_ptr<evp_cipher_ctx_st> context_;
};

}  // namespace holdfast::test
