#pragma once

#include <sys/types.h>

#include <string>
#include <tl/expected.hpp>

#include "net/owned_descriptor.hpp"

/// Files that are made once, whole or not at all, and never over another one. The errors are "FILE: why".
namespace holdfast::setup {

/// True: made. False: there is something of that name, which is left alone. The file is on the disk, under its name,
/// before this returns; on the way it is FILE.new.PID, which an interruption may leave behind and the next process
/// takes away.
tl::expected<bool, std::string> create_file(const std::string& path, const std::string& text, mode_t mode);

/// With all above it, which get the same mode, whatever the umask is. True: made. False: it is there.
tl::expected<bool, std::string> create_folder(const std::string& path, mode_t mode);

/// While it lives, no other process has the lock of this folder; to get it, it waits. A folder that can't be opened is
/// not locked: nobody can write there either.
class FolderLock {
 public:
  explicit FolderLock(const std::string& path);

 private:
  net::Descriptor folder_;
};

/// Whether systemd starts a unit of this template at boot, such as "holdfast@" of "holdfast@relay.service". `folder`
/// holds what is enabled.
bool is_enabled(const std::string& folder, const std::string& unit_template);

/// The whole text, of at most 256 KiB.
tl::expected<std::string, std::string> read_file(const std::string& path);

}  // namespace holdfast::setup
