#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Pure: what stands in a certificate of OpenSSH's (PROTOCOL.certkeys) and in a public key.
namespace holdfast::ssh {

/// True if the certificate (a base64 blob) certifies this public key (a base64 blob): both hold the same key fields.
bool certifies(const std::string& certificate, const std::string& public_key);

/// Seconds since 1970, as in the certificate: good from the first up to, not including, the second.
struct CertificateTerms {
  bool for_hosts = false;
  std::uint64_t valid_after = 0;
  std::uint64_t valid_before = 0;
};

/// Reads the terms of a certificate that certifies() the public key (base64 blobs both); none if it is cut short.
std::optional<CertificateTerms> terms_of(const std::string& certificate, const std::string& public_key);

/// The modulus' length in bits of an RSA key (a base64 blob); none for a key of another type.
std::optional<std::size_t> rsa_bits(const std::string& public_key);

}  // namespace holdfast::ssh
