#include <doctest/doctest.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "config/tunnel_keys.hpp"
#include "fake_files.hpp"

/// etc/holdfast.schema.json against the tables of the parser. What it makes of whole files: schema.py.
using namespace holdfast;
using namespace holdfast::config;

namespace {

using Json = nlohmann::ordered_json;

Json read_schema() {
  std::ifstream file(HOLDFAST_SOURCE_DIR "/etc/holdfast.schema.json");
  REQUIRE(file);
  return Json::parse(file);
}

const Json& schema() {
  static const Json read = read_schema();
  return read;
}

/// The alternatives that a value has.
std::vector<Json> alternatives(const Json& property) {
  if (property.contains("$ref"))
    return alternatives(schema().at(Json::json_pointer(property.at("$ref").get<std::string>().substr(1))));
  if (property.contains("anyOf")) return property.at("anyOf");
  return {property};
}

struct Property {
  Json schema;
  std::string before;  ///< the value, in a tunnel
  std::string after;
};

/// By the path of its key.
std::map<std::string, Property> properties() {
  std::map<std::string, Property> all;
  for (const auto& [name, property] : schema().at("/definitions/tunnel/properties"_json_pointer).items())
    all[name] = {property, name + ": ", ""};
  const Json backoff = all.at("backoff").schema.at("properties");
  for (const auto& [name, property] : backoff.items()) {
    const std::string within = "backoff: {" + name + ": ";
    if (!property.contains("properties")) {
      all["backoff." + name] = {property, within, "}"};
      continue;
    }
    const Json& schedule = property.at("properties");
    all["backoff." + name + ".first"] = {schedule.at("first"), within + "{cap: 1d, first: ", "}}"};
    all["backoff." + name + ".cap"] = {schedule.at("cap"), within + "{first: 1, cap: ", "}}"};
  }
  return all;
}

std::string problems_with(const std::string& key, const Property& property, const std::string& value) {
  std::string tunnel = "tunnels:\n  relay:\n    " + property.before + value + property.after + "\n";
  for (const std::string line : {"host_name: relay.example", "user: device", "identity_file: /etc/holdfast/key",
                                 "remote_forward: 4649:localhost:22"}) {
    if (line.substr(0, line.find(':')) != key) tunnel += "    " + line + "\n";
  }
  return problems_of(tunnel);
}

std::string as_text(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::vector<std::string> names(const Json& mapping) {
  std::vector<std::string> all;
  for (const auto& [name, ignored] : mapping.items()) all.push_back(name);
  return all;
}

/// Of the node's single values, as the schema has them.
void check_defaults(const Node& built_in, const Json& property) {
  if (built_in.kind == Node::Kind::scalar) CHECK(as_text(property.value("default", Json(""))) == built_in.text);
  if (built_in.kind == Node::Kind::null) CHECK_FALSE(property.contains("default"));
  for (const Entry& entry : built_in.entries) {
    CAPTURE(entry.key.text);
    check_defaults(entry.value, property.at("properties").at(entry.key.text));
  }
}

}  // namespace

TEST_CASE("the schema has the keys of a tunnel in their order, each with its default and a description") {
  const Json& of_tunnel = schema().at("/definitions/tunnel/properties"_json_pointer);
  TunnelSpec defaults;
  defaults.user_known_hosts_file = default_known_hosts;
  std::vector<std::string> keys;
  for (const auto& key : tunnel_keys()) {
    keys.emplace_back(key.name);
    CAPTURE(key.name);
    REQUIRE(of_tunnel.contains(key.name));
    const Json& property = of_tunnel.at(std::string(key.name));
    CHECK(property.at("description").get<std::string>().ends_with('.'));
    check_defaults(key.write(defaults), property);
  }
  CHECK(names(of_tunnel) == keys);
  std::erase(keys, "remote_forward");
  CHECK(names(schema().at("/definitions/defaults/properties"_json_pointer)) == keys);
}

TEST_CASE("the schema's numbers have the bounds of the parser") {
  int bounded = 0;
  for (const auto& [key, property] : properties()) {
    for (const Json& one : alternatives(property.schema)) {
      if (!one.contains("minimum")) continue;
      ++bounded;
      CAPTURE(key);
      const auto least = one.at("minimum").get<std::int64_t>();
      CHECK(problems_with(key, property, std::to_string(least)) == "");
      CHECK(problems_with(key, property, std::to_string(least - 1)) != "");
      if (!one.contains("maximum")) continue;
      const auto most = one.at("maximum").get<std::int64_t>();
      CHECK(problems_with(key, property, std::to_string(most)) == "");
      CHECK(problems_with(key, property, std::to_string(most + 1)) != "");
    }
  }
  CHECK(bounded > 10);
}

TEST_CASE("the schema's words are those of the parser") {
  int chosen = 0;
  for (const auto& [key, property] : properties()) {
    for (const Json& one : alternatives(property.schema)) {
      if (!one.contains("enum")) continue;
      ++chosen;
      CAPTURE(key);
      std::string words;
      for (const Json& word : one.at("enum")) {
        CHECK(problems_with(key, property, as_text(word)) == "");
        if (word.is_string()) words += (words.empty() ? "" : ", ") + as_text(word);
      }
      const std::string refusal = problems_with(key, property, "x-x-x");
      const std::string advertised = words == "yes, no" ? "neither yes" : "is none of " + words + "\n";
      CAPTURE(refusal);
      CHECK(refusal.find(advertised) != std::string::npos);
    }
  }
  CHECK(chosen > 5);
}
