#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/counters.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/time.hpp"
#include "net/resolver.hpp"
#include "ssh/channel.hpp"

namespace holdfast::forward {

using holdfast::Counters;

struct Limits {
  /// How long a connection whose relay end is closed waits for a local end that takes nothing of what is left.
  Duration longest_stall = std::chrono::seconds{30};
};

/// What a proof's own connection begins with.
using ProofMark = std::array<std::byte, 8>;

/// About the connections to one forward while a proof of it is under way. From the loop.
struct ProofHandlers {
  std::function<void()> accepted;                     ///< the target took one; whose it is has to show
  std::function<void()> returned;                     ///< one of those began with the mark
  std::function<void(const Failure&)> target_failed;  ///< the target did not take one; told once
};

/// The forwarded connections of one tunnel: channel to local socket, both ways, with bounded buffers and half-close.
/// Survives sessions (the counters go on); the connections of a session that is gone end by themselves.
class Connections {
 public:
  /// `log` receives a line about connections that were refused, the same cause once a minute.
  Connections(const boost::asio::any_io_executor& executor, net::Resolver& resolver, const TunnelSpec& spec,
              std::function<void(const std::string&)> log, Limits limits = {});
  ~Connections();

  /// Connects to the forward's target (deadline: spec.connect_timeout, at most 10 s) and accepts, or refuses. More than
  /// spec.max_connections are refused, and told.
  void open(ssh::OpenRequest request);
  /// A connection to this forward that begins with `mark` is our own. The target never sees the mark, and such a
  /// connection is no visitor's: it is not counted, and does not take a visitor's place under max_connections. The
  /// first byte of a connection, or the end of the proof, shows whose it is. Until then at most 256 bytes of what the
  /// target says pass, and only those of our own: a proof costs no more. A failure of the target that `handlers` are
  /// told is neither counted nor logged.
  void expect_proof(std::size_t forward, const ProofMark& mark, ProofHandlers handlers);
  /// Closes our own connection; the others are visitors'. With `keep_channel` only towards the target: its channel
  /// stays open, in place of the one that was kept before. True if there is one to keep.
  bool end_proof(bool keep_channel = false);

  /// Refuses all that come from now on, and those whose target has not answered yet; `drained` is called from the loop
  /// as soon as none is open.
  void drain(std::function<void()> drained);
  /// `idle` is called once, from the loop, at a moment at which no connection is open; new ones are taken all the
  /// while. A later call, drain() and drop_all() take its place.
  void when_idle(std::function<void()> idle);
  /// Resets all at once, and ends a drain without an answer; open() works again afterwards.
  void drop_all();

  std::size_t open_count() const;
  const Counters& counters(std::size_t forward) const;
  /// Parallel to TunnelSpec::remote_forward.
  const std::vector<Counters>& counters() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace holdfast::forward
