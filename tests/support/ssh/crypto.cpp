#include "support/ssh/crypto.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stdexcept>

namespace holdfast::test {
namespace {

constexpr std::size_t key_size = 32;        // X25519, Ed25519, SHA-256
constexpr std::size_t signature_size = 64;  // Ed25519

void check(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("libcrypto: ") + what);
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  check(RAND_bytes(bytes_of(bytes), static_cast<int>(count)) == 1, "random");
  return bytes;
}

std::string sha256(std::string_view data) {
  std::string digest(key_size, '\0');
  check(EVP_Digest(data.data(), data.size(), bytes_of(digest), nullptr, EVP_sha256(), nullptr) == 1, "SHA-256");
  return digest;
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
  std::string digest(key_size, '\0');
  check(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(data), data.size(), bytes_of(digest),
             nullptr) != nullptr,
        "HMAC");
  return digest;
}

std::string base64(std::string_view data) {
  std::string text((data.size() + 2) / 3 * 4 + 1, '\0');  // with an end that we cut off
  const int size = EVP_EncodeBlock(bytes_of(text), bytes_of(data), static_cast<int>(data.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

KeyPair::KeyPair(int kind) {
  const std::shared_ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(kind, nullptr), EVP_PKEY_CTX_free);
  EVP_PKEY* key = nullptr;
  check(context && EVP_PKEY_keygen_init(context.get()) == 1 && EVP_PKEY_keygen(context.get(), &key) == 1, "keygen");
  key_.reset(key, EVP_PKEY_free);
}

KeyPair KeyPair::x25519() {
  return KeyPair(EVP_PKEY_X25519);
}

KeyPair KeyPair::ed25519() {
  return KeyPair(EVP_PKEY_ED25519);
}

std::string KeyPair::public_key() const {
  std::string key(key_size, '\0');
  std::size_t size = key.size();
  check(EVP_PKEY_get_raw_public_key(key_.get(), bytes_of(key), &size) == 1, "public key");
  return key;
}

std::string KeyPair::agree(std::string_view their_public_key) const {
  const std::shared_ptr<EVP_PKEY> theirs(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, bytes_of(their_public_key), their_public_key.size()),
      EVP_PKEY_free);
  const std::shared_ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key_.get(), nullptr), EVP_PKEY_CTX_free);
  std::string secret(key_size, '\0');
  std::size_t size = secret.size();
  check(theirs && context && EVP_PKEY_derive_init(context.get()) == 1 &&
            EVP_PKEY_derive_set_peer(context.get(), theirs.get()) == 1 &&
            EVP_PKEY_derive(context.get(), bytes_of(secret), &size) == 1,
        "key agreement");
  return secret;
}

std::string KeyPair::sign(std::string_view data) const {
  const std::shared_ptr<EVP_MD_CTX> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string signature(signature_size, '\0');
  std::size_t size = signature.size();
  check(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
            EVP_DigestSign(context.get(), bytes_of(signature), &size, bytes_of(data), data.size()) == 1,
        "signature");
  return signature;
}

Aes256Ctr::Aes256Ctr(std::string_view key, std::string_view iv) : context_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free) {
  check(context_ && EVP_EncryptInit_ex(context_.get(), EVP_aes_256_ctr(), nullptr, bytes_of(key), bytes_of(iv)) == 1,
        "AES-256-CTR");
}

std::string Aes256Ctr::apply(std::string_view data) {
  std::string result(data.size(), '\0');
  int size = 0;
  check(EVP_EncryptUpdate(context_.get(), bytes_of(result), &size, bytes_of(data), static_cast<int>(data.size())) == 1,
        "AES-256-CTR");
  return result;
}

}  // namespace holdfast::test
