#include "ssh/agent_messages.hpp"

#include <doctest/doctest.h>

#include "ssh/wire.hpp"

using namespace holdfast::ssh;

TEST_CASE("keys come out of an agent's answer as they went in") {
  const std::vector<AgentKey> keys{{"blob", "a comment"}, {std::string("\0\1", 2), ""}};
  CHECK(keys_in(keys_message(keys)) == keys);
  CHECK(keys_message({{"k", "c"}}) == std::string("\0\0\0\x0f\x0c\0\0\0\1\0\0\0\1k\0\0\0\1c", 19));
}

TEST_CASE("an answer that lists no key says why") {
  CHECK(keys_in(keys_message({})).error() == "it shows no key: it holds none, or is locked");
  CHECK(keys_in(failure_message()).error() == "it refuses to list its keys");
  CHECK(keys_in("").error() == "it refuses to list its keys");
  const std::string whole = keys_message({{"blob", "comment"}});
  for (std::size_t size = 6; size + 4 < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(keys_in(to_wire(std::string_view{whole}.substr(4, size))));
  }
  std::string many = whole;
  many[8] = 2;  // keys that are not there
  CHECK(keys_in(many).error() == "its list of keys makes no sense");
}

TEST_CASE("the request for a signature is found among others, and its key in it") {
  const std::string request = to_wire(std::string{"\x0d"} + to_wire("blob") + to_wire("data") + to_wire(0));
  CHECK(sign_request_in(list_keys_message() + request) == request);
  CHECK(sign_request_in(list_keys_message()).empty());
  CHECK(sign_request_in("").empty());
  CHECK(key_of(request) == "blob");
  CHECK(key_of("").empty());
  CHECK(is_signature(to_wire(std::string{"\x0e"} + to_wire("signature"))));
  CHECK_FALSE(is_signature(failure_message()));
  CHECK_FALSE(is_signature(""));
}
