#include "config/load.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <list>
#include <map>
#include <set>

#include "config/document.hpp"
#include "config/listeners.hpp"
#include "config/report.hpp"
#include "config/sources.hpp"
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

/// What a file of conf.d may not say: of two files it would be the later one that counts.
struct OfTheMainFile {
  static void read(const Value& value, std::optional<Value>& /*into*/) {
    value.refuse("belongs into the main file: a file of conf.d holds tunnels only");
  }
  static Node write(const std::optional<Value>& /*value*/) { return {}; }
};

struct DropIn {
  std::optional<Value> tunnels;
  std::optional<Value> refused;
};

constexpr std::array drop_in_keys{
    key<Later, &DropIn::tunnels>("tunnels"),
    key<OfTheMainFile, &DropIn::refused>("defaults"),
    key<OfTheMainFile, &DropIn::refused>("status_socket"),
    key<OfTheMainFile, &DropIn::refused>("watchdog"),
};

/// A file as a tree, and what is said of it. Values point into it: it stays where it is.
struct Part {
  Part(const Source& source, const Files& files) : report(source.file), context{report, files} {
    auto read = read_document(source.text);
    if (read) document = std::move(*read);
    if (!read) report.problem(read.error().mark, "", read.error().message);
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  bool is_empty() const { return document.kind == Node::Kind::null; }
  Value root() const { return {document, "", context}; }

  Report report;
  const Context context;
  Node document;
};

/// The main file first.
using Parts = std::list<Part>;

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

/// `mappings`: each file's tunnels.
std::vector<TunnelEntry> read_entries(const std::vector<Value>& mappings, const Defaults& defaults) {
  std::vector<TunnelEntry> entries;
  std::map<std::string, Value> first_places;
  for (const Value& tunnels : mappings) {
    for (const Value::Member& tunnel : tunnels.members()) {
      const auto [first, is_new] = first_places.emplace(tunnel.name, tunnel.name_place);
      if (is_new) {
        entries.push_back(read_tunnel(tunnel, defaults));
      } else {
        tunnel.name_place.refuse("given twice; first in " + first->second.line_seen_from(tunnel.name_place));
      }
    }
  }
  if (entries.empty() && mappings.front().node().kind == Node::Kind::mapping)
    mappings.front().refuse("there is no tunnel in it");
  return entries;
}

std::vector<TunnelSpec> read_tunnels(const std::vector<Value>& mappings, const Defaults& defaults,
                                     const StatusSocketSpec& status_socket, Places& places) {
  std::vector<TunnelEntry> entries = read_entries(mappings, defaults);
  refuse_colliding_listeners(entries);
  refuse_own_socket(entries, status_socket);
  for (const TunnelEntry& entry : entries) {
    for (const auto& [key, value] : entry.places) {
      const Mark mark = value.mark();
      places.emplace(entry.spec.name + (key.empty() ? "" : "." + key),
                     Problem{value.file(), mark.line, mark.column, value.path(), ""});
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

/// Where tunnels stand, file by file.
std::vector<Value> tunnels_of(const Parts& parts, const File& main) {
  std::vector<Value> tunnels;
  if (main.tunnels) tunnels.push_back(*main.tunnels);
  for (const Part& part : parts) {
    if (&part == &parts.front() || part.is_empty()) continue;
    DropIn drop_in;
    read_record<DropIn>(part.root(), drop_in_keys, drop_in);
    if (drop_in.tunnels) tunnels.push_back(*drop_in.tunnels);
  }
  return tunnels;
}

Config read_parts(Parts& parts, Places& places) {
  Part& main = parts.front();
  File file;
  const Given given = main.is_empty() ? Given{} : read_record<File>(main.root(), file_keys, file);
  Config config;
  config.status_socket = std::move(file.status_socket);
  config.watchdog = file.watchdog;
  Defaults defaults;
  defaults.spec.user_known_hosts_file = default_known_hosts;
  if (file.defaults) read_defaults(*file.defaults, defaults);
  const std::vector<Value> tunnels = tunnels_of(parts, file);
  if (!tunnels.empty())
    config.tunnels = read_tunnels(tunnels, defaults, config.status_socket, places);
  else if (main.is_empty())
    main.report.problem({}, "", "holds no tunnel; 'holdfast init' makes one, or write it under 'tunnels'");
  else if (main.document.kind == Node::Kind::mapping)
    main.root().refuse("required key 'tunnels' is missing");
  if (const auto watchdog = given.find("watchdog"); watchdog != given.end()) warn_of_watchdog(watchdog->second, config);
  return config;
}

/// File by file.
Problems gathered(Parts& parts, Problems (Report::*take)()) {
  Problems all;
  for (Part& part : parts) {
    Problems some = (part.report.*take)();
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace

tl::expected<Loaded, Problems> parse(const std::vector<Source>& sources, const Files& files) {
  Parts parts;
  for (const Source& source : sources) parts.emplace_back(source, files);
  const auto is_refused = [](const Part& part) { return part.report.has_problems(); };
  Places places;
  Config config;
  // Without one of the files the others may seem to lack something.
  if (std::none_of(parts.begin(), parts.end(), is_refused)) config = read_parts(parts, places);
  if (std::any_of(parts.begin(), parts.end(), is_refused))
    return tl::unexpected(gathered(parts, &Report::take_problems));
  return Loaded{std::move(config), gathered(parts, &Report::take_warnings), std::move(places)};
}

tl::expected<Loaded, Problems> parse(std::string_view text, const std::string& file_name, const Files& files) {
  return parse({Source{file_name, std::string{text}}}, files);
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

tl::expected<Loaded, Problems> load(const std::string& path, const Files& files, const std::vector<Source>& planned) {
  auto sources = read_sources(path, planned);
  if (!sources) return tl::unexpected(std::move(sources.error()));
  auto loaded = parse(sources->files, files);
  if (!loaded) return loaded;
  loaded->digest = digest_of(sources->files);
  std::move(sources->warnings.begin(), sources->warnings.end(), std::back_inserter(loaded->warnings));
  return loaded;
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
