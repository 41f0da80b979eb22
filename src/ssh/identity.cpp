#include "ssh/identity.hpp"

#include <strings.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "ssh/errors.hpp"
#include "ssh/file.hpp"

namespace holdfast::ssh {
namespace {

constexpr std::size_t largest_key = std::size_t{1024} * 1024;

std::string decode_base64(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char letter : text) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto value = alphabet.find(letter);
    if (value == std::string_view::npos) break;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>((bits >> count) & 0xff));
    }
  }
  return bytes;
}

/// The next string of RFC 4251, 5; `blob` is shortened by it, or emptied when there is none.
std::string_view next_string(std::string_view& blob) {
  constexpr std::size_t header = 4;
  std::size_t length = 0;
  for (std::size_t i = 0; i < header && i < blob.size(); ++i) {
    length = (length << 8) | static_cast<unsigned char>(blob[i]);
  }
  if (blob.size() < header || blob.size() - header < length) {
    blob = {};
    return {};
  }
  const auto text = blob.substr(header, length);
  blob.remove_prefix(header + length);
  return text;
}

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
  std::string path;
  std::string base64;
  KeyHandle key;
};

tl::expected<Certificate, std::string> load_certificate(const std::string& path) {
  const auto text = read_file(path, largest_key);
  if (!text) return tl::unexpected(path + ": " + errno_text(text.error()));
  const auto type = text->substr(0, text->find(' '));
  const auto rest = text->substr(std::min(type.size() + 1, text->size()));
  auto base64 = rest.substr(0, rest.find_first_of(" \t\r\n"));
  ssh_key key = nullptr;
  if (ssh_pki_import_cert_base64(base64.c_str(), ssh_key_type_from_name(type.c_str()), &key) != SSH_OK) {
    return tl::unexpected(path + ": no certificate that libssh can read");
  }
  return Certificate{path, std::move(base64), KeyHandle{key}};
}

/// All that were named, and those beside the identities, which need not exist.
std::vector<Certificate> load_certificates(const TunnelSpec& spec, std::vector<std::string>& problems) {
  std::vector<Certificate> certificates;
  for (const auto& path : spec.certificate_file) {
    if (auto certificate = load_certificate(path)) {
      certificates.push_back(std::move(*certificate));
    } else {
      problems.push_back(certificate.error());
    }
  }
  for (const auto& path : spec.identity_file) {
    if (auto certificate = load_certificate(path + "-cert.pub")) certificates.push_back(std::move(*certificate));
  }
  return certificates;
}

tl::expected<KeyHandle, std::string> load_private_key(const std::string& path) {
  auto text = read_file(path, largest_key);
  if (!text) return tl::unexpected(path + ": " + errno_text(text.error()));
  auto import = import_private_key(std::move(*text));
  if (import.key) return std::move(import.key);
  return tl::unexpected(path + (import.needs_passphrase ? " needs a passphrase: use an agent or an unencrypted key"
                                                        : ": no private key that libssh can read"));
}

}  // namespace

bool certifies(const std::string& certificate, const std::string& public_key) {
  const std::string certificate_bytes = decode_base64(certificate);
  const std::string key_bytes = decode_base64(public_key);
  std::string_view fields = certificate_bytes;
  std::string_view key_fields = key_bytes;
  next_string(fields);  // the type
  next_string(fields);  // a nonce
  next_string(key_fields);
  return !key_fields.empty() && fields.starts_with(key_fields);
}

std::optional<std::string> login_key(const TunnelSpec& spec) {
  for (const auto& path : spec.identity_file) {
    if (const auto key = load_private_key(path)) return public_blob(key->get());
  }
  return std::nullopt;
}

Identities load_identities(const TunnelSpec& spec) {
  Identities identities;
  const auto certificates = load_certificates(spec, identities.problems);
  for (const auto& path : spec.identity_file) {
    auto key = load_private_key(path);
    if (!key) {
      identities.problems.push_back(key.error());
      continue;
    }
    const auto blob = public_blob(key->get());
    for (const auto& certificate : certificates) {
      if (!blob || !certifies(certificate.base64, *blob)) continue;
      KeyHandle certified{ssh_key_dup(key->get())};
      if (certified && ssh_pki_copy_cert_to_privkey(certificate.key.get(), certified.get()) == SSH_OK) {
        identities.usable.push_back({certificate.path, std::move(certified)});
      }
    }
    identities.usable.push_back({path, std::move(*key)});
  }
  return identities;
}

}  // namespace holdfast::ssh
