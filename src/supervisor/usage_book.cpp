#include "supervisor/usage_book.hpp"

#include <system_error>
#include <utility>

#include "net/state_file.hpp"

namespace holdfast::supervisor {
namespace {

constexpr Duration between_writes = std::chrono::hours{1};

}  // namespace

UsageBook::UsageBook(std::string path, const Say& say) : path_(std::move(path)) {
  const auto text = net::read_file(path_);
  const auto usages = text ? parse_usages(*text) : std::nullopt;
  if (usages) {
    usages_ = *usages;
    written_ = usages_;
    return;
  }
  const std::string why = text ? "it is damaged, or not holdfast's" : text.error();
  if (!why.empty()) say("the bytes counted in " + path_ + " are ignored: " + why);
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

std::optional<std::string> UsageBook::save(TimePoint now, bool at_once) {
  if (usages_ == written_ || (tried_ && now - *tried_ < between_writes && !at_once)) return std::nullopt;
  tried_ = now;
  const int error = net::replace_file(path_, format_usages(usages_));
  if (error == 0) {
    written_ = usages_;
    failing_ = false;
    return std::nullopt;
  }
  if (std::exchange(failing_, true)) return std::nullopt;
  return "the bytes that the tunnels cost can't be kept in " + path_ + ": " + std::generic_category().message(error);
}

}  // namespace holdfast::supervisor
