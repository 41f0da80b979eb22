#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
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
  auto result = examined(text, files);
  REQUIRE_MESSAGE(result, problems_of(text, files));
  return *std::move(result);
}

/// Every single value in the node, with the keys that lead to it.
void collect(const std::string& path, const Node& node, std::vector<std::pair<std::string, std::string>>& leaves) {
  if (node.kind == Node::Kind::scalar) leaves.emplace_back(path, node.text);
  for (const Entry& entry : node.entries) collect(path + "." + entry.key.text, entry.value, leaves);
}

/// What the top of a file may have, by the parser's own words.
std::vector<std::string> known_here(const std::string& text) {
  const std::string refusal = problems_of(text);
  const std::string words = "known here: ";
  const auto at = refusal.find(words);
  REQUIRE(at != std::string::npos);
  std::istringstream list(refusal.substr(at + words.size(), refusal.find('\n', at) - at - words.size()));
  std::vector<std::string> names;
  for (std::string name; std::getline(list >> std::ws, name, ',');) names.push_back(name);
  return names;
}

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream line(row.substr(1));
  for (std::string cell; std::getline(line, cell, '|');)
    cells.push_back(cell.size() < 2 ? "" : cell.substr(1, cell.size() - 2));
  return cells;
}

/// The tables of keys: of each row the key, or what stands between the first and the last backtick of its cell, and
/// what it says of the default.
std::vector<std::pair<std::string, std::string>> key_rows(const std::string& manual) {
  std::vector<std::pair<std::string, std::string>> rows;
  std::size_t default_column = 0;
  std::istringstream lines(manual);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("| Key |")) {
      const std::vector<std::string> heads = cells_of(line);
      default_column = static_cast<std::size_t>(std::find(heads.begin(), heads.end(), "Default") - heads.begin());
    } else if (!line.starts_with('|')) {
      default_column = 0;
    } else if (default_column != 0 && line.starts_with("| `")) {
      const std::vector<std::string> cells = cells_of(line);
      rows.emplace_back(cells.at(0).substr(1, cells.at(0).size() - 2), cells.at(default_column));
    }
  }
  return rows;
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

TEST_CASE("the manual has one row for each key, with its default, and no row for anything else") {
  TunnelSpec spec;
  spec.user_known_hosts_file = default_known_hosts;
  std::map<std::string, std::string> defaults;  // empty: said in words
  for (const std::string& key : known_here("nothing: 1\n")) defaults[key] = "";
  defaults["status_socket"] = "`" + StatusSocketSpec{}.path + "`";
  defaults["watchdog"] = "`loop`";
  for (const auto& key : tunnel_keys()) {
    const Node built_in = key.write(spec);
    defaults[std::string(key.name)] = built_in.kind == Node::Kind::scalar ? "`" + built_in.text + "`" : "";
    if (key.name != "backoff") continue;
    for (const Entry& each : built_in.entries) {
      const bool alone = each.value.kind == Node::Kind::scalar;
      defaults["backoff." + each.key.text + (alone ? "" : ".first`, `.cap")] =
          alone ? "`" + each.value.text + "`"
                : "`" + each.value.entries.at(0).value.text + "`, `" + each.value.entries.at(1).value.text + "`";
    }
  }
  std::map<std::string, int> documented;
  for (const auto& [key, stated] : key_rows(contents("docs/configuration.md"))) {
    CAPTURE(key);
    CHECK(++documented[key] == 1);
    REQUIRE(defaults.count(key) == 1);
    if (!defaults[key].empty()) CHECK(stated == defaults[key]);
  }
  for (const auto& [key, built_in] : defaults) {
    CAPTURE(key);
    CHECK(documented.count(key) == 1);
  }
}
