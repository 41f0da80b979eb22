#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lab/lab.hpp"
#include "lab/relay.hpp"
#include "lab/subject.hpp"
#include "support/delay_proxy.hpp"
#include "support/net.hpp"
#include "support/process.hpp"
#include "support/sshd.hpp"
#include "support/targets.hpp"

namespace holdfast::bench {

/// A relay, a device, and the target on the device: where clients are measured, one after the other.
class Bed {
 public:
  Bed() = default;
  virtual ~Bed() = default;
  Bed(const Bed&) = delete;
  Bed& operator=(const Bed&) = delete;

  /// A tunnel to the target by a port of the relay that is free.
  virtual lab::TunnelSettings tunnel() const = 0;
  virtual test::Command on_device(test::Command command) const { return command; }
  virtual bool listening(std::uint16_t port) const = 0;      ///< at the relay
  virtual test::Socket visit(std::uint16_t port) const = 0;  ///< from the relay
  virtual std::string relay_log() const = 0;
};

/// An sshd without privileges, on the loopback.
class Loopback : public Bed {
 public:
  Loopback();

  lab::TunnelSettings tunnel() const override;
  bool listening(std::uint16_t port) const override;
  test::Socket visit(std::uint16_t port) const override;
  std::string relay_log() const override { return sshd_.log(); }
  void kill_sessions() { sshd_.kill_sessions(); }  ///< the relay's end of them

 protected:
  std::uint16_t sshd_port() const { return sshd_.port(); }
  lab::TunnelSettings tunnel_by(std::uint16_t ssh_port) const;

 private:
  test::TempDir dir_;
  test::Sshd sshd_;
  test::TargetServer target_;
};

/// The same behind a proxy that makes the way long, but not narrow.
class FarLoopback : public Loopback {
 public:
  explicit FarLoopback(std::chrono::milliseconds rtt) : proxy_(sshd_port(), rtt / 2) {}
  lab::TunnelSettings tunnel() const override { return tunnel_by(proxy_.port()); }

 private:
  test::DelayProxy proxy_;
};

/// The lab's machines, with an sshd that root runs.
class LabBed : public Bed {
 public:
  LabBed();

  lab::TunnelSettings tunnel() const override;
  test::Command on_device(test::Command command) const override { return lab_.device().on(std::move(command)); }
  bool listening(std::uint16_t port) const override;
  test::Socket visit(std::uint16_t port) const override;
  std::string relay_log() const override { return relay_.log(); }

  void set_link(const lab::LinkSettings& both) { lab_.set_link(both); }

 private:
  lab::Lab lab_;
  lab::Relay relay_;
  std::optional<test::TargetServer> target_;
};

}  // namespace holdfast::bench
