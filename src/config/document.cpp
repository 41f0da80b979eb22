#include "config/document.hpp"

#include <yaml-cpp/emitter.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>
#include <utility>

#include "config/wording.hpp"

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
    return {mark.line + 1, static_cast<int>(characters) + 1};
  }

  std::string_view line(const YAML::Mark& mark) const {
    const auto number = static_cast<std::size_t>(mark.line);
    return number < lines_.size() ? lines_[number] : std::string_view{};
  }

  bool has_null_at(const YAML::Mark& mark) const {
    const std::string_view whole = line(mark);
    const std::string_view rest = whole.substr(std::min(whole.size(), column(mark)));
    return rest.starts_with('~') || rest.starts_with("null") || rest.starts_with("Null") || rest.starts_with("NULL");
  }

 private:
  static std::size_t column(const YAML::Mark& mark) { return static_cast<std::size_t>(mark.column); }

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
  void OnNull(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    const bool spelled_out = lines_.has_null_at(mark);
    const Mark place = spelled_out ? lines_.place(mark) : place_of_nothing(mark);
    add(Node::Kind::null, mark).mark = place;
  }
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

  /// yaml-cpp places a value that isn't there at the next token; a reader looks for it after its key.
  Mark place_of_nothing(const YAML::Mark& mark) const {
    if (open_.empty()) return lines_.place(mark);
    const Open& parent = open_.back();
    return parent.key ? parent.key->mark : parent.node->mark;
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

/// What yaml-cpp's shorter messages come from in practice.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> explanations{{
    {"end of map not found", "the indentation does not fit the lines above"},
    {"end of sequence not found", "the indentation does not fit the lines above"},
    {"end of map flow not found", "'}' is missing"},
    {"end of sequence flow not found", "']' is missing"},
    {"illegal map value", "a ': ' that does not belong here, or is missing in the line before"},
    {"illegal EOF in scalar", "the closing quote is missing"},
    {"unknown token", "a value that begins with this character has to be quoted"},
    {"the referenced anchor is not defined", "an alias (*name) without its anchor"},
}};

/// Some forwards begin with a character that means something else to YAML.
bool value_begins_with(std::string_view line, char special) {
  const std::size_t mapped = line.find(": ");
  for (const std::size_t from : {std::size_t{0}, mapped == std::string_view::npos ? 0 : mapped + 1}) {
    const std::size_t value = line.find_first_not_of(" -", from);
    if (value != std::string_view::npos && line[value] == special) return true;
  }
  return false;
}

std::string explain(std::string_view message, std::string_view line) {
  message = message.substr(0, message.find(": "));  // behind that yaml-cpp repeats the file, and that may be a secret
  if (line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string_view::npos)
    return "a tab can't indent; use spaces";
  const auto* const known =
      std::find_if(explanations.begin(), explanations.end(), [&](const auto& each) { return each.first == message; });
  std::string explained(known == explanations.end() ? message : known->second);
  for (const char special : {'*', '['})
    if (value_begins_with(line, special))
      explained += "; a value that begins with '" + std::string(1, special) + "' has to be quoted";
  return explained;
}

YAML::Mark mark_at(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  YAML::Mark mark;
  mark.line = static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  mark.column = static_cast<int>(before.size() - (before.rfind('\n') + 1));
  return mark;
}

tl::expected<Node, SyntaxError> parse_yaml(std::string_view text) {
  // Without the last newline: yaml-cpp takes an open quote as closed when nothing but newlines follows it.
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
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
    return tl::unexpected(
        SyntaxError{lines.place(error.mark), "YAML syntax: " + explain(error.msg, lines.line(error.mark))});
  }
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
    return tl::unexpected(SyntaxError{Lines(text).place(mark_at(text, *offset)), "not UTF-8 text"});
  return parse_yaml(text);
}

std::string write_document(const Node& document) {
  YAML::Emitter out;
  write(out, document);
  return std::string(out.c_str()) + "\n";
}

}  // namespace holdfast::config
