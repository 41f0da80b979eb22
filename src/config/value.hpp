#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "config/document.hpp"
#include "config/load.hpp"
#include "config/report.hpp"

namespace holdfast::config {

struct Context {
  Report& report;
  const Files& files;
};

/// A node together with the path that leads to it and the report that complaints about it go to.
class Value {
 public:
  Value(const Node& node, std::string path, const Context& context)
      : node_(&node), path_(std::move(path)), context_(&context) {}

  const Node& node() const { return *node_; }
  Mark mark() const { return node_->mark; }
  const std::string& path() const { return path_; }
  const std::string& file() const { return context_->report.file(); }
  /// "line 12", or "FILE:12" for whom another file speaks of it.
  std::string line_seen_from(const Value& other) const;
  const Files& files() const { return context_->files; }

  void refuse(std::string message) const { context_->report.problem(mark(), path_, std::move(message)); }
  void warn(std::string message) const { context_->report.warning(mark(), path_, std::move(message)); }

  /// The text of a scalar that has one. Anything else is refused.
  std::optional<std::string> text() const;
  /// A list's items, or the value itself as the only one.
  std::vector<Value> items() const;

  struct Member;
  /// A mapping's members, each name once. Whatever is not a mapping is refused, so are members whose name is repeated
  /// or no plain word.
  std::vector<Member> members() const;

 private:
  std::string path_of(const std::string& member) const;

  const Node* node_;
  std::string path_;
  const Context* context_;
};

struct Value::Member {
  std::string name;
  Value name_place;  ///< complaints about the name itself
  Value value;
};

/// One key of a mapping that becomes a `Record`: its name, how it is read and how it is written.
template <class Record>
struct Key {
  std::string_view name;
  /// Changes nothing when the value is refused.
  void (*read)(const Value&, Record&);
  /// A null node: nothing to be said about it.
  Node (*write)(const Record&);
};

template <class Record, class Field>
std::type_identity<Record> record_of(Field Record::*);

/// A key whose value has the type `Type` (types.hpp) and goes to the member that the pointers lead to.
template <class Type, auto First, auto... Rest>
constexpr auto key(std::string_view name) {
  using Record = typename decltype(record_of(First))::type;
  return Key<Record>{
      name,
      [](const Value& value, Record& record) { Type::read(value, ((record.*First).*....*Rest)); },
      [](const Record& record) { return Type::write(((record.*First).*....*Rest)); },
  };
}

/// By name, where each given key stands.
using Given = std::map<std::string_view, Value>;

/// Answers the known key that was probably meant.
std::optional<std::string_view> refuse_unknown_key(const Value::Member& member,
                                                   std::span<const std::string_view> known);

/// Reads what the mapping gives over what `record` holds already.
template <class Record>
Given read_record(const Value& value, std::span<const Key<Record>> keys, Record& record) {
  Given given;
  const auto find = [&](std::string_view name) {
    return std::find_if(keys.begin(), keys.end(), [&](const auto& each) { return each.name == name; });
  };
  for (const Value::Member& member : value.members()) {
    auto known = find(member.name);
    if (known == keys.end()) {
      std::vector<std::string_view> names;
      names.reserve(keys.size());
      for (const auto& each : keys) names.push_back(each.name);
      // Read on as what was probably meant: one slip is one problem, and hides no other.
      const auto meant = refuse_unknown_key(member, names);
      if (!meant) continue;
      known = find(*meant);
    }
    given.insert_or_assign(known->name, member.value);
    known->read(member.value, record);
  }
  return given;
}

template <class Record>
Node write_record(std::span<const Key<Record>> keys, const Record& record) {
  std::vector<Entry> entries;
  for (const auto& each : keys) {
    Node value = each.write(record);
    if (value.kind != Node::Kind::null) entries.push_back({Node::scalar(std::string(each.name)), std::move(value)});
  }
  return Node::mapping(std::move(entries));
}

}  // namespace holdfast::config
