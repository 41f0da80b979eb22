#include "net/address_cache.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <sstream>
#include <system_error>

#include "net/state_file.hpp"

namespace holdfast::net {
namespace {

namespace ip = boost::asio::ip;
using std::chrono::sys_seconds;

constexpr std::string_view first_line = "holdfast addresses 1";
constexpr std::size_t most_names = 200;
constexpr std::size_t most_addresses = 16;
constexpr std::size_t longest_name = 255;
constexpr Duration between_writes = std::chrono::minutes{10};
constexpr std::chrono::hours oldest_stamp{24};

constexpr std::array families{std::pair{AddressFamily::any, std::string_view{"any"}},
                              std::pair{AddressFamily::inet, std::string_view{"inet"}},
                              std::pair{AddressFamily::inet6, std::string_view{"inet6"}}};

std::string_view name_of(AddressFamily family) {
  return std::find_if(families.begin(), families.end(), [&](const auto& entry) { return entry.first == family; })
      ->second;
}

/// Names go to the file and the log as they are.
bool keepable(std::string_view name) {
  return !name.empty() && name.size() <= longest_name &&
         std::all_of(name.begin(), name.end(), [](char letter) { return letter > ' ' && letter <= '~'; });
}

bool fits(AddressFamily family, const ip::address& address) {
  return family == AddressFamily::any || (family == AddressFamily::inet6) == address.is_v6();
}

std::vector<ip::address> sorted(std::vector<ip::address> addresses) {
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

std::optional<std::pair<CachedNames::key_type, CachedAddresses>> parse_line(const std::string& line) {
  std::istringstream words(line);
  std::string name;
  std::string family_name;
  std::int64_t seconds = 0;
  if (!(words >> name >> family_name >> seconds) || !keepable(name) || seconds < 0) return std::nullopt;
  const auto family =
      std::find_if(families.begin(), families.end(), [&](const auto& entry) { return entry.second == family_name; });
  if (family == families.end()) return std::nullopt;
  CachedAddresses cached{{}, sys_seconds{std::chrono::seconds{seconds}}};
  for (std::string word; words >> word;) {
    boost::system::error_code error;
    const auto address = ip::make_address(word, error);
    if (error || !fits(family->first, address)) return std::nullopt;
    // What Asio takes for a scope it may write as another one.
    if (ip::make_address(address.to_string(), error) != address) return std::nullopt;
    cached.addresses.push_back(address);
  }
  if (cached.addresses.empty() || cached.addresses.size() > most_addresses) return std::nullopt;
  return std::pair{CachedNames::key_type{name, family->first}, std::move(cached)};
}

}  // namespace

std::string format_addresses(const CachedNames& names) {
  std::ostringstream text;
  text << first_line << '\n';
  for (const auto& [key, cached] : names) {
    text << key.first << ' ' << name_of(key.second) << ' ' << cached.seen.time_since_epoch().count();
    for (const ip::address& address : cached.addresses) text << ' ' << address.to_string();
    text << '\n';
  }
  return text.str();
}

std::optional<CachedNames> parse_addresses(std::string_view text) {
  if (!text.ends_with('\n')) return std::nullopt;  // cut short, and its last address perhaps another
  std::istringstream lines{std::string(text)};
  std::string line;
  if (!std::getline(lines, line) || line != first_line) return std::nullopt;
  CachedNames names;
  while (std::getline(lines, line)) {
    auto entry = parse_line(line);
    if (!entry || names.size() == most_names || !names.insert(std::move(*entry)).second) return std::nullopt;
  }
  return names;
}

AddressCache::AddressCache(std::string path, const Say& say) : path_(std::move(path)) {
  if (path_.empty()) return;
  const auto ignored = [&](const std::string& why) {
    say("the addresses remembered in " + path_ + " are ignored: " + why);
  };
  const auto text = read_file(path_);
  if (!text) {
    if (!text.error().empty()) ignored(text.error());
    return;
  }
  auto names = parse_addresses(*text);
  if (!names) {
    ignored("it is damaged, or not holdfast's");
    return;
  }
  names_ = std::move(*names);
  written_ = names_;
}

const CachedAddresses* AddressCache::find(const std::string& host, AddressFamily family) const {
  const auto found = names_.find({host, family});
  return found == names_.end() ? nullptr : &found->second;
}

void AddressCache::store(const std::string& host, AddressFamily family, std::vector<ip::address> addresses,
                         sys_seconds now) {
  if (!keepable(host) || addresses.empty()) return;
  addresses.resize(std::min(addresses.size(), most_addresses));
  const CachedNames::key_type key{host, family};
  const CachedNames& kept = writing_ ? writing_->names : written_;
  const auto known = kept.find(key);
  if (known == kept.end()) {
    change_ = Change::new_name;
  } else {
    // A name server that deals its answers out in turn does not change them.
    const bool differs = sorted(known->second.addresses) != sorted(addresses);
    const bool dated = now - known->second.seen >= oldest_stamp || now < known->second.seen;
    if ((differs || dated) && change_ == Change::none) change_ = Change::addresses;
  }
  names_[key] = {std::move(addresses), now};
  if (names_.size() <= most_names) return;
  names_.erase(std::min_element(names_.begin(), names_.end(), [&](const auto& one, const auto& other) {
    return std::pair{one.first == key, one.second.seen} < std::pair{other.first == key, other.second.seen};
  }));
}

void AddressCache::proved(const std::string& host, AddressFamily family, const ip::address& address,
                          const std::vector<ip::address>& said, sys_seconds now) {
  const auto holds = [&said](const ip::address& one) { return std::find(said.begin(), said.end(), one) != said.end(); };
  std::vector<ip::address> right{address};
  if (const CachedAddresses* known = find(host, family)) {
    std::copy_if(known->addresses.begin(), known->addresses.end(), std::back_inserter(right),
                 [&](const ip::address& other) { return other != address && (!holds(address) || holds(other)); });
  }
  store(host, family, std::move(right), now);
}

std::optional<std::string> AddressCache::due(TimePoint now) {
  if (path_.empty() || change_ == Change::none || writing_) return std::nullopt;
  const bool recently = tried_ && now - *tried_ < between_writes;
  if (recently && (change_ != Change::new_name || failing_)) return std::nullopt;
  tried_ = now;
  writing_ = Writing{names_, std::exchange(change_, Change::none)};
  return format_addresses(names_);
}

std::optional<std::string> AddressCache::written(int error) {
  const auto writing = std::exchange(writing_, std::nullopt);
  if (!writing) return std::nullopt;
  if (error == 0) {
    written_ = writing->names;
    failing_ = false;
    return std::nullopt;
  }
  change_ = std::max(change_, writing->change);
  if (std::exchange(failing_, true)) return std::nullopt;
  return "the addresses of relays can't be kept in " + path_ +
         " for a start without DNS: " + std::generic_category().message(error);
}

}  // namespace holdfast::net
