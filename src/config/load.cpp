#include "config/load.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>

#include "config/document.hpp"
#include "config/listeners.hpp"
#include "config/report.hpp"
#include "config/tunnel.hpp"
#include "config/types.hpp"

namespace holdfast::config {
namespace {

/// A SocketPath with another beside it: the control socket's.
struct StatusPath : SocketPath {
  static void read(const Value& value, std::string& into) {
    static const std::string suffix = control_socket("");
    SocketPath::read(value, into);
    if (into.ends_with(suffix)) value.refuse(quote(into) + " ends as a control socket's path does: name it otherwise");
    if (control_socket(into).size() > longest_socket_path) {
      value.warn("'holdfast reload' and 'reconnect' can't work: with " + quote(suffix) +
                 " the control socket's path is longer than " + std::to_string(longest_socket_path) +
                 " bytes; name a path of at most " + std::to_string(longest_socket_path - suffix.size()));
    }
  }
};

constexpr std::array status_socket_keys{
    key<StatusPath, &StatusSocketSpec::path>("path"),
    key<UserName, &StatusSocketSpec::group>("group"),
};

/// A path alone, or a mapping.
struct StatusSocket : Mapping<status_socket_keys> {
  static void read(const Value& value, StatusSocketSpec& into) {
    if (value.node().kind == Node::Kind::scalar) return StatusPath::read(value, into.path);
    Mapping::read(value, into);
  }
};

constexpr Names<WatchdogMode, 2> watchdog_names{{{{"loop", WatchdogMode::loop}, {"verified", WatchdogMode::verified}}}};

/// The file's own keys. Tunnels start from the defaults, wherever in the file those stand.
struct File {
  std::optional<Value> defaults;
  std::optional<Value> tunnels;
  StatusSocketSpec status_socket;
  WatchdogMode watchdog = WatchdogMode::loop;
};

struct Later {
  static void read(const Value& value, std::optional<Value>& into) { into = value; }
  static Node write(const std::optional<Value>& /*value*/) { return {}; }
};

constexpr std::array file_keys{
    key<Later, &File::defaults>("defaults"),
    key<Later, &File::tunnels>("tunnels"),
    key<StatusSocket, &File::status_socket>("status_socket"),
    key<Choice<watchdog_names>, &File::watchdog>("watchdog"),
};

/// /var/run is /run on every Debian.
std::filesystem::path as_the_kernel_sees(const std::string& path) {
  const std::string normal = std::filesystem::path(path).lexically_normal();
  return normal.starts_with("/var/run/") ? normal.substr(std::string_view{"/var"}.size()) : normal;
}

/// Visitors arrive there with this process's own uid, and could see or ask for whatever an operator may. So they could
/// at the sockets of a process that holds another tunnel.
void refuse_own_socket(const std::vector<TunnelEntry>& tunnels, const StatusSocketSpec& status_socket) {
  std::set<std::filesystem::path> sockets;
  const auto add = [&](const std::string& path) {
    sockets.insert(as_the_kernel_sees(path));
    sockets.insert(as_the_kernel_sees(control_socket(path)));
  };
  add(status_socket.path);
  for (const TunnelEntry& entry : tunnels) add(socket_of_tunnel(status_socket.path, entry.spec.name));
  for (const TunnelEntry& entry : tunnels) {
    for (std::size_t i = 0; i < entry.spec.remote_forward.size(); ++i) {
      const auto* target = std::get_if<UnixTarget>(&entry.spec.remote_forward[i].target);
      if (target != nullptr && sockets.count(as_the_kernel_sees(target->path)) != 0)
        entry.forwards[i].refuse(quote(target->path) +
                                 " is a socket of holdfast's own: not for whoever reaches the listener");
    }
  }
}

std::vector<TunnelSpec> read_tunnels(const Value& tunnels, const Defaults& defaults,
                                     const StatusSocketSpec& status_socket, const std::string& file_name,
                                     Places& places) {
  const std::vector<Value::Member> members = tunnels.members();
  std::vector<TunnelEntry> entries;
  entries.reserve(members.size());
  for (const Value::Member& tunnel : members) entries.push_back(read_tunnel(tunnel, defaults));
  if (entries.empty() && tunnels.node().kind == Node::Kind::mapping) tunnels.refuse("there is no tunnel in it");
  refuse_colliding_listeners(entries);
  refuse_own_socket(entries, status_socket);
  for (const TunnelEntry& entry : entries) {
    for (const auto& [key, value] : entry.places) {
      const Mark mark = value.mark();
      places.emplace(entry.spec.name + (key.empty() ? "" : "." + key),
                     Problem{file_name, mark.line, mark.column, value.path(), ""});
    }
  }
  std::vector<TunnelSpec> specs;
  specs.reserve(entries.size());
  for (TunnelEntry& entry : entries) specs.push_back(std::move(entry.spec));
  return specs;
}

void warn_of_watchdog(const Value& watchdog, const Config& config) {
  if (config.watchdog != WatchdogMode::verified) return;
  for (const TunnelSpec& tunnel : config.tunnels) {
    if (tunnel.verify_interval == Duration::zero())
      watchdog.warn("'verified' does not look at tunnel " + tunnel.name + ": its verify_interval is '0'");
  }
}

Config read_file(const Value& root, const std::string& file_name, Places& places) {
  File file;
  const Given given = read_record<File>(root, file_keys, file);
  Config config;
  config.status_socket = std::move(file.status_socket);
  config.watchdog = file.watchdog;
  Defaults defaults;
  defaults.spec.user_known_hosts_file = default_known_hosts;
  if (file.defaults) read_defaults(*file.defaults, defaults);
  if (file.tunnels)
    config.tunnels = read_tunnels(*file.tunnels, defaults, config.status_socket, file_name, places);
  else if (root.node().kind == Node::Kind::mapping)
    root.refuse("required key 'tunnels' is missing");
  if (const auto watchdog = given.find("watchdog"); watchdog != given.end()) warn_of_watchdog(watchdog->second, config);
  return config;
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

tl::expected<Loaded, Problems> parse(std::string_view text, const std::string& file_name, const Files& files) {
  Report report(file_name);
  const auto document = read_document(text);
  if (!document) {
    report.problem(document.error().mark, "", document.error().message);
    return tl::unexpected(report.take_problems());
  }
  if (document->kind == Node::Kind::null) {
    report.problem({}, "", "is empty; at least 'tunnels' has to be there");
    return tl::unexpected(report.take_problems());
  }
  const Context context{report, files};
  Places places;
  Config config = read_file(Value(*document, "", context), file_name, places);
  if (report.has_problems()) return tl::unexpected(report.take_problems());
  return Loaded{std::move(config), report.take_warnings(), std::move(places)};
}

Problem Loaded::problem_with(const std::string& tunnel, const std::string& key, std::size_t item,
                             std::string message) const {
  const std::string name = tunnel + "." + key;
  for (const std::string& place : {name + "[" + std::to_string(item) + "]", name, tunnel}) {
    const auto found = places.find(place);
    if (found == places.end()) continue;
    Problem problem = found->second;
    problem.message = std::move(message);
    // A default is complained about where it stands, and names whom it concerns.
    if (!problem.key.starts_with("tunnels.")) problem.message = "tunnel " + tunnel + ": " + problem.message;
    if (place == tunnel) problem.key += "." + key;
    return problem;
  }
  return {"", 0, 0, "tunnels." + name, std::move(message)};
}

namespace {

/// A pipe, as a shell's <(...) is, has its content when somebody writes it.
constexpr int longest_wait_for_a_writer = 5000;  // ms

tl::expected<std::string, Problems> read_text(const std::string& path) {
  const auto problem = [&](const std::string& why) { return tl::unexpected(Problems{{path, 0, 0, "", why}}); };
  const auto unreadable = [&] { return problem("can't be read: " + std::generic_category().message(errno)); };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return unreadable();
  const std::unique_ptr<std::FILE, CloseFile> owner(::fdopen(descriptor, "rb"));
  // One byte more than is allowed, so that parse() says so about a file that is larger.
  std::string text(max_document_bytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    pollfd ready{descriptor, POLLIN, 0};
    if (::poll(&ready, 1, longest_wait_for_a_writer) == 0)
      return problem("can't be read: nobody writes into this pipe");
    const ssize_t got = ::read(descriptor, text.data() + size, text.size() - size);
    if (got < 0) return unreadable();
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

tl::expected<Loaded, Problems> load(const std::string& path, const Files& files) {
  const auto text = read_text(path);
  if (!text) return tl::unexpected(text.error());
  return parse(*text, path, files);
}

tl::expected<std::string, Problems> find_status_socket(const std::string& path) {
  const auto text = read_text(path);
  if (!text) return tl::unexpected(text.error());
  Report report(path);
  StatusSocketSpec spec;
  if (const auto document = read_document(*text)) {
    const auto& entries = document->entries;
    const auto found = std::find_if(entries.begin(), entries.end(),
                                    [](const Entry& entry) { return entry.key.text == "status_socket"; });
    const Context context{report, system_files()};
    if (found != entries.end()) StatusSocket::read(Value(found->value, "status_socket", context), spec);
  } else {
    report.problem(document.error().mark, "", document.error().message);
  }
  if (report.has_problems()) return tl::unexpected(report.take_problems());
  return spec.path;
}

std::string to_yaml(const Config& config) {
  std::vector<Entry> tunnels;
  tunnels.reserve(config.tunnels.size());
  for (const TunnelSpec& spec : config.tunnels) tunnels.push_back({Node::scalar(spec.name), write_tunnel(spec)});
  std::vector<Entry> file;
  file.push_back({Node::scalar("status_socket"), StatusSocket::write(config.status_socket)});
  file.push_back({Node::scalar("watchdog"), Choice<watchdog_names>::write(config.watchdog)});
  file.push_back({Node::scalar("tunnels"), Node::mapping(std::move(tunnels))});
  return write_document(Node::mapping(std::move(file)));
}

}  // namespace holdfast::config
