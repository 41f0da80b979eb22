#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/duration.hpp"
#include "config/value.hpp"
#include "config/wording.hpp"
#include "holdfast/config.hpp"

/// The types of values: each reads one from a Value, or refuses it there and changes nothing, and writes it so that
/// it reads back the same.
namespace holdfast::config {

/// A text of one kind or another; empty is never written.
struct Text {
  static Node write(const std::string& text) { return text.empty() ? Node{} : Node::scalar(text); }
};

/// One relay's name or address; what parse_relay() takes, of which a port is for take_port() to keep.
struct HostName : Text {
  static void read(const Value& value, std::string& into);
};
struct UserName : Text {
  static void read(const Value& value, std::string& into);
};
/// Letters, digits, dots, dashes and underscores, 1 to 64 of them: what the script on the relay takes.
struct DeviceName : Text {
  static void read(const Value& value, std::string& into);
};
/// A numeric address of this device, IPv6 without brackets.
struct LocalAddress : Text {
  static void read(const Value& value, std::string& into);
};
struct InterfaceName : Text {
  static void read(const Value& value, std::string& into);
};
/// The name of a TCP congestion control, whether the kernel has it or not.
struct CongestionControl : Text {
  static void read(const Value& value, std::string& into);
};
/// Absolute; nothing in it is expanded.
struct Path : Text {
  static void read(const Value& value, std::string& into);
};

inline constexpr std::size_t longest_socket_path = 107;  ///< in bytes: sun_path, with its final zero

/// A Path that fits into a sockaddr_un, or `none`.
struct AgentSocket : Text {
  static void read(const Value& value, std::string& into);
};
struct SocketPath : Text {
  static void read(const Value& value, std::string& into);
};
/// A Path, or one below ${CREDENTIALS_DIRECTORY}, of a private key that nobody else may read.
struct PrivateKey : Text {
  static void read(const Value& value, std::string& into);
};
struct Certificate : Text {
  static void read(const Value& value, std::string& into);
};
/// SHA256 as `ssh-keygen -l` prints it.
struct Fingerprint : Text {
  static void read(const Value& value, std::string& into);
};
/// A list, or names with commas between them. A list that changes the default (+, -, ^) is refused.
struct Algorithms : Text {
  static void read(const Value& value, std::string& into);
};

struct Boolean {
  static void read(const Value& value, bool& into);
  static Node write(bool value) { return Node::scalar(value ? "yes" : "no"); }
};

/// yes, no, or how many intervals there are to a probe. LivenessSpec::intervals_per_probe.
struct Economy {
  static void read(const Value& value, unsigned& into);
  static Node write(unsigned intervals);
};

struct Forward {
  static void read(const Value& value, RemoteForward& into);
  static Node write(const RemoteForward& forward);
};

/// "BYTES [TIME]" as RekeyLimit in ssh_config(5).
struct Rekey {
  static void read(const Value& value, RekeyLimit& into);
  static Node write(const RekeyLimit& limit);
};

/// A number of bytes; refuses and answers nothing otherwise.
std::optional<std::uint64_t> read_size(const Value& value, std::uint64_t lowest, std::uint64_t highest);

template <std::uint64_t lowest, std::uint64_t highest>
struct Size {
  static void read(const Value& value, std::uint64_t& into) {
    if (const auto size = read_size(value, lowest, highest)) into = *size;
  }
  static Node write(std::uint64_t bytes) { return Node::scalar(format_size(bytes)); }
};

/// A whole number from `lowest` to `highest`; refuses and answers nothing otherwise.
std::optional<std::int64_t> read_number(const Value& value, std::int64_t lowest, std::int64_t highest);

template <std::int64_t lowest, std::int64_t highest>
struct Number {
  template <class Integer>
  static void read(const Value& value, Integer& into) {
    if (const auto number = read_number(value, lowest, highest)) into = static_cast<Integer>(*number);
  }
  static Node write(std::int64_t number) { return Node::scalar(std::to_string(number)); }
};

std::optional<std::chrono::seconds> read_seconds(const Value& value, std::chrono::seconds lowest,
                                                 std::chrono::seconds highest);

template <std::int64_t lowest, std::int64_t highest>
struct Seconds {
  static void read(const Value& value, Duration& into) {
    if (const auto seconds = read_seconds(value, std::chrono::seconds{lowest}, std::chrono::seconds{highest}))
      into = *seconds;
  }
  static Node write(Duration duration) {
    return Node::scalar(format_duration(std::chrono::floor<std::chrono::seconds>(duration)));
  }
};

/// The names of an enum's values in ssh_config, in any case. Of several for one value the first is written; names that
/// are only understood come after `advertised` ones.
template <class Enum, std::size_t size>
struct Names {
  std::array<std::pair<std::string_view, Enum>, size> all;
  std::size_t advertised = size;
};

/// The index of the value among the names; refuses and answers nothing if it is none of them.
std::optional<std::size_t> read_choice(const Value& value, std::span<const std::string_view> names,
                                       std::size_t advertised);

template <const auto& names>
struct Choice {
  template <class Enum>
  static void read(const Value& value, Enum& into) {
    std::array<std::string_view, names.all.size()> words;
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = names.all[i].first;
    if (const auto index = read_choice(value, words, names.advertised)) into = names.all[*index].second;
  }
  template <class Enum>
  static Node write(Enum value) {
    for (const auto& [name, meaning] : names.all)
      if (meaning == value) return Node::scalar(std::string(name));
    return {};
  }
};

/// One `Item` or a list of them; a list replaces what was there.
template <class Item>
struct ListOf {
  template <class T>
  static void read(const Value& value, std::vector<T>& into) {
    into.clear();
    for (const Value& item : value.items()) Item::read(item, into.emplace_back());
  }
  template <class T>
  static Node write(const std::vector<T>& list) {
    if (list.empty()) return {};
    std::vector<Node> items;
    items.reserve(list.size());
    for (const T& item : list) items.push_back(Item::write(item));
    return Node::list(std::move(items));
  }
};

/// A mapping with keys of its own.
template <const auto& keys>
struct Mapping {
  template <class Record>
  static void read(const Value& value, Record& into) {
    read_record<Record>(value, keys, into);
  }
  template <class Record>
  static Node write(const Record& record) {
    return write_record<Record>(keys, record);
  }
};

}  // namespace holdfast::config
