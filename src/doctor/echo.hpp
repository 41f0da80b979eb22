#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/time.hpp"
#include "net/owned_descriptor.hpp"

namespace holdfast::doctor {

/// What came of an echo.
struct EchoNews {
  std::uint16_t number = 0;
  boost::asio::ip::address from;  ///< who answered, or who says that it can't get there
  std::optional<unsigned> ttl{};  ///< of an answer
  std::string refusal{};          ///< "Destination Host Unreachable"; empty: it was answered
  bool from_here = false;         ///< this device itself says so
  TimePoint at{};
};

/// Sends ICMP echoes, and hears who answers them: also who was not asked. Where net.ipv4.ping_group_range lets us, as
/// an ordinary user; else with CAP_NET_RAW.
class EchoSocket {
 public:
  struct Options {
    std::string interface {};  ///< bind_interface
    std::string address{};     ///< bind_address
  };
  /// `problem()` says why it can't be used.
  EchoSocket(bool v6, const Options& options);
  const std::string& problem() const { return problem_; }

  /// A packet of `size` bytes at the IP level, whole or not at all, whatever was learnt of the way's MTU. 0 or an
  /// errno. `hops`: after so many nobody passes it on; 0: as usual.
  int send(const boost::asio::ip::address& to, std::uint16_t number, std::size_t size, unsigned hops = 0);
  /// What has come; blocks until something has, or until then.
  std::vector<EchoNews> wait(TimePoint until);

  static std::size_t smallest(bool v6) { return v6 ? 56 : 36; }

 private:
  std::optional<EchoNews> read_answer();
  std::optional<EchoNews> read_error();
  std::optional<std::uint16_t> number_of(const std::vector<std::uint8_t>& message, std::size_t size, bool question);

  bool v6_;
  bool raw_ = false;
  std::uint16_t id_ = 0;
  net::Descriptor socket_;
  std::string problem_;
};

/// Asks a host whether it is there, at most three times. What came first.
std::optional<EchoNews> ask_for_echo(const boost::asio::ip::address& to, const EchoSocket::Options& options,
                                     unsigned hops, Duration patience);

}  // namespace holdfast::doctor
