#include "supervisor/usage_book.hpp"

#include <system_error>
#include <utility>

#include "net/state_file.hpp"

namespace holdfast::supervisor {
namespace {

constexpr Duration between_writes = std::chrono::hours{1};

DataUsages read(const std::string& path, const UsageBook::Say& say) {
  const auto text = net::read_file(path);
  const auto usages = text ? parse_usages(*text) : std::nullopt;
  const std::string why = text ? "it is damaged, or not holdfast's" : text.error();
  if (!usages && !why.empty()) say("the bytes counted in " + path + " are ignored: " + why);
  return usages.value_or(DataUsages{});
}

}  // namespace

UsageBook::UsageBook(std::string path, const std::vector<std::string>& others, const Say& say)
    : path_(std::move(path)), usages_(read(path_, say)), written_(usages_) {
  for (const std::string& other : others) take_later(usages_, read(other, say));
}

void UsageBook::count(const std::string& tunnel, std::uint64_t bytes, std::chrono::sys_seconds now) {
  usages_[tunnel].count(bytes, now);
}

void UsageBook::forget_others(const std::set<std::string>& configured, std::chrono::sys_seconds now) {
  holdfast::forget_others(usages_, configured, now);
}

DataUsage UsageBook::find(const std::string& tunnel) const {
  const auto found = usages_.find(tunnel);
  return found == usages_.end() ? DataUsage{} : found->second;
}

std::optional<std::string> UsageBook::due(TimePoint now, bool at_once) {
  const bool recently = tried_ && now - *tried_ < between_writes;
  if (usages_ == written_ || ((writing_ || recently) && !at_once)) return std::nullopt;
  tried_ = now;
  writing_ = usages_;
  return format_usages(usages_);
}

std::optional<std::string> UsageBook::written(int error) {
  const auto writing = std::exchange(writing_, std::nullopt);
  if (error == 0) {
    written_ = writing.value_or(written_);
    failing_ = false;
    return std::nullopt;
  }
  if (std::exchange(failing_, true)) return std::nullopt;
  return "the bytes that the tunnels cost can't be kept in " + path_ + ": " + std::generic_category().message(error);
}

}  // namespace holdfast::supervisor
