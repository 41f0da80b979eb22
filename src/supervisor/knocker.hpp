#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "holdfast/listeners.hpp"
#include "relay/knock.hpp"
#include "ssh/session.hpp"

namespace holdfast::supervisor {

/// Performs a knock (holdfast/listeners.hpp): does anybody answer where a listener of ours should be? One at a time.
class Knocker {
 public:
  /// `news` is called from the loop, and may destroy this.
  Knocker(boost::asio::any_io_executor executor, std::function<void(Knocked)> news);

  void start(ssh::Session& session, std::size_t forward, const std::string& host, std::uint16_t port);
  /// Hangs up; no news comes any more.
  void stop();

 private:
  void opened(std::size_t forward, tl::expected<ssh::Channel, ssh::OpenRefusal> channel);

  boost::asio::any_io_executor executor_;
  std::function<void(Knocked)> news_;
  ssh::Awaited awaited_;
  std::unique_ptr<relay::Knock> knock_;
  bool half_closes_ = false;  ///< the relay hands the end of one side on alone
};

}  // namespace holdfast::supervisor
