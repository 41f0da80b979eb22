#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
#include "ssh/certificate.hpp"
#include "ssh/handles.hpp"

namespace holdfast::ssh {

/// A private key to try, bare or with a certificate.
struct Identity {
  std::string name;  ///< the file it came from
  KeyHandle key;
};

struct UnusableFile {
  std::string file;    ///< as configured
  std::string reason;  ///< names the file, too
};

struct CertificateFile {
  std::string path;
  std::string base64;
  std::optional<CertificateTerms> terms;  ///< none if it certifies none of the keys
};

struct Identities {
  std::vector<Identity> usable;               ///< in the order to try: a key's certificates before the key itself
  std::vector<UnusableFile> problems;         ///< one for each file that is not usable
  std::vector<CertificateFile> certificates;  ///< that could be read
  int error = 0;                              ///< the errno of the last one that is there and could not be read
};

/// Reads identity_file and certificate_file, each identity's "-cert.pub" too, as ssh does. Never asks for a passphrase.
Identities load_identities(const TunnelSpec& spec);

/// The public half, in base64, of the first identity_file that can be used.
std::optional<std::string> login_key(const TunnelSpec& spec);

}  // namespace holdfast::ssh
