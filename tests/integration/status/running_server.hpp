#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>  // Boost 1.74 misses it
#include <vector>

#include "status/server.hpp"
#include "support/temp_dir.hpp"
#include "unit/status/example.hpp"

namespace holdfast::test {

/// Answers from the server's thread, is set from the test's.
class FakeSource final : public status::Source {
 public:
  Report report() const override {
    ++reports;
    const std::lock_guard lock{mutex_};
    return report_;
  }
  void reload(Reloaded then) override {
    ++reloads;
    const std::lock_guard lock{mutex_};
    then(refusal_);
  }
  bool reconnect(const std::string& tunnel) override {
    ++reconnects;
    return tunnel == "relay";
  }

  std::shared_ptr<void> examine(const std::string& tunnel, Tell tell) override {
    return tunnel == "relay" ? on_examine(std::move(tell)) : nullptr;
  }

  void show(Report report) {
    const std::lock_guard lock{mutex_};
    report_ = std::move(report);
  }
  void refuse_reload(std::string why) {
    const std::lock_guard lock{mutex_};
    refusal_ = std::move(why);
  }

  /// Set before the server runs.
  std::function<std::shared_ptr<void>(Tell)> on_examine = [](const Tell&) { return nullptr; };
  mutable std::atomic<int> reports = 0;
  std::atomic<int> reloads = 0;
  std::atomic<int> reconnects = 0;

 private:
  mutable std::mutex mutex_;
  Report report_ = example_report();
  std::optional<std::string> refusal_;
};

/// Both sockets of a process, with a loop of their own.
class RunningServer {
 public:
  RunningServer(FakeSource& source, const StatusSocketSpec& spec, status::Limits limits = {}) {
    limits.obey_own_process = true;
    for (const status::Role role : {status::Role::status, status::Role::control}) {
      auto server = status::Server::listen(loop_.get_executor(), spec, role, source, limits);
      if (!server) throw std::runtime_error{server.error()};
      servers_.push_back(std::move(*server));
    }
    thread_ = std::thread{[this] {
      const auto forever = boost::asio::make_work_guard(loop_);
      loop_.run();
    }};
  }
  ~RunningServer() { stop(); }
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  /// Waits until it was called in the servers' thread.
  void in_loop(const std::function<void()>& call) {
    std::promise<void> called;
    boost::asio::post(loop_, [&] {
      call();
      called.set_value();
    });
    called.get_future().wait();
  }

  /// Ends the servers in its own thread, as the program does, and then the loop.
  void stop() {
    if (!thread_.joinable()) return;
    boost::asio::post(loop_, [this] {
      servers_.clear();
      loop_.stop();
    });
    thread_.join();
  }

 private:
  boost::asio::io_context loop_{1};
  std::vector<status::Server> servers_;
  std::thread thread_;
};

}  // namespace holdfast::test
