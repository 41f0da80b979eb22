#include "ssh/excess.hpp"

namespace holdfast::ssh {
namespace {

/// Answers that a peer provokes without reading them; far above what the session itself ever queues.
constexpr std::uint64_t most_unsent = std::uint64_t{8} * 1024 * 1024;
/// Packets that come while no messages are taken, as each may be one that libssh keeps: 360 bytes for a channel open.
constexpr std::uint64_t most_untaken = std::uint64_t{16} * 1024;
/// Key exchange and login take some kilobytes, and nobody has shown yet who it is that sends them.
constexpr std::uint64_t most_before_login = std::uint64_t{1024} * 1024;

}  // namespace

std::string_view excess(const Taken& taken, Progress progress) {
  if (taken.window_ignored) return "it sends more than its window allows";
  if (taken.unsent > most_unsent) return "it does not read what it asked for";
  if (taken.untaken > most_untaken) return "it sends without an end where an answer is due";
  if (progress != Progress::established && taken.bytes > most_before_login) {
    return "it sends without an end and lets nobody in";
  }
  return "";
}

}  // namespace holdfast::ssh
