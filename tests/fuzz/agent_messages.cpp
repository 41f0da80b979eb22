#include "ssh/agent_messages.hpp"

#include "fuzz/fuzz.hpp"

namespace {

using namespace holdfast;
using fuzz::promise;

void run(std::string_view input) {
  if (const auto keys = ssh::keys_in(input)) {
    promise(!keys->empty(), "a list of keys has one");
    promise(ssh::keys_in(ssh::keys_message(*keys)) == keys, "keys that were read are written the same");
  }
  const std::string request = ssh::sign_request_in(input);
  promise(request.empty() || ssh::sign_request_in(request) == request, "a request that was found is one");
  promise(ssh::key_of(input).size() <= input.size(), "a key is a part of its request");
  static_cast<void>(ssh::is_signature(input));
}

const fuzz::Harness harness("agent_messages", run);

}  // namespace
