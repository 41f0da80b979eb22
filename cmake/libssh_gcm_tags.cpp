// Run by LibsshGcm.cmake: exits with 0 if this libssh verifies the tags of AES-GCM, and prints its build id.
#include <libssh/libssh.h>

#include <iostream>

#include "ssh/build_id.hpp"
#include "ssh/gcm_self_test.hpp"

int main() {
  using namespace holdfast::ssh;
  if (ssh_init() != SSH_OK) return 2;
  std::cout << libssh_build_id();
  return try_gcm_tags() == GcmTags::verified ? 0 : 1;
}
