#include "ssh/read_space.hpp"

#include <sys/mman.h>

namespace holdfast::ssh {

ReadSpace::ReadSpace(std::size_t size) : size_(size) {
  void* const space = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  data_ = space == MAP_FAILED ? nullptr : static_cast<std::byte*>(space);
}

ReadSpace::~ReadSpace() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace holdfast::ssh
