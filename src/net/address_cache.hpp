#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/time.hpp"

namespace holdfast::net {

/// The addresses that names had when they were last looked up, or when a relay was last found there.
struct CachedAddresses {
  std::vector<boost::asio::ip::address> addresses;  ///< in the resolver's order, or the one that was right last first
  std::chrono::sys_seconds seen;                    ///< wall clock: only for words

  friend bool operator==(const CachedAddresses&, const CachedAddresses&) = default;
};
using CachedNames = std::map<std::pair<std::string, AddressFamily>, CachedAddresses>;

/// The file: a first line that names the format, then "NAME FAMILY SECONDS ADDRESS..." for each name, FAMILY being
/// any, inet or inet6, and SECONDS those since 1970.
std::string format_addresses(const CachedNames& names);
/// None if anything in it is not as it should be.
std::optional<CachedNames> parse_addresses(std::string_view text);

/// Remembers them in memory and, for a start without DNS, in a file. The file is written seldom (flash wears out): when
/// addresses changed, at most every ten minutes unless a name is new, and once a day to keep their age true.
class AddressCache {
 public:
  using Say = std::function<void(const std::string& line)>;

  /// Reads the file, if there is one; `say` is told, at once, if it is not to be used. An empty path: memory only.
  AddressCache(std::string path, const Say& say);

  const CachedAddresses* find(const std::string& host, AddressFamily family) const;
  void store(const std::string& host, AddressFamily family, std::vector<boost::asio::ip::address> addresses,
             std::chrono::sys_seconds now);
  /// The relay's host key was right at this address. Only such addresses are kept of a relay's name, the last one
  /// first. If DNS `said` this one, those that it no longer says are forgotten.
  void proved(const std::string& host, AddressFamily family, const boost::asio::ip::address& address,
              const std::vector<boost::asio::ip::address>& said, std::chrono::sys_seconds now);
  const std::string& path() const { return path_; }
  /// What to write to the file, if it is time to. It counts as being written until written() says how that went.
  std::optional<std::string> due(TimePoint now);
  /// 0 or an errno; a line for the log when it failed for the first time in a row.
  std::optional<std::string> written(int error);

 private:
  enum class Change { none, addresses, new_name };
  struct Writing {
    CachedNames names;
    Change change;
  };

  std::string path_;
  CachedNames names_;
  CachedNames written_;
  std::optional<Writing> writing_;
  std::optional<TimePoint> tried_;
  Change change_ = Change::none;
  bool failing_ = false;
};

}  // namespace holdfast::net
