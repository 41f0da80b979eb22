#include "ssh/certificate.hpp"

#include <bit>

#include "ssh/wire.hpp"

namespace holdfast::ssh {
namespace {

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

/// What follows the key fields in a certificate that certifies the key.
std::optional<std::string_view> behind_key(std::string_view certificate, std::string_view key) {
  next_string(certificate);  // the type
  next_string(certificate);  // a nonce
  next_string(key);
  if (key.empty() || !certificate.starts_with(key)) return std::nullopt;
  return certificate.substr(key.size());
}

}  // namespace

bool certifies(const std::string& certificate, const std::string& public_key) {
  return behind_key(decode_base64(certificate), decode_base64(public_key)).has_value();
}

std::optional<CertificateTerms> terms_of(const std::string& certificate, const std::string& public_key) {
  const std::string certificate_bytes = decode_base64(certificate);
  const std::string key_bytes = decode_base64(public_key);
  auto fields = behind_key(certificate_bytes, key_bytes);
  if (!fields) return std::nullopt;
  next_integer<std::uint64_t>(*fields);  // serial
  const auto type = next_integer<std::uint32_t>(*fields);
  next_string(*fields);  // key id
  next_string(*fields);  // principals
  const auto after = next_integer<std::uint64_t>(*fields);
  const auto before = next_integer<std::uint64_t>(*fields);
  if (!before) return std::nullopt;
  constexpr std::uint32_t of_host = 2;
  return CertificateTerms{*type == of_host, *after, *before};
}

std::optional<std::size_t> rsa_bits(const std::string& public_key) {
  const std::string bytes = decode_base64(public_key);
  std::string_view fields = bytes;
  if (next_string(fields) != "ssh-rsa") return std::nullopt;
  next_string(fields);  // the exponent
  std::string_view modulus = next_string(fields).value_or("");
  while (modulus.starts_with('\0')) modulus.remove_prefix(1);
  if (modulus.empty()) return 0;
  return modulus.size() * 8 - static_cast<std::size_t>(std::countl_zero(static_cast<unsigned char>(modulus[0])));
}

}  // namespace holdfast::ssh
