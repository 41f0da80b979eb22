#include "support/ssh/relay.hpp"

#include <cstdio>
#include <exception>
#include <utility>

namespace holdfast::test {

ScriptedRelay::ScriptedRelay(Script script, RelayOptions options)
    : script_(std::move(script)), options_(std::move(options)) {}

std::string ScriptedRelay::known_hosts() const {
  return "[" + host() + "]:" + std::to_string(port()) + " " + SshTransport::known_key(host_key_) + "\n";
}

std::string ScriptedRelay::problems() const {
  const std::lock_guard lock(mutex_);
  return problems_;
}

void ScriptedRelay::talk(Socket& socket) {
  try {
    RelaySession session(socket, host_key_, options_);
    script_(session);
  } catch (const PeerGone&) {  // how most scripts end
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "--- the relay's script: %s\n", problem.what());
    const std::lock_guard lock(mutex_);
    problems_ += std::string(problem.what()) + "\n";
  }
}

}  // namespace holdfast::test
