#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/data_usage.hpp"
#include "holdfast/report.hpp"
#include "supervisor/tunnel_runner.hpp"

namespace holdfast::supervisor {

/// A tunnel's place, in which one configuration follows another. A changed tunnel's successor logs in beside it, and
/// stands by; only then does the tunnel give its listeners to it, so that two sessions of one tunnel never compete for
/// the same listener.
class Slot {
 public:
  using MakeRunner = std::function<std::unique_ptr<TunnelRunner>(const SharedSpec& spec)>;

  Slot(SharedSpec spec, std::unique_ptr<TunnelRunner> runner);

  /// The tunnel as it is configured: the runner may have put its relays into another order.
  const TunnelSpec& spec() const { return *current_.spec; }
  /// What it is to hold once a successor, if there is one, has taken over.
  const TunnelSpec& wanted() const { return successor_ ? *successor_->spec : spec(); }
  const std::string& name() const { return spec().name; }
  /// The one that serves.
  TunnelRunner& runner() { return *current_.runner; }
  const TunnelRunner& runner() const { return *current_.runner; }
  /// It, a successor, and those on their way out.
  std::vector<TunnelRunner*> runners() const;

  /// Whether it serves or tries this already, but for the log level.
  bool serves(const TunnelSpec& spec) const;
  void change(const TunnelSpec& spec, const MakeRunner& make);
  void remove();
  void reconnect();
  void tell(const TunnelEvent& event);
  /// The next step on the way from a configuration to the changed one, if it is time for it. True: it has been made.
  bool hand_over();
  /// Bytes at the IP level of runners that stopped, and are gone.
  std::uint64_t forget_stopped();

  bool leaving() const { return leaving_; }
  bool stopped() const;
  bool idle() const;
  std::uint64_t activity() const;
  std::uint64_t wire_bytes() const;
  /// Reports on all its runners; without what the tunnel costs and what is wrong with it.
  TunnelReport report(TimePoint now) const;

 private:
  /// A configuration of a tunnel, running.
  struct Holder {
    SharedSpec spec;
    std::unique_ptr<TunnelRunner> runner;
  };

  void drop_successor();
  void say(const std::string& text) const;

  Holder current_;
  std::unique_ptr<Holder> successor_;
  std::vector<std::unique_ptr<TunnelRunner>> former_;  ///< on their way out, without a listener
  bool handing_over_ = false;                          ///< `current_` was told to give its listeners up
  bool leaving_ = false;
  std::uint64_t former_received_ = 0;  ///< by runners that are gone
  std::uint64_t former_sent_ = 0;
};

}  // namespace holdfast::supervisor
