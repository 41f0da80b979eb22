#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "forward/connections.hpp"
#include "net/resolver.hpp"
#include "ssh/session.hpp"
#include "support/net.hpp"
#include "support/sshd.hpp"
#include "support/temp_dir.hpp"

namespace holdfast::test {

/// A session with its forwards and Connections, on a thread of its own, so that the test may use blocking sockets at
/// both ends. Each forward listens on localhost, on a free port.
class ForwardingSession final : public ssh::SessionObserver {
 public:
  ForwardingSession(
      const Sshd& relay, const std::vector<Target>& targets,
      const std::function<void(TunnelSpec&)>& change = [](TunnelSpec&) {}, forward::Limits limits = {});
  ~ForwardingSession();
  ForwardingSession(const ForwardingSession&) = delete;
  ForwardingSession& operator=(const ForwardingSession&) = delete;

  std::uint16_t port(std::size_t forward = 0) const { return ports_.at(forward); }
  bool session_failed() const { return failed_; }
  std::vector<std::string> log() const;
  forward::Counters counters(std::size_t forward = 0);
  /// Calls it on the loop's thread and returns what it returned.
  template <typename Function>
  auto on_loop(Function function) {
    std::packaged_task<decltype(function())()> task(std::move(function));
    auto result = task.get_future();
    boost::asio::post(loop_, [&task] { task(); });
    return result.get();
  }
  forward::Connections& connections() { return *connections_; }  ///< on the loop's thread only

  void on_event(SessionEvent event) override;
  void on_keepalive_answered(Duration) override {}
  void on_open_request(ssh::OpenRequest request) override { connections_->open(std::move(request)); }
  void on_host_key_met(const std::string&) override {}
  void on_unwanted_open(const std::string&) override {}

 private:
  void open();
  void end();

  TempDir dir_;
  TunnelSpec spec_;
  boost::asio::io_context loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{loop_.get_executor()};
  net::Resolver resolver_{loop_.get_executor()};
  std::shared_ptr<ssh::Storage> storage_ =
      std::make_shared<ssh::Storage>(loop_.get_executor(), std::make_shared<net::Disk>(loop_.get_executor()));
  std::unique_ptr<forward::Connections> connections_;
  std::unique_ptr<ssh::Session> session_;
  std::vector<std::uint16_t> ports_;
  std::promise<std::string> ready_;  ///< what went wrong; empty: nothing
  std::atomic<bool> failed_ = false;
  mutable std::mutex mutex_;
  std::vector<std::string> log_;  ///< under mutex_
  std::thread thread_;
};

}  // namespace holdfast::test
