#include "setup/key.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "setup/files.hpp"
#include "ssh/file.hpp"
#include "ssh/key_pair.hpp"

namespace holdfast::setup {
namespace {

/// Wipes the text.
tl::expected<bool, std::string> write_key(const std::string& file, std::string text) {
  auto made = create_file(file, text, 0600);
  ::explicit_bzero(text.data(), text.size());
  return made;
}

bool is_of(const PublicKey& key, const std::string& public_file) {
  const auto text = read_file(public_file);
  return text && text->starts_with(key.type + " " + key.base64);
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
  const std::string pub = file + ".pub";
  const auto written = create_file(pub, line, 0644);
  if (!written) return tl::unexpected(written.error());
  if (*written || is_of(key->public_half, pub)) return key;
  if (!key->made) {
    key->note = pub + " is not of this key: remove it, and the right one is written";
    return key;
  }
  if (::unlink(pub.c_str()) != 0) return tl::unexpected(pub + ": " + ssh::errno_text(errno));
  if (const auto anew = create_file(pub, line, 0644); !anew) return tl::unexpected(anew.error());
  key->note = pub + " was of a former key, and is written anew";
  return key;
}

}  // namespace holdfast::setup
