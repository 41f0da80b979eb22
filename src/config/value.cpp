#include "config/value.hpp"

#include "config/wording.hpp"

namespace holdfast::config {
namespace {

std::string kind_name(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::scalar:
      return "a single value";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::mapping:
      return "a mapping";
  }
  return {};
}

/// A name that can stand in a key path as it is.
std::string shown(const std::string& name) {
  const bool plain = !name.empty() && name.size() <= 64 && !has_space_or_control(name);
  return plain ? name : quote(name);
}

}  // namespace

std::string Value::path_of(const std::string& member) const {
  return path_.empty() ? shown(member) : path_ + "." + shown(member);
}

std::string Value::line_seen_from(const Value& other) const {
  return (file() == other.file() ? "line " : file() + ":") + std::to_string(mark().line);
}

std::optional<std::string> Value::text() const {
  if (node_->kind == Node::Kind::null) {
    refuse("has no value");
  } else if (node_->kind != Node::Kind::scalar) {
    refuse("expected a single value, found " + kind_name(node_->kind));
  } else if (node_->text.empty()) {
    refuse("is empty");
  } else {
    return node_->text;
  }
  return std::nullopt;
}

std::vector<Value> Value::items() const {
  if (node_->kind != Node::Kind::list) return {*this};
  std::vector<Value> items;
  items.reserve(node_->items.size());
  for (const Node& item : node_->items)
    items.emplace_back(item, path_ + "[" + std::to_string(items.size()) + "]", *context_);
  return items;
}

std::vector<Value::Member> Value::members() const {
  std::vector<Member> members;
  if (node_->kind == Node::Kind::null) refuse("has no value");
  if (node_->kind == Node::Kind::scalar || node_->kind == Node::Kind::list)
    refuse("expected a mapping, found " + kind_name(node_->kind));
  std::map<std::string_view, int> first_lines;
  for (const Entry& entry : node_->entries) {
    const std::string& name = entry.key.text;
    const Value name_place(entry.key, path_of(name), *context_);
    if (entry.key.kind != Node::Kind::scalar || name.empty()) {
      Value(entry.key, path_, *context_).refuse("a key is empty");
      continue;
    }
    const auto [first, is_new] = first_lines.emplace(name, entry.key.mark.line);
    if (!is_new) {
      name_place.refuse("given twice; first in line " + std::to_string(first->second));
      continue;
    }
    members.push_back({name, name_place, Value(entry.value, path_of(name), *context_)});
  }
  return members;
}

std::optional<std::string_view> refuse_unknown_key(const Value::Member& member,
                                                   std::span<const std::string_view> known) {
  static constexpr std::size_t few = 6;
  if (member.name == "<<") {
    member.name_place.refuse("merge keys are not supported; 'defaults' holds what tunnels share");
    return std::nullopt;
  }
  const auto meant = nearest(member.name, known);
  const std::string others = known.size() <= few ? "; known here: " + join(known) : "";
  member.name_place.refuse("unknown key" + (meant ? "; did you mean '" + std::string(*meant) + "'?" : others));
  return meant;
}

}  // namespace holdfast::config
