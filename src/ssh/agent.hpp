#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "holdfast/time.hpp"

namespace holdfast::ssh {

/// Asks an SSH agent how many keys it holds (draft-miller-ssh-agent, SSH_AGENTC_REQUEST_IDENTITIES), because libssh
/// would wait for its answer for ever. Destroying it cancels: the handler is not called any more.
class AgentQuery {
 public:
  /// Empty: it answered and holds a key. Else why it is of no use.
  using Handler = std::function<void(const std::string& problem)>;

  AgentQuery(const boost::asio::any_io_executor& executor, const std::string& path, Duration deadline, Handler handler);
  ~AgentQuery();
  AgentQuery(const AgentQuery&) = delete;
  AgentQuery& operator=(const AgentQuery&) = delete;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace holdfast::ssh
