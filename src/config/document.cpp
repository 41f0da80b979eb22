#include "config/document.hpp"

#include <yaml-cpp/emitter.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "config/text.hpp"

namespace holdfast::config {
namespace {

/// Turns yaml-cpp's marks, from zero and in bytes, into what an editor shows.
class Lines {
 public:
  explicit Lines(std::string_view text) {
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      lines_.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }

  Mark place(const YAML::Mark& mark) const {
    const std::string_view before = line(mark).substr(0, column(mark));
    const auto characters = std::count_if(
        before.begin(), before.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; });
    return {std::max(mark.line, 0) + 1, static_cast<int>(characters) + 1};
  }

  std::string_view line(const YAML::Mark& mark) const {
    const auto number = static_cast<std::size_t>(std::max(mark.line, 0));
    return number < lines_.size() ? lines_[number] : std::string_view{};
  }

  static std::size_t column(const YAML::Mark& mark) { return static_cast<std::size_t>(std::max(mark.column, 0)); }

 private:
  std::vector<std::string_view> lines_;
};

/// Builds the tree from the parser's events. Throws SyntaxError, which read_document() catches: yaml-cpp unwinds from
/// a handler just as it does from its own errors.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const Lines& lines) : lines_(lines) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (started_) refuse(mark, "a second document starts here; there can be only one");
    started_ = true;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override { add(Node::Kind::null, mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    refuse(mark, "aliases (*name) are not supported; 'defaults' holds what tunnels share");
  }
  void OnAnchor(const YAML::Mark& mark, const std::string& /*name*/) override {
    refuse(mark, "anchors (&name) are not supported; 'defaults' holds what tunnels share");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t /*anchor*/,
                const std::string& value) override {
    refuse_tag(mark, tag);
    add(Node::Kind::scalar, mark).text = value;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t /*anchor*/,
                       YAML::EmitterStyle::value /*style*/) override {
    refuse_tag(mark, tag);
    open(Node::Kind::list, mark);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {
    refuse_tag(mark, tag);
    open(Node::Kind::mapping, mark);
  }
  void OnMapEnd() override { open_.pop_back(); }

  Node take() { return std::move(root_); }

 private:
  /// A collection being filled. The pointer holds because nothing is added to its parent meanwhile.
  struct Open {
    Node* node;
    std::optional<Node> key;
  };

  [[noreturn]] void refuse(const YAML::Mark& mark, const char* message) const {
    throw SyntaxError{lines_.place(mark), message};
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    const bool none_given = tag == "?" || tag == "!" || tag.empty();
    if (!none_given) refuse(mark, "tags (!name) are not supported");
  }

  bool expects_key() const {
    return !open_.empty() && open_.back().node->kind == Node::Kind::mapping && !open_.back().key;
  }

  Node& add(Node::Kind kind, const YAML::Mark& mark) {
    Node node;
    node.kind = kind;
    node.mark = lines_.place(mark);
    if (open_.empty()) return root_ = std::move(node);
    Open& parent = open_.back();
    if (parent.node->kind == Node::Kind::list) return parent.node->items.emplace_back(std::move(node));
    if (expects_key()) return parent.key.emplace(std::move(node));
    parent.node->entries.push_back({std::move(*parent.key), std::move(node)});
    parent.key.reset();
    return parent.node->entries.back().value;
  }

  void open(Node::Kind kind, const YAML::Mark& mark) {
    if (open_.size() == max_document_depth) refuse(mark, "nested too deeply");
    if (expects_key()) refuse(mark, "a key has to be a plain word; quote a value that begins with '[' or '{'");
    open_.push_back({&add(kind, mark), std::nullopt});
  }

  const Lines& lines_;
  Node root_;
  std::vector<Open> open_;
  bool started_ = false;
};

/// Some forwards begin with a character that means something else to YAML; its own messages don't help there.
std::string hint(std::string_view line, std::size_t column) {
  for (const char special : {'*', '['}) {
    const bool at_mark = column < line.size() && line[column] == special;
    const bool before_mark = column > 0 && column <= line.size() && line[column - 1] == special;
    const std::size_t value = line.find_first_not_of(" -");
    const bool begins_value = value != std::string_view::npos && line[value] == special;
    if (at_mark || before_mark || begins_value)
      return "; a value that begins with '" + std::string(1, special) + "' has to be quoted";
  }
  return {};
}

tl::expected<Node, SyntaxError> parse_yaml(std::string_view text) {
  const Lines lines(text);
  TreeBuilder builder(lines);
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.take();
  } catch (const SyntaxError& error) {
    return tl::unexpected(error);
  } catch (const YAML::Exception& error) {
    return tl::unexpected(SyntaxError{
        lines.place(error.mark),
        "YAML syntax: " + error.msg + hint(lines.line(error.mark), Lines::column(error.mark)),
    });
  }
}

Mark mark_of_offset(std::string_view text, std::size_t offset) {
  YAML::Mark mark;
  mark.line = static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
  const std::size_t newline = text.substr(0, offset).rfind('\n');
  mark.column = static_cast<int>(newline == std::string_view::npos ? offset : offset - newline - 1);
  return Lines(text).place(mark);
}

void write(YAML::Emitter& out, const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      out << YAML::Null;
      return;
    case Node::Kind::scalar:
      out << node.text;
      return;
    case Node::Kind::list:
      out << YAML::BeginSeq;
      for (const Node& item : node.items) write(out, item);
      out << YAML::EndSeq;
      return;
    case Node::Kind::mapping:
      out << YAML::BeginMap;
      for (const Entry& entry : node.entries) {
        write(out << YAML::Key, entry.key);
        write(out << YAML::Value, entry.value);
      }
      out << YAML::EndMap;
      return;
  }
}

}  // namespace

Node Node::scalar(std::string text) {
  Node node;
  node.kind = Kind::scalar;
  node.text = std::move(text);
  return node;
}

Node Node::list(std::vector<Node> items) {
  Node node;
  node.kind = Kind::list;
  node.items = std::move(items);
  return node;
}

Node Node::mapping(std::vector<Entry> entries) {
  Node node;
  node.kind = Kind::mapping;
  node.entries = std::move(entries);
  return node;
}

tl::expected<Node, SyntaxError> read_document(std::string_view text) {
  static constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.size() > max_document_bytes)
    return tl::unexpected(SyntaxError{{}, "larger than " + std::to_string(max_document_bytes / 1024) + " KiB"});
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  if (const auto offset = first_binary_byte(text))
    return tl::unexpected(SyntaxError{mark_of_offset(text, *offset), "not UTF-8 text"});
  return parse_yaml(text);
}

std::string write_document(const Node& document) {
  YAML::Emitter out;
  write(out, document);
  return std::string(out.c_str()) + "\n";
}

}  // namespace holdfast::config
