#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "ssh/agent_login.hpp"
#include "ssh/identity.hpp"

namespace holdfast::ssh {

/// Tries the identities in order, then the agent; says at the end what was refused, and what could not be tried.
/// Without 'none' and without asking whether a key would do: a round trip each.
class Authentication {
 public:
  /// `asked`: once, when a request went out whose refusal ends the session, because there is nothing else to try.
  enum class State { again, asked, succeeded, failed };

  /// `wake` asks for another step() after something happened outside of the session.
  Authentication(boost::asio::any_io_executor executor, const TunnelSpec& spec,
                 std::shared_ptr<const Identities> identities, std::function<void()> wake);

  State step(ssh_session session);
  /// The relay has answered once. None is needed before an agent is asked, so that it is not told then.
  bool service_accepted() const { return service_accepted_; }
  /// After `failed`.
  Failure failure(ssh_session session) const;
  /// What was tried until the relay ended the session: "tried: PATH (ssh-ed25519 SHA256:...)"; empty: nothing.
  std::string tried() const;

 private:
  bool is_last_resort() const;
  State try_identity(ssh_session session);
  State try_agent(ssh_session session);

  const TunnelSpec& spec_;
  std::shared_ptr<const Identities> identities_;
  std::vector<UnusableFile> problems_;  ///< one for each file that is not usable, and of the agent
  std::size_t next_ = 0;
  bool asked_ = false;  ///< for that one
  bool service_accepted_ = false;
  std::vector<std::string> refused_;
  bool partial_ = false;
  std::optional<AgentLogin> agent_;  ///< none: there is none, or no more to be had of it
};

}  // namespace holdfast::ssh
