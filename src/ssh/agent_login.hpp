#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ssh/agent.hpp"
#include "ssh/agent_messages.hpp"

namespace holdfast::ssh {

/// Offers the keys of an agent, and has it sign beside the loop: libssh would wait for both. Destroying it cancels what
/// the agent is asked.
class AgentLogin {
 public:
  enum class State {
    again,
    succeeded,
    refused,   ///< the relay takes none of its keys, or asks for more
    unusable,  ///< problem() says why
  };

  /// `path`: the agent's socket. `wake` asks for another step() once the agent has answered, and
  /// does not call it from inside.
  AgentLogin(boost::asio::any_io_executor executor, std::string path, std::function<void()> wake);

  /// Until it is refused or unusable.
  State step(ssh_session session);
  /// The agent has answered, and the relay is asked.
  bool offers_keys() const { return phase_ == Phase::answered; }
  /// The relay took a key and asks for more.
  bool partial() const { return partial_; }
  /// "agent /run/agent.sock (11 keys)"
  std::string name() const;
  /// "agent /run/agent.sock: it refuses to sign"
  const std::string& problem() const { return problem_; }

 private:
  enum class Phase { untried, asked, answered, unusable };

  State offer(ssh_session session);
  void ask_for_keys();
  void ask_to_sign(const std::string& request);
  void ask(std::string message, AgentRequest::Handler then);
  bool offer_those_behind(const std::string& blob);
  void fail(const std::string& why);

  boost::asio::any_io_executor executor_;
  std::string path_;
  std::function<void()> wake_;
  Phase phase_ = Phase::untried;
  std::unique_ptr<AgentRequest> request_;
  std::vector<AgentKey> keys_;  ///< to be offered
  std::size_t listed_ = 0;      ///< so many the agent had
  std::string answers_;         ///< what the session is to be answered next
  bool signed_ = false;         ///< a signature is among them
  bool partial_ = false;
  std::string problem_;
  AgentStandIn stand_in_;
};

}  // namespace holdfast::ssh
