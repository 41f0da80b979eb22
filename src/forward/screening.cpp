#include "forward/screening.hpp"

namespace holdfast::forward {
namespace {

constexpr std::size_t screened_bytes = 256;

}  // namespace

void Screening::begin(std::span<const std::byte> mark, std::function<void(bool marked)> decided) {
  mark_.emplace(mark.begin(), mark.end());
  decided_ = std::move(decided);
  limit_ = screened_bytes;
}

bool Screening::decide(std::span<const std::byte> data) {
  const std::vector<std::byte> mark = *std::exchange(mark_, std::nullopt);
  return data.size() >= mark.size() && std::equal(mark.begin(), mark.end(), data.begin());
}

void Screening::tell(bool marked) {
  std::exchange(decided_, nullptr)(marked);
}

}  // namespace holdfast::forward
