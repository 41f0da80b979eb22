#include <cstddef>
#include <cstdint>

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto* harness : holdfast::fuzz::harnesses()) harness->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
