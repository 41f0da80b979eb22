#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "support/keys.hpp"
#include "support/net.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast::test;

TEST_CASE("that nothing may be captured is said once, though the running holdfast was looked for first") {
  const TempDir dir;
  const RefusingPort relay;
  write_file(dir / "holdfast.yaml",
             "status_socket:\n  path: " + (dir / "status.sock") +
                 "\ntunnels:\n  relay:\n    host_name: 127.0.0.1\n    port: " + std::to_string(relay.port()) +
                 "\n    user: me\n    identity_file: " + client_key() +
                 "\n    remote_forward: [\"4649:localhost:22\"]\n");
  std::vector<std::string> command{HOLDFAST_BINARY, "doctor", "relay", "--capture", "--config", dir / "holdfast.yaml"};
  if (::geteuid() == 0) command.insert(command.begin(), {"setpriv", "--bounding-set=-net_raw"});
  const Finished seen = run({.argv = command}, std::chrono::seconds{60});
  CAPTURE(seen.errors);
  const std::string words = "Nothing is captured: only root may capture";
  const auto first = seen.errors.find(words);
  REQUIRE(first != std::string::npos);
  CHECK(seen.errors.find("captured", first + words.size()) == std::string::npos);
}

TEST_CASE("options of doctor that do not go together are refused, and what to type is named") {
  const std::string outside = "me@relay:4649";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"--relay", "me@relay", "--from-outside", outside},
       "--from-outside and --relay are two things to do: type 'holdfast doctor --from-outside me@relay:4649', and "
       "--relay in a command of its own"},
      {{"--explain", "path_mtu", "--findings", "FILE"}, "type 'holdfast doctor --explain path_mtu', and --findings"},
      {{"--bundle", "FILE", "--relay", "me@relay"}, "type 'holdfast doctor --relay me@relay', and --bundle"},
      {{"--explain", "path_mtu", "--json"},
       "--explain takes no --json: type 'holdfast doctor --explain path_mtu', and --json in a command of its own"},
      {{"--relay", "me@relay", "--json"}, "--relay takes no --json"},
      {{"--from-outside", outside, "--capture"}, "--from-outside takes no --capture"},
      {{"gateway", "--relay", "me@relay"},
       "--relay takes no tunnel's name, as 'gateway' is: type 'holdfast doctor --relay me@relay'"},
      {{"--explain", "it's so", "--capture"}, "type 'holdfast doctor --explain \"it's so\"'"},
      {{"--plain"}, "--plain belongs to --bundle: type 'holdfast doctor --bundle FILE --plain'"},
      {{"--relay", "me@relay", "--plain"}, "--plain belongs to --bundle"},
      {{"--account", "tunnel"},
       "--account belongs to --relay: type 'holdfast doctor --relay USER@RELAY --account NAME'"},
      {{"--from-outside", outside, "--key", "FILE"}, "--key belongs to --relay"},
      {{"--relay", "me@relay", "--pin", "SHA256:" + std::string(43, 'A')}, "--pin belongs to --from-outside"},
      {{"--ssh-port", "22"}, "--ssh-port belongs to --from-outside"},
      {{"--explain", ""}, "its value is empty"},
      {{"--from-outside", ""}, "its value is empty"},
      {{"--from-outside", "me@relay:99999"}, "'99999' is no port, which is from 1 to 65535"},
      {{"--from-outside", "me@[::1]"}, "names no port"},
      {{"--relay", "me@relay:x"}, "'x' is no port"},
  };
  for (const auto& [arguments, words] : cases) {
    std::vector<std::string> command{HOLDFAST_BINARY, "doctor"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Finished refused = run({.argv = command});
    CAPTURE(words);
    CAPTURE(refused.errors);
    CHECK(refused.status.code == 2);
    CHECK(refused.output.empty());
    CHECK(refused.errors.find(words) != std::string::npos);
  }
}
