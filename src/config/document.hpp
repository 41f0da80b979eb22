#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

/// A YAML document as a tree of our own: every node knows its place in the text, and duplicate keys are still there.
/// Nothing in it is shared, so that neither an alias nor a merge key can blow it up.
namespace holdfast::config {

/// A place in the file, counted from 1 as editors do, columns in characters. {0, 0}: the file as a whole.
struct Mark {
  int line = 0;
  int column = 0;

  friend auto operator<=>(const Mark&, const Mark&) = default;
};

struct Entry;

struct Node {
  enum class Kind { null, scalar, list, mapping };

  Kind kind = Kind::null;
  Mark mark;
  std::string text;            ///< of a scalar, whether it was quoted or not
  std::vector<Node> items;     ///< of a list
  std::vector<Entry> entries;  ///< of a mapping, in the file's order

  static Node scalar(std::string text);
  static Node list(std::vector<Node> items);
  static Node mapping(std::vector<Entry> entries);
};

struct Entry {
  Node key;
  Node value;
};

struct SyntaxError {
  Mark mark;
  std::string message;
};

/// Larger files and deeper nesting than any configuration needs are refused before they cost anything.
inline constexpr std::size_t max_document_bytes = std::size_t{256} * 1024;
inline constexpr std::size_t max_document_depth = 16;

/// The one document of the text. Beyond YAML's own rules refused: what is not UTF-8 text, a second document, tags,
/// anchors and aliases (`defaults:` is for what tunnels share). A text without content is a null node.
tl::expected<Node, SyntaxError> read_document(std::string_view text);

/// The tree as YAML text that read_document() reads back.
std::string write_document(const Node& document);

}  // namespace holdfast::config
