#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "forward/connections.hpp"
#include "holdfast/proof.hpp"
#include "relay/knock.hpp"
#include "ssh/session.hpp"

namespace holdfast::supervisor {

/// Performs a proof (holdfast/proof.hpp): opens the connection through the relay's own listener, and recognises it when
/// it comes in. One at a time.
class Prover {
 public:
  using News = std::function<void(ProofAdvanced)>;

  /// `connections` is where connections to our listeners end, and outlives this. `news` is called from the loop, and
  /// may destroy this.
  Prover(boost::asio::any_io_executor executor, forward::Connections& connections, News news);

  /// To `host`:`port`, where the relay finds the listener of `forward`; instead of what was started before.
  void start(ssh::Session& session, std::size_t forward, const std::string& host, std::uint16_t port);
  /// Hangs up; no news comes any more. With `keep_channel` the way that was proven stays open, without the target,
  /// until another takes its place or it is hung up without.
  void stop(bool keep_channel = false);

 private:
  void opened(tl::expected<ssh::Channel, ssh::OpenRefusal> channel);
  void send_mark();
  void tell(ProofNews news, std::string detail = "");

  boost::asio::any_io_executor executor_;
  forward::Connections& connections_;
  News news_;
  ssh::Awaited awaited_;
  std::size_t forward_ = 0;
  forward::ProofMark mark_{};
  bool came_in_ = false;
  std::unique_ptr<relay::Knock> knock_;
  std::unique_ptr<relay::Knock> kept_;
};

}  // namespace holdfast::supervisor
