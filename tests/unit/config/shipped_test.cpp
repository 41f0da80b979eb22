#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "config/tunnel_keys.hpp"
#include "fake_files.hpp"

using namespace holdfast;
using namespace holdfast::config;

namespace {

std::string contents(const std::string& path) {
  std::ifstream file(std::string(HOLDFAST_SOURCE_DIR "/") + path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Prose has a blank behind its '#', an option has none.
std::string uncommented(const std::string& text) {
  std::istringstream lines(text);
  std::string all;
  for (std::string line; std::getline(lines, line); all += line + "\n") {
    const std::size_t mark = line.find_first_not_of(' ');
    if (mark != std::string::npos && line[mark] == '#' && mark + 1 < line.size() && line[mark + 1] != ' ')
      line.erase(mark, 1);
  }
  return all;
}

FakeFiles service_files() {
  FakeFiles files;
  files.credentials = "/run/credentials/holdfast.service";
  return files;
}

Loaded loaded(const std::string& text) {
  const FakeFiles files = service_files();
  auto result = parse(text, "holdfast.yaml", files);
  REQUIRE_MESSAGE(result, problems_of(text, files));
  return *std::move(result);
}

/// Every single value in the node, with the keys that lead to it.
void collect(const std::string& path, const Node& node, std::vector<std::pair<std::string, std::string>>& leaves) {
  if (node.kind == Node::Kind::scalar) leaves.emplace_back(path, node.text);
  for (const Entry& entry : node.entries) collect(path + "." + entry.key.text, entry.value, leaves);
}

}  // namespace

TEST_CASE("the shipped configuration holds no tunnel, and leaves those to conf.d") {
  const FakeFiles files = service_files();
  const Source main{"h.yaml", contents("etc/holdfast.yaml")};
  CHECK(problems_of(main.text, files).find("holds no tunnel; 'holdfast init' makes one") != std::string::npos);
  const Source relay{"relay.yaml",
                     "tunnels:\n  relay:\n    host_name: relay.example\n    user: tunnel\n    identity_file: "
                     "${CREDENTIALS_DIRECTORY}/id_ed25519\n    remote_forward: 4649:localhost:22\n"};
  const auto both = parse({main, relay}, files);
  REQUIRE(both);
  CHECK(both->warnings.empty());
  CHECK(both->config.tunnels.size() == 1);
}

TEST_CASE("the tunnel of the shipped configuration is valid once the lines that it needs are no comments") {
  std::string text = contents("etc/holdfast.yaml");
  for (const std::string line : {"tunnels:", "relay:", "host_name: relay.example.com", "user: tunnel",
                                 "identity_file: ${", "remote_forward:", "- 4649:localhost:22"}) {
    const auto at = text.find("#" + line);
    REQUIRE(at != std::string::npos);
    text.erase(at, 1);
  }
  const Loaded shipped = loaded(text);
  CHECK(shipped.warnings.empty());
  TunnelSpec expected;
  expected.name = "relay";
  expected.host_name = "relay.example.com";
  expected.user = "tunnel";
  expected.identity_file = {"/run/credentials/holdfast.service/id_ed25519"};
  expected.user_known_hosts_file = default_known_hosts;
  expected.remote_forward = {{"localhost", 4649, TcpTarget{"localhost", 22}}};
  CHECK(shipped.config.tunnels == std::vector{expected});
  CHECK(shipped.config.status_socket == StatusSocketSpec{});
}

TEST_CASE("each commented line of the shipped configuration is valid, and shows the default where there is one") {
  const Loaded all = loaded(uncommented(contents("etc/holdfast.yaml")));
  CHECK(all.warnings.empty());
  CHECK(all.config.status_socket.path == StatusSocketSpec{}.path);
  REQUIRE(all.config.tunnels.size() == 1);
  TunnelSpec defaults;
  defaults.user_known_hosts_file = default_known_hosts;
  for (const auto& key : tunnel_keys()) {
    CAPTURE(key.name);
    std::vector<std::pair<std::string, std::string>> shown;
    std::vector<std::pair<std::string, std::string>> built_in;
    collect("", key.write(all.config.tunnels[0]), shown);
    collect("", key.write(defaults), built_in);
    if (!built_in.empty()) CHECK(shown == built_in);
  }
}

TEST_CASE("the shipped configuration shows every key of a tunnel") {
  const std::string text = uncommented(contents("etc/holdfast.yaml"));
  for (const auto& key : tunnel_keys()) {
    CAPTURE(key.name);
    CHECK(text.find("\n    " + std::string(key.name) + ":") != std::string::npos);
  }
}

TEST_CASE("the manual has a row for every key of a tunnel, with its default") {
  const std::string manual = contents("docs/configuration.md");
  TunnelSpec defaults;
  defaults.user_known_hosts_file = default_known_hosts;
  for (const auto& key : tunnel_keys()) {
    CAPTURE(key.name);
    const std::size_t begin = manual.find("\n| `" + std::string(key.name) + "` |");
    REQUIRE(begin != std::string::npos);
    const std::string row = manual.substr(begin + 1, manual.find('\n', begin + 1) - begin - 1);
    CAPTURE(row);
    const Node built_in = key.write(defaults);
    if (built_in.kind == Node::Kind::scalar) CHECK(row.find("| `" + built_in.text + "` |") != std::string::npos);
  }
}
