#include "config/types.hpp"

namespace holdfast::config {
namespace {

constexpr std::size_t longest_path = 4095;  // PATH_MAX, with its final zero

/// Why `path` can't be used as it stands; empty if it can. A service has no home and no working directory, so what a
/// shell would make of the path is not guessed.
std::string why_no_path(std::string_view path, std::size_t longest) {
  if (path.starts_with('~')) return ": '~' is not expanded; write the path from / on";
  if (path.starts_with('$') || path.find("${") != std::string_view::npos)
    return ": variables are not expanded; write the path from / on";
  if (path.starts_with('%')) return ": '%' is not expanded; write the path from / on";
  if (!path.starts_with('/')) return " is a relative path; write it from / on";
  if (path.size() > longest) return " is longer than " + std::to_string(longest) + " bytes";
  if (path.find('\n') != std::string_view::npos) return " is not a path";
  return {};
}

std::optional<std::string> read_path(const Value& value, std::size_t longest) {
  auto text = value.text();
  if (!text) return std::nullopt;
  const std::string reason = why_no_path(*text, longest);
  if (reason.empty()) return text;
  value.refuse(quote(*text) + reason);
  return std::nullopt;
}

/// A Path, or one below the directory where systemd puts what LoadCredential= names.
std::optional<std::string> read_credential_path(const Value& value) {
  static constexpr std::string_view variable = "${CREDENTIALS_DIRECTORY}";
  const auto text = value.text();
  if (!text) return std::nullopt;
  if (!text->starts_with(std::string(variable) + "/")) return read_path(value, longest_path);
  const auto directory = value.files().credentials_directory();
  if (directory) return *directory + text->substr(variable.size());
  value.refuse(
      "CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with LoadCredential=; elsewhere set it to the "
      "directory of the key");
  return std::nullopt;
}

/// Whether a file of that kind can be used; refuses or warns if need be.
bool usable(const Value& value, const std::string& what, const std::string& path, Files::Kind kind) {
  const std::string file = what + " " + quote(path);
  switch (kind) {
    case Files::Kind::missing:
      value.refuse(file + " does not exist");
      return false;
    case Files::Kind::not_a_file:
      value.refuse(file + " is not a regular file");
      return false;
    case Files::Kind::unreadable:
      value.refuse(file + " can't be read by this user");
      return false;
    case Files::Kind::exposed:
      value.refuse(file + " can be read by others; chmod 600 it");
      return false;
    case Files::Kind::unseen:
      value.warn(file + " is not checked: only the service sees its credentials");
      return true;
    case Files::Kind::good:
      return true;
  }
  return false;
}

}  // namespace

void Path::read(const Value& value, std::string& into) {
  if (auto path = read_path(value, longest_path)) into = *std::move(path);
}

void SocketPath::read(const Value& value, std::string& into) {
  if (auto path = read_path(value, longest_socket_path)) into = *std::move(path);
}

void AgentSocket::read(const Value& value, std::string& into) {
  if (value.node().text == "none") return into.clear();
  SocketPath::read(value, into);
}

void PrivateKey::read(const Value& value, std::string& into) {
  if (looks_like_key_material(value.node().text))
    return value.refuse("this looks like the key itself; give the path of the file that holds it");
  auto path = read_credential_path(value);
  if (!path) return;
  if (path->ends_with(".pub")) return value.refuse(quote(*path) + " is the public key; name the private one");
  if (usable(value, "private key", *path, value.files().private_key(*path))) into = *std::move(path);
}

void Certificate::read(const Value& value, std::string& into) {
  auto path = read_credential_path(value);
  if (path && usable(value, "certificate", *path, value.files().readable_file(*path))) into = *std::move(path);
}

}  // namespace holdfast::config
