#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "holdfast/config.hpp"
#include "ssh/channel.hpp"
#include "ssh/global_requests.hpp"
#include "ssh/handles.hpp"
#include "ssh/link.hpp"

namespace holdfast::ssh {

/// What the relay asks for by itself: connections to our listeners, which go to the owner, and what is refused.
class Incoming {
 public:
  struct Refused {
    std::string unwanted;  ///< what nobody asked the relay for; empty: nothing is wrong with the request
  };
  using Asked = std::variant<Refused, OpenRequest>;

  /// All of them must outlive it.
  Incoming(const TunnelSpec& spec, const GlobalRequests& global, std::shared_ptr<Link> link)
      : spec_(spec), global_(global), link_(std::move(link)) {}

  /// No packet came since there was nothing left; to ask libssh costs a poll(2).
  bool is_empty() const { return empty_at_packet_ == link_->packets.in_packets; }
  /// The first that is queued. libssh pumps when nothing is. With `running` connections are taken.
  std::optional<Asked> next(ssh_session session, bool running);

  /// Packets that came since the last next(): each may be one that libssh keeps.
  std::uint64_t untaken() const { return link_->packets.in_packets - looked_at_packet_; }
  std::uint64_t visitors() const { return visitors_; }  ///< handed to the owner so far

 private:
  Asked take(MessageHandle message, bool running);
  OpenRequest hand_over(std::size_t forward, MessageHandle message);

  const TunnelSpec& spec_;
  const GlobalRequests& global_;
  std::shared_ptr<Link> link_;
  std::uint64_t empty_at_packet_ = 0;
  std::uint64_t looked_at_packet_ = 0;
  std::uint64_t visitors_ = 0;
};

}  // namespace holdfast::ssh
