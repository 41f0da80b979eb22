#include "ssh/algorithms.hpp"

#include <algorithm>

namespace holdfast::ssh {
namespace {

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const auto comma = list.find(',');
    const auto name = list.substr(0, comma);
    if (!name.empty()) names.emplace_back(name);
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return names;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void append_new(std::vector<std::string>& names, const std::vector<std::string>& more) {
  std::copy_if(more.begin(), more.end(), std::back_inserter(names),
               [&names](const std::string& name) { return !contains(names, name); });
}

std::string_view key_type_of(std::string_view algorithm) {
  return algorithm.starts_with("rsa-sha2-") ? "ssh-rsa" : algorithm;
}

}  // namespace

std::vector<std::string> resolve_algorithms(std::string_view wanted, std::string_view defaults) {
  if (wanted.empty()) return split(defaults);
  const char mode = wanted.front();
  if (mode != '+' && mode != '-' && mode != '^') return split(wanted);

  auto base = split(defaults);
  auto named = split(wanted.substr(1));
  if (mode == '+') {
    append_new(base, named);
    return base;
  }
  if (mode == '^') {
    append_new(named, base);
    return named;
  }
  std::erase_if(base, [&named](const std::string& name) { return contains(named, name); });
  return base;
}

std::vector<std::string> prefer_key_types(std::vector<std::string> algorithms,
                                          const std::vector<std::string>& key_types) {
  std::stable_partition(algorithms.begin(), algorithms.end(), [&key_types](const std::string& algorithm) {
    return contains(key_types, key_type_of(algorithm));
  });
  return algorithms;
}

bool any_signs(const std::vector<std::string>& algorithms, const std::vector<std::string>& key_types) {
  return std::any_of(algorithms.begin(), algorithms.end(), [&key_types](const std::string& algorithm) {
    return contains(key_types, key_type_of(algorithm));
  });
}

bool allows_key_type(const std::vector<std::string>& algorithms, std::string_view key_type) {
  return std::any_of(algorithms.begin(), algorithms.end(),
                     [key_type](const std::string& algorithm) { return key_type_of(algorithm) == key_type; });
}

}  // namespace holdfast::ssh
