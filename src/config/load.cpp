#include "config/load.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "config/document.hpp"
#include "config/listeners.hpp"
#include "config/report.hpp"
#include "config/tunnel.hpp"
#include "config/types.hpp"

namespace holdfast::config {
namespace {

constexpr std::array status_socket_keys{
    key<SocketPath, &StatusSocketSpec::path>("path"),
    key<UserName, &StatusSocketSpec::group>("group"),
};

/// A path alone, or a mapping.
struct StatusSocket : Mapping<status_socket_keys> {
  static void read(const Value& value, StatusSocketSpec& into) {
    if (value.node().kind == Node::Kind::scalar) return SocketPath::read(value, into.path);
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

/// Visitors arrive there with this process's own uid, and could ask for whatever an operator may.
void refuse_own_socket(const std::vector<TunnelEntry>& tunnels, const StatusSocketSpec& status_socket) {
  for (const auto& [tunnel, places] : tunnels) {
    for (std::size_t i = 0; i < tunnel.remote_forward.size(); ++i) {
      const auto* target = std::get_if<UnixTarget>(&tunnel.remote_forward[i].target);
      if (target != nullptr && as_the_kernel_sees(target->path) == as_the_kernel_sees(status_socket.path))
        places[i].refuse(quote(target->path) +
                         " is holdfast's own status socket: whoever reaches the listener could "
                         "command it");
    }
  }
}

std::vector<TunnelSpec> read_tunnels(const Value& tunnels, const Defaults& defaults,
                                     const StatusSocketSpec& status_socket) {
  const std::vector<Value::Member> members = tunnels.members();
  std::vector<TunnelEntry> entries;
  entries.reserve(members.size());
  for (const Value::Member& tunnel : members) entries.push_back(read_tunnel(tunnel, defaults));
  if (entries.empty() && tunnels.node().kind == Node::Kind::mapping) tunnels.refuse("there is no tunnel in it");
  refuse_colliding_listeners(entries);
  refuse_own_socket(entries, status_socket);
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

Config read_file(const Value& root) {
  File file;
  const Given given = read_record<File>(root, file_keys, file);
  Config config;
  config.status_socket = std::move(file.status_socket);
  config.watchdog = file.watchdog;
  Defaults defaults;
  defaults.spec.user_known_hosts_file = default_known_hosts;
  if (file.defaults) read_defaults(*file.defaults, defaults);
  if (file.tunnels)
    config.tunnels = read_tunnels(*file.tunnels, defaults, config.status_socket);
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
  Config config = read_file(Value(*document, "", context));
  if (report.has_problems()) return tl::unexpected(report.take_problems());
  return Loaded{std::move(config), report.take_warnings()};
}

namespace {

tl::expected<std::string, Problems> read_text(const std::string& path) {
  const auto unreadable = [&] {
    return tl::unexpected(Problems{{path, 0, 0, "", "can't be read: " + std::generic_category().message(errno)}});
  };
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
  if (!file) return unreadable();
  // One byte more than is allowed, so that parse() says so about a file that is larger.
  std::string text(max_document_bytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return unreadable();
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
