#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "holdfast/public_key.hpp"

/// What the device and lease.sh say to each other, one line each; docs/relay.md is the specification. No I/O.
namespace holdfast::relay {

inline constexpr int protocol_version = 1;
/// A silence that never ends, for a device that sends no heartbeats.
inline constexpr std::chrono::seconds no_guard{999'999'999};
/// A longer `runs` line says no more.
inline constexpr std::size_t max_runs = 8;
inline constexpr std::uint32_t max_run = 999'999'999;
inline constexpr std::size_t max_answer_bytes = 8192;  ///< a longer line is no answer; only `keys` has so long ones
inline constexpr std::size_t max_keys = 8;             ///< that a relay may tell of
inline constexpr std::size_t max_noise_bytes = 65536;  ///< of a login shell, before the greeting

/// Letters, digits, dots, dashes and underscores, 1 to 64 of them.
bool is_device_name(std::string_view name);

/// How the records on the relay tell a device's own sessions: by its name, and by a number that each run of its program
/// draws, as two devices may have one name (a card that was copied).
struct Device {
  std::string name;  ///< is_device_name()
  /// The present one and those before it, newest first; not empty.
  std::vector<std::uint32_t> runs{1};
  /// Could the present run be added to those that are kept? If not, a session of a run that is not among them may be
  /// this device's own.
  bool remembers = true;
  std::chrono::steady_clock::time_point began{};  ///< the present run
  /// What the device was called while its name could not be kept, if that may have been so before this run; else empty.
  std::string earlier_name{};
};

/// The lines to send, newline included. None if the arguments can't be said: `silence` outside of 1 s to 999999999 s,
/// no device name, an address with other characters than letters, digits and ".:_-*" or more than 64 of them, port 0.
/// An empty address is said as "*": RFC 4254 7.1 gives both the same meaning.
std::optional<std::string> hello_line(std::chrono::seconds silence, std::string_view device);
/// The run of the device's program that holds the session, and those before it, of which only the first are said that
/// have room. Numbers from 1 to max_run. A script of an earlier version answers Error.
std::string runs_line(const std::vector<std::uint32_t>& runs);
std::optional<std::string> hold_line(std::string_view address, std::uint16_t port);
std::optional<std::string> evict_line(std::string_view address, std::uint16_t port);
std::optional<std::string> who_line(std::string_view address, std::uint16_t port);
std::optional<std::string> drop_line(std::string_view address, std::uint16_t port);
inline constexpr std::string_view beat_line = "\n";
inline constexpr std::string_view keys_line = "keys\n";
/// A script of an earlier version answers Error.
inline constexpr std::string_view clock_line = "clock\n";
inline constexpr std::int64_t latest_clock = 253'402'300'799;  ///< the end of the year 9999

namespace answer {

/// The script runs, speaks `version` and guards the session whose sshd is process `sshd`.
struct Greeting {
  int version = 0;
  std::uint32_t sshd = 0;
  friend bool operator==(const Greeting&, const Greeting&) = default;
};
/// To hello: the script has ended. To hold: no record, so no later session can evict; the guard works all the same.
struct Unsupported {
  std::string reason;  ///< of a few lower case letters and underscores; docs/relay.md lists them
  friend bool operator==(const Unsupported&, const Unsupported&) = default;
};
struct Beat {
  friend bool operator==(const Beat&, const Beat&) = default;
};
struct Noted {
  friend bool operator==(const Noted&, const Noted&) = default;
};
/// The relay's time, in seconds since 1970; none if it can't tell.
struct Clock {
  std::optional<std::int64_t> time{};
  friend bool operator==(const Clock&, const Clock&) = default;
};
struct Held {
  /// Where the account listens at this port, up to five, as /proc/net/tcp and tcp6 spell it: "0100007F:1229". Empty if
  /// that can't be seen, or the script is of an earlier version.
  std::vector<std::string> listening{};
  friend bool operator==(const Held&, const Held&) = default;
};
struct Dropped {
  friend bool operator==(const Dropped&, const Dropped&) = default;
};

/// The host keys of the relay's sshd; neither type nor blob is checked further.
struct Keys {
  std::vector<PublicKey> keys;  ///< max_keys at most
  friend bool operator==(const Keys&, const Keys&) = default;
};

/// evict: the predecessor is gone, the port can be asked for again.
struct Freed {
  friend bool operator==(const Freed&, const Freed&) = default;
};
/// evict, who: this very session has the listener.
struct Own {
  friend bool operator==(const Own&, const Own&) = default;
};
/// evict: another device's living session recorded it `age` ago at the earliest; left alone. who: the same of any
/// device's.
struct Other {
  std::string device;
  std::chrono::seconds age{};
  std::optional<std::chrono::seconds> guard{};  ///< the silence after which that session's own script ends it
  std::uint32_t run = 0;                        ///< of that device's program; 0: not told
  bool twin = false;  ///< it has this very device's name, and none of the runs that were said is its
  friend bool operator==(const Other&, const Other&) = default;
};
enum class Nobody {
  unknown,   ///< no record, or none that can be read
  gone,      ///< the recorded process has ended
  mismatch,  ///< its number belongs to another process now, which is left alone
};
/// evict, who: nobody was ended. The record, if any, is removed.
struct NotEvicted {
  Nobody why{};
  std::optional<std::uint32_t> listener_uid{};  ///< whose process listens at this port, if one does
  friend bool operator==(const NotEvicted&, const NotEvicted&) = default;
};
/// evict: the relay forbids us to signal it.
struct Denied {
  friend bool operator==(const Denied&, const Denied&) = default;
};
/// evict: signalled, and still there after 5 s.
struct TimedOut {
  friend bool operator==(const TimedOut&, const TimedOut&) = default;
};

/// The script did not take the line.
struct Error {
  friend bool operator==(const Error&, const Error&) = default;
};
/// Not the script's words, or the script's words gone wrong.
struct Malformed {
  friend bool operator==(const Malformed&, const Malformed&) = default;
};

}  // namespace answer

using Answer = std::variant<answer::Greeting, answer::Unsupported, answer::Beat, answer::Noted, answer::Clock,
                            answer::Held, answer::Keys, answer::Dropped, answer::Freed, answer::Own, answer::Other,
                            answer::NotEvicted, answer::Denied, answer::TimedOut, answer::Error, answer::Malformed>;

/// A line without its newline.
Answer parse_answer(std::string_view line);

/// The bytes that come out of the channel, as answers. What a login shell prints before the greeting is skipped; after
/// the greeting each line is an answer. The first Malformed is the last answer: the channel is of no use any more.
class AnswerStream {
 public:
  std::vector<Answer> feed(std::string_view bytes);

 private:
  std::optional<Answer> take(std::string_view line);

  std::string line_;
  std::size_t noise_ = 0;
  bool greeted_ = false;
  bool failed_ = false;
};

}  // namespace holdfast::relay
