#pragma once

#include <libssh/libssh.h>

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "holdfast/time.hpp"

namespace holdfast::ssh {

/// A message to an SSH agent and its answer, both whole. libssh would wait for it in the loop, without a limit.
/// Destroying it cancels: the handler is not called any more.
class AgentRequest {
 public:
  using Answer = tl::expected<std::string, std::string>;  ///< the error says why there is none
  using Handler = std::function<void(const Answer&)>;

  AgentRequest(const boost::asio::any_io_executor& executor, const std::string& path, std::string message,
               Duration deadline, Handler handler);
  ~AgentRequest();
  AgentRequest(const AgentRequest&) = delete;
  AgentRequest& operator=(const AgentRequest&) = delete;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// What libssh talks to in place of the agent. The answers are there before it asks, and behind them the end: so it
/// waits for nobody, whatever it asks.
class AgentStandIn {
 public:
  AgentStandIn() = default;
  ~AgentStandIn();
  AgentStandIn(const AgentStandIn&) = delete;
  AgentStandIn& operator=(const AgentStandIn&) = delete;

  /// From now on the session is answered with these messages, in turn. False: the system has no sockets for that.
  bool answer(ssh_session session, const std::string& messages);
  /// What the session has asked since.
  std::string asked() const;

 private:
  int ours_ = -1;
  int given_ = -1;  ///< libssh closes the last one with the session
};

}  // namespace holdfast::ssh
