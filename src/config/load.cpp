#include "config/load.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <list>
#include <map>
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

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

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

namespace {

/// Beside the file, as sshd_config.d is beside sshd_config.
struct DropIns {
  std::vector<std::string> files;  ///< by name
  Problems unreadable;             ///< of the others
  Problems warnings;
};

/// Hidden files, and those that an editor or dpkg leaves behind, are none.
tl::expected<DropIns, Problems> find_drop_ins(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path{path}.parent_path() / "conf.d";
  DropIns found;
  std::error_code error;
  std::filesystem::directory_iterator entry{folder, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    const std::filesystem::path& file = entry->path();
    if (file.filename().string().starts_with('.')) continue;
    std::string extension = file.extension();
    std::transform(extension.begin(), extension.end(), extension.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (file.extension() == ".yaml") {
      std::error_code unknown;
      const std::filesystem::file_type type = std::filesystem::status(file, unknown).type();
      const bool waits = type == std::filesystem::file_type::fifo || type == std::filesystem::file_type::character;
      if (waits) {
        found.unreadable.push_back({file, 0, 0, "", "can't be read: it is no regular file"});
      } else {
        found.files.push_back(file);
      }
    } else if (extension == ".yml" || extension == ".yaml") {
      found.warnings.push_back({file, 0, 0, "", "is not read: name it .yaml"});
    }
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return tl::unexpected(Problems{{folder, 0, 0, "", "can't be read: " + error.message()}});
  std::sort(found.files.begin(), found.files.end());
  return found;
}

struct Sources {
  std::vector<Source> files;
  Problems warnings;
};

tl::expected<Sources, Problems> read_sources(const std::string& path, const std::vector<Source>& planned) {
  Problems unreadable;
  Sources read;
  const auto take = [&](const std::string& file) {
    const auto plan = std::find_if(planned.begin(), planned.end(), [&](const Source& one) { return one.file == file; });
    auto text = plan != planned.end() ? plan->text : read_text(file);
    if (text)
      read.files.push_back({file, std::move(*text)});
    else
      std::move(text.error().begin(), text.error().end(), std::back_inserter(unreadable));
  };
  take(path);
  auto drop_ins = find_drop_ins(path);
  if (drop_ins) {
    for (const Source& plan : planned) {
      if (plan.file != path) drop_ins->files.push_back(plan.file);
    }
    std::sort(drop_ins->files.begin(), drop_ins->files.end());
    drop_ins->files.erase(std::unique(drop_ins->files.begin(), drop_ins->files.end()), drop_ins->files.end());
    for (const std::string& file : drop_ins->files) take(file);
    std::move(drop_ins->unreadable.begin(), drop_ins->unreadable.end(), std::back_inserter(unreadable));
    read.warnings = std::move(drop_ins->warnings);
  } else {
    std::move(drop_ins.error().begin(), drop_ins.error().end(), std::back_inserter(unreadable));
  }
  if (!unreadable.empty()) return tl::unexpected(std::move(unreadable));
  return read;
}

/// FNV-1a: nobody has to be kept from finding two texts of one digest. Where a file ends counts as well.
std::string digest_of(const std::vector<Source>& sources) {
  std::uint64_t digest = 14695981039346656037U;
  const auto add = [&](unsigned char byte) { digest = (digest ^ byte) * 1099511628211U; };
  for (const Source& source : sources) {
    for (const char byte : std::filesystem::path{source.file}.filename().string())
      add(static_cast<unsigned char>(byte));
    add(0);
    for (const char byte : source.text) add(static_cast<unsigned char>(byte));
    add(0);
  }
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016" PRIx64, digest);
  return text.data();
}

}  // namespace

tl::expected<Loaded, Problems> load(const std::string& path, const Files& files, const std::vector<Source>& planned) {
  auto sources = read_sources(path, planned);
  if (!sources) return tl::unexpected(std::move(sources.error()));
  auto loaded = parse(sources->files, files);
  if (!loaded) return loaded;
  loaded->digest = digest_of(sources->files);
  std::move(sources->warnings.begin(), sources->warnings.end(), std::back_inserter(loaded->warnings));
  return loaded;
}

std::string digest_of(const std::string& path) {
  const auto sources = read_sources(path, {});
  return sources ? digest_of(sources->files) : "";
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
