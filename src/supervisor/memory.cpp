#include "supervisor/memory.hpp"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace holdfast::supervisor {
namespace {

/// Executable segments only: they are never written to, so that what is dropped can be read again from the file. (The
/// constant data beside them can have been written to, by the dynamic linker.)
int drop_code(dl_phdr_info* object, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (unsigned i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    const bool code = segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 && (segment.p_flags & PF_W) == 0;
    // The vdso has no file, and the kernel no other way to tell.
    if (!code || segment.p_offset == 0) continue;
    const std::uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) / page * page;
    const std::uintptr_t end = object->dlpi_addr + segment.p_vaddr + segment.p_filesz;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): that is how the linker tells where a segment is
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void release_memory() {
  ::malloc_trim(0);
  ::dl_iterate_phdr(drop_code, nullptr);
}

}  // namespace holdfast::supervisor
