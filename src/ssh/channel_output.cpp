#include "ssh/channel_output.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "ssh/guarded_write.hpp"
#include "ssh/link.hpp"

namespace holdfast::ssh {
namespace {

/// What one write() takes at most.
constexpr std::size_t largest_write = std::size_t{256} * 1024;
/// What is written to a channel before it is known what packets it takes.
constexpr std::size_t trial_write = 1024;
/// What a packet has to hold: with a peer that takes single bytes, each would cost forty. Implementations announce that
/// they take some thousands at least.
constexpr std::size_t least_packet = 256;
/// So many that hold less are no matter.
constexpr std::size_t tolerated_packets = 16;

}  // namespace

std::size_t ChannelOutput::room() const {
  if (!unsent_.empty() || link_.output_blocked()) return 0;
  return std::min<std::size_t>(ssh_channel_window_size(channel_), largest_write);
}

bool ChannelOutput::is_held_up() const {
  return !unsent_.empty() || ssh_channel_window_size(channel_) == 0;
}

bool ChannelOutput::write(std::span<const std::byte> data) {
  const auto left = data.subspan(pass_on(data));
  unsent_.assign(left.begin(), left.end());
  return unsent_.empty();
}

void ChannelOutput::end() {
  end_wanted_ = true;
  if (unsent_.empty()) ssh_channel_send_eof(channel_);  // SSH_AGAIN means that it is queued
}

bool ChannelOutput::flush() {
  if (link_.output_blocked()) return false;
  const std::size_t taken = pass_on(unsent_);
  unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(taken));
  if (unsent_.empty() && end_wanted_) ssh_channel_send_eof(channel_);
  return unsent_.empty();
}

std::size_t ChannelOutput::pass_on(std::span<const std::byte> data) {
  if (packets_known_) return put(data);
  const std::size_t tried = put(data.first(std::min(data.size(), trial_write)));
  return packets_known_ ? tried + put(data.subspan(tried)) : tried;
}

/// What ssh_channel_write() takes. Until the size of the channel's packets is known it is watched, and told by how many
/// it made. What else goes out meanwhile is not counted: libssh answers what comes in while it writes, with a packet
/// for each visitor who has just begun to speak.
std::size_t ChannelOutput::put(std::span<const std::byte> data) {
  if (data.empty() || link_.bad_packet_size) return 0;
  const auto packets = link_.packets.out_packets;
  const std::optional<Written> written =
      packets_known_ ? Written{ssh_channel_write(channel_, data.data(), static_cast<std::uint32_t>(data.size()))}
                     : guarded_write(channel_, data);
  const int taken = written ? written->taken : 0;
  const auto made = link_.packets.out_packets - packets;
  link_.served += made;
  if (!written || written->packets > tolerated_packets + data.size() / least_packet) link_.bad_packet_size = true;
  packets_known_ = packets_known_ || (taken >= static_cast<int>(2 * least_packet) && made > 0);
  if (taken <= 0) return 0;  // keys are being exchanged, or the session is dead, which its next turn finds
  // Not one packet went out: we began an exchange of keys, and libssh queues for later what it takes meanwhile. At
  // least the end of the exchange and one queued packet have to be sent before there is room again.
  if (link_.packets.out_packets == packets) link_.writable_from_packet = packets + 2;
  return static_cast<std::size_t>(taken);
}

}  // namespace holdfast::ssh
