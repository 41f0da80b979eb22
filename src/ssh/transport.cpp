#include "ssh/transport.hpp"

#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>  // glibc's struct tcp_info lacks what is newer
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <utility>

namespace holdfast::ssh {
namespace {

constexpr int tcp_level = 6;  // IPPROTO_TCP; <netinet/in.h> and <linux/tcp.h> do not go together everywhere

std::chrono::microseconds first_timeout(const tcp_info& info) {
  return std::chrono::microseconds{info.tcpi_rto >> std::min<unsigned>(info.tcpi_backoff, 31)};
}

}  // namespace

std::optional<TransportReport> transport_of(int socket) {
  using std::chrono::milliseconds;
  tcp_info info{};
  socklen_t size = sizeof info;
  int queued = 0;  // sent or not
  if (::getsockopt(socket, tcp_level, TCP_INFO, &info, &size) != 0 || ::ioctl(socket, SIOCOUTQ, &queued) != 0) {
    return std::nullopt;
  }
  TransportReport report;
  const std::uint32_t all = static_cast<std::uint32_t>(std::max(queued, 0));
  report.unacknowledged = all - std::min(all, info.tcpi_notsent_bytes);
  report.repetitions = info.tcpi_retransmits;
  // Each timeout was twice as long as the one before, and the last segment sent was the last repetition.
  report.unacknowledged_for =
      std::chrono::microseconds{info.tcpi_rto} - first_timeout(info) + milliseconds{info.tcpi_last_data_sent};
  report.later_arrived = info.tcpi_sacked > 0;
  report.segment_size = info.tcpi_snd_mss;
  report.nothing_came_for = milliseconds{info.tcpi_last_data_recv};
  report.acknowledged_ago = milliseconds{info.tcpi_last_ack_recv};
  report.four_repetitions = 15 * first_timeout(info);  // 1 + 2 + 4 + 8
  return report;
}

void Repetitions::look(int socket, TimePoint now, TransportReport& report) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, tcp_level, TCP_INFO, &info, &size) != 0) return;
  if (report.unacknowledged == 0 || info.tcpi_bytes_acked != acknowledged_) {
    acknowledged_ = info.tcpi_bytes_acked;
    times_ = info.tcpi_sacked > 0 && info.tcpi_lost > 0 ? 1 : 0;
    since_ = now;
  } else if (info.tcpi_total_retrans != repeated_) {
    ++times_;
  }
  repeated_ = info.tcpi_total_retrans;
  if (!report.later_arrived || times_ <= report.repetitions) return;
  report.repetitions = times_;
  report.unacknowledged_for = std::max<Duration>(report.unacknowledged_for, now - since_);
}

bool LargeSegments::have_passed(int socket) {
  constexpr std::uint64_t enough = 10;  // segments
  tcp_info info{};
  socklen_t size = sizeof info;
  if (passed_ || ::getsockopt(socket, tcp_level, TCP_INFO, &info, &size) != 0) return passed_;
  const std::uint64_t bytes = info.tcpi_bytes_acked - std::exchange(acknowledged_, info.tcpi_bytes_acked);
  const std::uint64_t segments = info.tcpi_data_segs_out - std::exchange(sent_, info.tcpi_data_segs_out);
  // More bytes than so many segments can hold that are not nearly full.
  passed_ = bytes >= enough * info.tcpi_snd_mss && bytes >= segments * info.tcpi_snd_mss / 10 * 9;
  return passed_;
}

/// What it holds counts as the socket's memory, and there is nothing to read.
bool has_hole(int socket) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t size = sizeof memory;
  int readable = 0;
  return ::ioctl(socket, SIOCINQ, &readable) == 0 && readable == 0 &&
         ::getsockopt(socket, SOL_SOCKET, SO_MEMINFO, memory.data(), &size) == 0 && memory[SK_MEMINFO_RMEM_ALLOC] > 0;
}

}  // namespace holdfast::ssh
