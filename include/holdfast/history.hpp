#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "holdfast/happening.hpp"
#include "holdfast/time.hpp"
#include "holdfast/wall_time.hpp"

namespace holdfast {

/// What went wrong with a tunnel, for the status: the last error, how the last sessions ended, and how often each cause
/// was met. In bounded memory.
class History {
 public:
  struct Error {
    Failure failure;
    TimePoint at;
    WallTime wall{};

    friend bool operator==(const Error&, const Error&) = default;
  };
  struct End {
    std::optional<Failure> why;  ///< none: on request, or for a better relay
    TimePoint at;
    Duration held{};
    WallTime wall{};

    friend bool operator==(const End&, const End&) = default;
  };

  static constexpr std::size_t most_ends = 8;

  void add(const Told& told);

  /// Why there was no session, or not all of its listeners. What a proof found is elsewhere: there the session stands.
  const std::optional<Error>& last_error() const { return last_error_; }
  /// The latest last.
  const std::vector<End>& ends() const { return ends_; }
  /// How often each cause was told, of failed attempts and sessions, refused listeners and bad proofs.
  const std::map<Cause, std::uint64_t>& counts() const { return counts_; }

  friend bool operator==(const History&, const History&) = default;

 private:
  std::optional<Error> last_error_;
  std::vector<End> ends_;
  std::map<Cause, std::uint64_t> counts_;
};

}  // namespace holdfast
