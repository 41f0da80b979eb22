#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/ssh/messages.hpp"
#include "support/ssh/wire.hpp"

namespace holdfast::test {

/// What an honest relay does behind the exchange of keys, packet by packet: lets anybody in who signs, grants each
/// listener, leads a direct-tcpip to one of them back to the client, and talks as lease.sh does on a channel that runs
/// something.
class HonestRelay {
 public:
  struct Listener {
    std::string address;
    std::uint32_t port = 0;
  };

  explicit HonestRelay(std::function<void(const std::string& payload)> send) : send_(std::move(send)) {}

  void handle(const Packet& packet);

  /// From now on each channel of this type is confirmed, or opened, with this room.
  void offer(const std::string& channel_type, say::Room room) { rooms_[channel_type] = room; }
  const std::vector<Listener>& listeners() const { return listeners_; }
  /// "session", "direct-tcpip" or "forwarded-tcpip"; empty for a number that is none of ours.
  std::string type_of(std::uint32_t number) const;
  /// What a channel that the script opens or confirms is called by us.
  std::uint32_t new_number() { return next_number_++; }

 private:
  /// By its number at our side.
  struct Channel {
    std::string type{};
    std::uint32_t theirs = 0;
    std::uint64_t window = 0;
    std::uint32_t packet = 0;
    std::optional<std::uint32_t> other_end{};  ///< of a connection to one of our listeners
    std::string line{};                        ///< of the lease, as far as it came
    std::string unsent{};
    bool open = false;
    bool eof_wanted = false;
    bool close_wanted = false;
    bool eof_sent = false;
    bool close_sent = false;
    bool close_received = false;
  };

  void on_userauth(Reader body);
  void on_global_request(Reader body);
  void on_channel_open(Reader body);
  void on_confirmation(Reader body);
  void on_open_failure(Reader body);
  void on_channel_request(Reader body);
  void on_data(Reader body);
  void on_close(std::uint32_t number);

  void connect(std::uint32_t direct, const Listener& listener);
  void obey(Channel& channel, std::string_view data);
  static std::string lease_answer(std::string_view line);
  Channel* find(std::uint32_t number);
  void flush(std::uint32_t number);

  std::function<void(const std::string&)> send_;
  std::map<std::string, say::Room> rooms_;
  std::vector<Listener> listeners_;
  std::map<std::uint32_t, Channel> channels_;
  std::uint32_t next_number_ = 100;
  std::uint32_t next_port_ = 40001;
};

}  // namespace holdfast::test
