#include "ssh/identity.hpp"

#include <strings.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <tl/expected.hpp>

#include "ssh/file.hpp"
#include "ssh/fingerprint.hpp"
#include "ssh/key_pair.hpp"

namespace holdfast::ssh {
namespace {

constexpr std::size_t largest_key = std::size_t{1024} * 1024;

struct Import {
  KeyHandle key;
  bool needs_passphrase = false;
};

/// Wipes the text.
Import import_private_key(std::string text) {
  Import result;
  const auto refuse = [](const char*, char*, std::size_t, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  };
  ssh_key key = nullptr;
  if (ssh_pki_import_privkey_base64(text.c_str(), nullptr, refuse, &result.needs_passphrase, &key) == SSH_OK) {
    result.key.reset(key);
  }
  ::explicit_bzero(text.data(), text.size());
  return result;
}

std::optional<std::string> public_blob(const ssh_key_struct* private_key) {
  ssh_key raw = nullptr;
  auto* key = const_cast<ssh_key_struct*>(private_key);  // libssh's const is on the pointer
  if (ssh_pki_export_privkey_to_pubkey(key, &raw) != SSH_OK) return std::nullopt;
  const KeyHandle public_key{raw};
  char* base64 = nullptr;
  if (ssh_pki_export_pubkey_base64(public_key.get(), &base64) != SSH_OK) return std::nullopt;
  const TextHandle owner{base64};
  return std::string{base64};
}

struct Certificate {
  CertificateFile file;
  KeyHandle key;
};

/// Also says in `error` why, unless there simply is no file.
tl::expected<std::string, int> read_key_file(const std::string& path, int& error) {
  auto text = read_file(path, largest_key);
  if (!text && text.error() != ENOENT) error = text.error();
  return text;
}

tl::expected<Certificate, std::string> load_certificate(const std::string& path, int& error) {
  const auto text = read_key_file(path, error);
  if (!text) return tl::unexpected(path + ": " + errno_text(text.error()));
  const auto type = text->substr(0, text->find(' '));
  const auto rest = text->substr(std::min(type.size() + 1, text->size()));
  auto base64 = rest.substr(0, rest.find_first_of(" \t\r\n"));
  // libssh takes a bare public key, too.
  const bool named_so = type.find("-cert-v") != std::string::npos;
  ssh_key key = nullptr;
  if (!named_so || ssh_pki_import_cert_base64(base64.c_str(), ssh_key_type_from_name(type.c_str()), &key) != SSH_OK) {
    return tl::unexpected(path + ": no certificate that libssh can read");
  }
  return Certificate{{path, std::move(base64), {}}, KeyHandle{key}};
}

/// All that were named, and those beside the identities, which need not exist.
std::vector<Certificate> load_certificates(const TunnelSpec& spec, Identities& identities) {
  std::vector<Certificate> certificates;
  for (const auto& path : spec.certificate_file) {
    if (auto certificate = load_certificate(path, identities.error)) {
      certificates.push_back(std::move(*certificate));
    } else {
      identities.problems.push_back({path, certificate.error()});
    }
  }
  for (const auto& path : spec.identity_file) {
    if (auto certificate = load_certificate(path + "-cert.pub", identities.error))
      certificates.push_back(std::move(*certificate));
  }
  return certificates;
}

/// libssh reads more than it signs with: a security key's private half is in a token, and a short RSA key it refuses.
std::optional<std::string> why_no_login(ssh_key key) {
  constexpr std::size_t shortest_rsa = 1024;
  constexpr std::array<ssh_keytypes_e, 5> signing{SSH_KEYTYPE_RSA, SSH_KEYTYPE_ECDSA_P256, SSH_KEYTYPE_ECDSA_P384,
                                                  SSH_KEYTYPE_ECDSA_P521, SSH_KEYTYPE_ED25519};
  const auto type = ssh_key_type(key);
  if (std::find(signing.begin(), signing.end(), type) == signing.end()) {
    return std::string{" is of a type that libssh can't log in with: "} + ssh_key_type_to_char(type);
  }
  const auto bits = rsa_bits(public_blob(key).value_or(""));
  if (!bits || *bits >= shortest_rsa) return std::nullopt;
  return " is an RSA key of " + std::to_string(*bits) + " bits, which is too short";
}

tl::expected<KeyHandle, std::string> load_private_key(const std::string& path, int& error) {
  auto text = read_key_file(path, error);
  if (!text) return tl::unexpected(path + ": " + errno_text(text.error()));
  auto import = import_private_key(std::move(*text));
  if (!import.key) {
    return tl::unexpected(path + (import.needs_passphrase ? " needs a passphrase: use an agent or an unencrypted key"
                                                          : ": no private key that libssh can read"));
  }
  if (const auto reason = why_no_login(import.key.get())) return tl::unexpected(path + *reason);
  return std::move(import.key);
}

}  // namespace

std::optional<std::string> login_key(const TunnelSpec& spec) {
  int ignored = 0;
  for (const auto& path : spec.identity_file) {
    if (const auto key = load_private_key(path, ignored)) return public_blob(key->get());
  }
  return std::nullopt;
}

tl::expected<PublicKey, std::string> public_half(const std::string& private_key_file) {
  int ignored = 0;
  const auto key = load_private_key(private_key_file, ignored);
  if (!key) return tl::unexpected(key.error());
  auto blob = public_blob(key->get());
  if (!blob) return tl::unexpected(private_key_file + ": libssh gives no public half");
  return PublicKey{ssh_key_type_to_char(ssh_key_type(key->get())), std::move(*blob)};
}

std::optional<std::string> make_private_key() {
  ssh_key raw = nullptr;
  if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &raw) != SSH_OK) return std::nullopt;
  const KeyHandle key{raw};
  char* text = nullptr;
  if (ssh_pki_export_privkey_base64(key.get(), nullptr, nullptr, nullptr, &text) != SSH_OK) return std::nullopt;
  const TextHandle owner{text};
  std::string copy{text};
  ::explicit_bzero(text, copy.size());
  return copy;
}

std::string fingerprint(const PublicKey& key) {
  ssh_key raw = nullptr;
  const auto type = ssh_key_type_from_name(key.type.c_str());
  if (ssh_pki_import_pubkey_base64(key.base64.c_str(), type, &raw) != SSH_OK) return "";
  return fingerprint(KeyHandle{raw}.get());
}

Identities load_identities(const TunnelSpec& spec) {
  Identities identities;
  auto certificates = load_certificates(spec, identities);
  for (const auto& path : spec.identity_file) {
    auto key = load_private_key(path, identities.error);
    if (!key) {
      identities.problems.push_back({path, key.error()});
      continue;
    }
    const auto blob = public_blob(key->get());
    for (auto& certificate : certificates) {
      if (!blob || !certifies(certificate.file.base64, *blob)) continue;
      certificate.file.terms = terms_of(certificate.file.base64, *blob);
      KeyHandle certified{ssh_key_dup(key->get())};
      if (certified && ssh_pki_copy_cert_to_privkey(certificate.key.get(), certified.get()) == SSH_OK) {
        identities.usable.push_back({certificate.file.path, std::move(certified)});
      }
    }
    identities.usable.push_back({path, std::move(*key)});
  }
  for (auto& certificate : certificates) identities.certificates.push_back(std::move(certificate.file));
  return identities;
}

}  // namespace holdfast::ssh
