#pragma once

#include <optional>

#include "holdfast/time.hpp"

namespace holdfast {

struct LivenessSpec {
  Duration server_alive_interval{};  ///< zero turns it off
  unsigned server_alive_count_max = 3;
  /// Economy: every so many silent intervals the relay's sshd is asked for a sign of life. Meanwhile its kernel's
  /// acknowledgements are sign enough of the path. 1: it is asked after each, and they count for nothing.
  unsigned intervals_per_probe = 1;

  bool economy() const { return intervals_per_probe > 1 && server_alive_interval > Duration::zero(); }

  friend bool operator==(const LivenessSpec&, const LivenessSpec&) = default;
};

/// How long nothing at all, not even an acknowledgement, may come from the relay.
Duration longest_silence(const LivenessSpec& spec);
/// Between two probes of an idle session.
Duration probe_period(const LivenessSpec& spec);
/// How long the relay's sshd may owe an answer: longest_silence(), but for economy.
Duration longest_debt(const LivenessSpec& spec);

/// A session at a moment.
struct SessionAges {
  Duration age{};
  Duration silence{};                 ///< since the last byte from the relay
  Duration longest_silence_before{};  ///< it had outlived
  Duration probe_period{};            ///< after so long a silence it was probed

  friend bool operator==(const SessionAges&, const SessionAges&) = default;
};

/// OpenSSH's client rule (clientloop.c, server_alive_check): any byte received re-arms the timer, any whole packet
/// clears the count. Each expiry counts one and sends a probe. The expiry that makes the count exceed
/// server_alive_count_max declares the relay dead. 60 s x 3 is thus 240 s after the last packet.
///
/// With economy the first probe comes after probe_period(), so that a relay whose kernel lives on without its sshd is
/// found dead after longest_debt(). A dead path is found as soon as without: nothing received and nothing acknowledged
/// for longest_silence(). (Somebody has to ask for the acknowledgements: the kernel, by TCP keepalives; and often
/// enough in that time that lost packets do not make a dead path.)
class Liveness {
 public:
  enum class Outcome {
    alive,
    send_probe,
    dead,         ///< probes unanswered
    unreachable,  ///< economy: nothing was acknowledged either
  };

  Liveness(const LivenessSpec& spec, TimePoint now);

  void received_bytes(TimePoint now);
  void received_packet();
  /// TCP had the relay's last acknowledgement then.
  void acknowledged(TimePoint at);
  /// Call at due() or later.
  Outcome expired(TimePoint now);
  std::optional<TimePoint> due() const;
  SessionAges ages(TimePoint now) const {
    return {now - began_, now - last_byte_, longest_silence_, probe_period(spec_)};
  }
  const LivenessSpec& spec() const { return spec_; }

  friend bool operator==(const Liveness&, const Liveness&) = default;

 private:
  LivenessSpec spec_;
  TimePoint next_;
  TimePoint last_sign_;  ///< byte or acknowledgement
  TimePoint began_;
  TimePoint last_byte_;
  Duration longest_silence_{};
  unsigned unanswered_ = 0;
};

}  // namespace holdfast
