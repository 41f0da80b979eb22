#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "holdfast/public_key.hpp"

namespace holdfast::setup {

struct Key {
  PublicKey public_half;
  std::string fingerprint;  ///< "SHA256:..."
  bool made = false;        ///< by this call
  std::string note{};       ///< what is to be told of FILE.pub; mostly empty
};

/// The device's own key in that file, which is made (ed25519, no passphrase, 0600) if there is none, and FILE.pub
/// beside it with the comment. A FILE.pub of another key is written anew beside a new key, else left and noted. The
/// error says what to do about a key that can't be used or written.
tl::expected<Key, std::string> find_or_make_key(const std::string& file, std::string_view comment);
/// Finds a key that is there, and makes none.
tl::expected<Key, std::string> find_key(const std::string& file);

}  // namespace holdfast::setup
