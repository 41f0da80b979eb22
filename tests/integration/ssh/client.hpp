#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "net/disk.hpp"
#include "ssh/session.hpp"
#include "ssh/storage.hpp"
#include "support/sshd.hpp"
#include "support/temp_dir.hpp"

namespace holdfast::test {

/// One channel of a Client, echoing or only collecting, with switches to misbehave.
class Peer final : public ssh::ChannelObserver {
 public:
  Peer(ssh::Channel channel, std::size_t forward) : forward_(forward), channel_(std::move(channel)) {
    channel_->observe(this);
  }

  std::size_t on_data(std::span<const std::byte> data) override;
  void on_ready() override;

  void send(std::string_view text);  ///< queues, and writes as there is room
  bool sent_all() const { return outgoing.empty(); }
  void take_buffered();
  ssh::Channel& channel() { return *channel_; }
  void let_go() { channel_.reset(); }
  std::size_t forward() const { return forward_; }

  std::string received;
  std::string outgoing;
  std::size_t budget = SIZE_MAX;  ///< on_data() takes that much and no more
  bool finish_when_sent = false;
  bool let_go_when_sent = false;
  std::size_t ready_calls = 0;
  std::size_t data_calls = 0;

 private:
  void flush();

  std::size_t forward_;
  std::optional<ssh::Channel> channel_;
};

/// A session under test with everything that it told, driven by the test's own loop.
class Client final : public ssh::SessionObserver {
 public:
  explicit Client(TunnelSpec tunnel) : spec(std::move(tunnel)) {}
  ~Client();

  /// A spec for this relay with its known hosts, the ed25519 client key, and no forward.
  static TunnelSpec spec_for(const Sshd& sshd, const TempDir& dir);

  /// Connects to host_name:port and opens the session.
  void open();
  /// open() until it is let in; false if that failed.
  bool log_in();
  /// Runs the loop until the condition holds; false after `limit`. Measures the longest turn of the loop.
  bool run_until(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds{10});
  void run_for(std::chrono::milliseconds period);
  bool ended() const { return failure || closed; }
  /// Runs until the session failed; the failure.
  Failure wait_for_failure(std::chrono::milliseconds limit = std::chrono::seconds{10});
  /// Asks for a forward and waits; the bound port, 0 if refused.
  std::uint16_t listen(std::size_t forward);

  void on_event(SessionEvent event) override;
  void on_keepalive_answered(Duration round_trip) override { round_trips.push_back(round_trip); }
  void on_open_request(ssh::OpenRequest request) override;
  void on_host_key_met(const std::string& key) override { met_key = key; }
  void on_unwanted_open(const std::string& what) override { unwanted.push_back(what); }

  boost::asio::io_context context;
  TunnelSpec spec;
  std::shared_ptr<net::Disk> disk = std::make_shared<net::Disk>(context.get_executor());
  std::vector<std::string> complaints;  ///< of the storage
  std::shared_ptr<ssh::Storage> storage = std::make_shared<ssh::Storage>(
      context.get_executor(), disk, [this](const std::string& line) { complaints.push_back(line); });
  std::shared_ptr<ssh::Learnt> learnt = std::make_shared<ssh::Learnt>();
  std::unique_ptr<ssh::Session> session;
  bool authenticate_at_once = true;
  bool hold_requests = false;
  bool refuse_requests = false;

  std::string server;
  bool keys_exchanged = false;
  bool authenticated = false;
  bool closed = false;
  std::optional<Failure> failure;
  std::vector<std::optional<std::uint16_t>> bound;  ///< by forward; grows as answers come
  std::vector<std::size_t> answered;
  std::vector<std::size_t> cancelled;
  std::vector<Duration> round_trips;
  std::vector<std::string> unwanted;
  std::string met_key;
  std::vector<ssh::OpenRequest> requests;
  std::list<Peer> peers;
  std::size_t received_calls = 0;
  std::size_t received_packets = 0;
  Duration longest_turn{};
};

/// The sockets of this process that are connected to this port, libssh's duplicate among them.
std::vector<int> descriptors_to(std::uint16_t port);

}  // namespace holdfast::test
