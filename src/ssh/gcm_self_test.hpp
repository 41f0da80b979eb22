#pragma once

namespace holdfast::ssh {

enum class GcmTags { verified, ignored, unknown };

/// Does the libssh that runs notice that an AES-GCM packet was changed on its way (CVE-2026-59847)? A client and a
/// server of it talk in this process, through a relay that changes the last byte of the first encrypted packet: a byte
/// of its tag. Blocks: 5 ms on a desktop's processor, 20 s at most. Needs nothing but libssh: CMake tries it as well.
GcmTags try_gcm_tags();

}  // namespace holdfast::ssh
