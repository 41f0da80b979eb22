#include "setup/key.hpp"

#include <unistd.h>

#include <cstring>
#include <utility>

#include "setup/files.hpp"
#include "ssh/key_pair.hpp"

namespace holdfast::setup {
namespace {

/// Wipes the text.
tl::expected<bool, std::string> write_key(const std::string& file, std::string text) {
  auto made = create_file(file, text, 0600);
  ::explicit_bzero(text.data(), text.size());
  return made;
}

}  // namespace

tl::expected<Key, std::string> find_key(const std::string& file) {
  const auto half = ssh::public_half(file);
  if (!half) {
    return tl::unexpected(
        half.error() + ". The device's key has no passphrase, for nobody is there to type one: take " +
        "the passphrase off (ssh-keygen -p -N '' -f " + file + "), or move the file away, and a new key is made");
  }
  return Key{*half, ssh::fingerprint(*half), false};
}

tl::expected<Key, std::string> find_or_make_key(const std::string& file, std::string_view comment) {
  tl::expected<bool, std::string> made = false;
  if (::access(file.c_str(), F_OK) != 0) {
    auto text = ssh::make_private_key();
    if (!text) return tl::unexpected<std::string>("libssh makes no key");
    made = write_key(file, *std::move(text));
    if (!made) return tl::unexpected(made.error());
  }
  auto key = find_key(file);
  if (!key) return key;
  key->made = *made;
  const std::string line = key->public_half.type + " " + key->public_half.base64 + " " + std::string{comment} + "\n";
  if (const auto written = create_file(file + ".pub", line, 0644); !written) return tl::unexpected(written.error());
  return key;
}

}  // namespace holdfast::setup
