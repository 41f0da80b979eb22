#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "holdfast/time.hpp"
#include "ssh/packet_ration.hpp"

namespace holdfast::ssh {

/// When a session takes its next turn: at once, when there is something for it at the socket, or after a pause.
class TurnSchedule : public std::enable_shared_from_this<TurnSchedule> {
 public:
  /// `turn` is called from the loop until end(), during a pause too; `socket` must outlive that.
  TurnSchedule(boost::asio::ip::tcp::socket& socket, std::function<void()> turn);

  void soon();
  /// When the socket can be read, with `to_write` also when it can be written to.
  void await(bool to_write);
  /// What was taken in so far: the next turn may have to wait. False: too much came for too long.
  bool ration(const PacketRation::Taken& all, TimePoint now);
  /// Nothing is to be read now.
  bool is_paused() const { return paused_; }
  void end();

 private:
  void take_turn();

  boost::asio::ip::tcp::socket& socket_;
  const std::function<void()> turn_;
  PacketRation ration_;
  PacketRation::Taken rationed_;
  boost::asio::steady_timer pause_;
  bool posted_ = false;
  bool awaiting_read_ = false;
  bool awaiting_write_ = false;
  bool paused_ = false;
  bool ended_ = false;
};

}  // namespace holdfast::ssh
