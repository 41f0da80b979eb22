#include "net/descriptors.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace holdfast::net {

bool is_among_the_last(int descriptor, int count) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  const rlim_t last = std::min(static_cast<rlim_t>(count), limit.rlim_cur / 4);
  return static_cast<rlim_t>(descriptor) + last >= limit.rlim_cur;
}

}  // namespace holdfast::net
