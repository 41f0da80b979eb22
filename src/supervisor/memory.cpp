#include "supervisor/memory.hpp"

#include <malloc.h>

namespace holdfast::supervisor {

void release_memory() {
  ::malloc_trim(0);
}

void share_one_heap() {
  ::mallopt(M_ARENA_MAX, 1);
}

}  // namespace holdfast::supervisor
