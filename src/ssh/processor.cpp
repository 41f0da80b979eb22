#include "ssh/processor.hpp"

#if defined(__aarch64__) || defined(__arm__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace holdfast::ssh {

bool processor_has_gcm() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
#elif defined(__aarch64__)
  constexpr unsigned long both = HWCAP_AES | HWCAP_PMULL;
  return (getauxval(AT_HWCAP) & both) == both;
#elif defined(__arm__)
  constexpr unsigned long both = HWCAP2_AES | HWCAP2_PMULL;
  return (getauxval(AT_HWCAP2) & both) == both;
#else
  return false;
#endif
}

}  // namespace holdfast::ssh
