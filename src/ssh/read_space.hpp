#pragma once

#include <cstddef>

namespace holdfast::ssh {

/// Address space for reads that are asked for in a size that never comes: the kernel gives memory only for what is
/// written to.
class ReadSpace {
 public:
  explicit ReadSpace(std::size_t size);
  ~ReadSpace();
  ReadSpace(const ReadSpace&) = delete;
  ReadSpace& operator=(const ReadSpace&) = delete;

  std::byte* data() const { return data_; }  ///< null: the kernel gave none

 private:
  std::size_t size_;
  std::byte* data_;
};

}  // namespace holdfast::ssh
