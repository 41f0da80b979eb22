#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "fake_files.hpp"

using namespace holdfast::config;

namespace {

/// The lines of a tunnel that is whole, whose listener is `port`.
std::string tunnel(const std::string& name, int port = 4649) {
  return "  " + name + ": {host_name: relay.example, user: device, identity_file: /etc/holdfast/key, remote_forward: " +
         std::to_string(port) + ":localhost:22}\n";
}

std::string tunnels(const std::string& entries) {
  return "tunnels:\n" + entries;
}

std::string told(const tl::expected<Loaded, Problems>& loaded) {
  std::string lines;
  if (!loaded)
    for (const Problem& problem : loaded.error()) lines += to_string(problem) + "\n";
  return lines;
}

std::string problems_of(const std::vector<Source>& sources) {
  return told(parse(sources, FakeFiles{}));
}

std::vector<std::string> names(const Loaded& loaded) {
  std::vector<std::string> names;
  for (const holdfast::TunnelSpec& spec : loaded.config.tunnels) names.push_back(spec.name);
  return names;
}

/// A configuration with a conf.d, gone with the test.
struct Folder {
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "holdfast-conf.d-XXXXXX";
    path = ::mkdtemp(pattern.data());
    std::filesystem::create_directory(path / "conf.d");
    write("holdfast.yaml", tunnels(tunnel("main", 2000)));
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void write(const std::string& name, const std::string& text) const { std::ofstream(path / name) << text; }
  tl::expected<Loaded, Problems> load() const { return holdfast::config::load(path / "holdfast.yaml", FakeFiles{}); }
  /// Without the folder's own name.
  std::string problems() const {
    std::string text = told(load());
    for (std::size_t at = 0; (at = text.find(path.string() + "/")) != std::string::npos;)
      text.erase(at, path.string().size() + 1);
    return text;
  }

  std::filesystem::path path;
};

}  // namespace

TEST_CASE("files of conf.d add tunnels, which start from the main file's defaults") {
  const auto loaded = parse({{"h.yaml", "defaults: {connect_timeout: 7}\n" + tunnels(tunnel("a", 2001))},
                             {"b.yaml", tunnels(tunnel("b", 2002) + tunnel("c", 2003))},
                             {"empty.yaml", "# nothing yet\n"}},
                            FakeFiles{});
  REQUIRE_MESSAGE(loaded, told(loaded));
  CHECK(names(*loaded) == std::vector<std::string>{"a", "b", "c"});
  CHECK(loaded->config.tunnels[2].connect_timeout == std::chrono::seconds{7});
}

TEST_CASE("the main file need not have a tunnel where conf.d has one") {
  for (const char* main : {"", "# all in conf.d\n", "watchdog: loop\n"}) {
    CAPTURE(main);
    CHECK(problems_of({{"h.yaml", main}, {"b.yaml", tunnels(tunnel("b"))}}).empty());
  }
  CHECK(problems_of({{"h.yaml", ""}, {"b.yaml", ""}}) ==
        "h.yaml: holds no tunnel; 'holdfast init' makes one, or write it under 'tunnels'\n");
  CHECK(problems_of({{"h.yaml", "watchdog: loop"}, {"b.yaml", ""}}) ==
        "h.yaml:1:1: required key 'tunnels' is missing\n");
}

TEST_CASE("each problem is told with the file and the line where it stands") {
  const std::string bad = tunnels("  b: {host_name: r, user: u, identity_file: /k, remote_forward: 1:h:1, prot: 1}\n");
  CHECK(problems_of({{"h.yaml", "watchdog: both\n" + tunnels(tunnel("a"))}, {"b.yaml", bad}}) ==
        "h.yaml:1:11: watchdog: 'both' is none of loop, verified\n"
        "b.yaml:2:72: tunnels.b.prot: unknown key; did you mean 'port'?\n");
}

TEST_CASE("a file of conf.d that is no YAML is named, and hides nothing else that can't be read") {
  const std::string said =
      problems_of({{"h.yaml", tunnels(tunnel("a"))}, {"b.yaml", "tunnels: [\n"}, {"c.yaml", "\x01"}});
  CHECK_MESSAGE(said.starts_with("b.yaml:"), said);
  CHECK_MESSAGE(said.ends_with("\nc.yaml:1:1: not UTF-8 text\n"), said);
}

TEST_CASE("a tunnel's name is taken in all files, and so is a listener") {
  CHECK(problems_of({{"h.yaml", tunnels(tunnel("a", 2001))}, {"b.yaml", "\n" + tunnels(tunnel("a", 2002))}}) ==
        "b.yaml:3:3: tunnels.a: given twice; first in h.yaml:2\n");
  const std::string collide = problems_of({{"h.yaml", tunnels(tunnel("a"))}, {"b.yaml", tunnels(tunnel("b"))}});
  CHECK_MESSAGE(collide.find("b.yaml:2:") == 0, collide);
  CHECK_MESSAGE(collide.find("of tunnel a in h.yaml:2\n") != std::string::npos, collide);
}

TEST_CASE("a file of conf.d holds tunnels and nothing else") {
  for (const char* key : {"defaults: {port: 1}", "status_socket: /run/s", "watchdog: loop"}) {
    CAPTURE(key);
    const std::string name = std::string{key}.substr(0, std::string{key}.find(':'));
    const std::string said = problems_of(
        {{"h.yaml", tunnels(tunnel("a"))}, {"b.yaml", std::string{key} + "\n" + tunnels(tunnel("b", 2002))}});
    CHECK(said.ends_with(": " + name + ": belongs into the main file: a file of conf.d holds tunnels only\n"));
  }
}

TEST_CASE("conf.d's *.yaml are read by name; what editors and package managers leave there is not") {
  const Folder folder;
  folder.write("conf.d/20-b.yaml", tunnels(tunnel("b", 2002)));
  folder.write("conf.d/10-c.yaml", tunnels(tunnel("c", 2003)));
  for (const char* other :
       {".hidden.yaml", "#x.yaml#", ".#x.yaml", "x.yaml~", ".x.yaml.swp", "x.yaml.dpkg-dist", "README", "x.yaml.bak"})
    folder.write(std::string{"conf.d/"} + other, "not for us");
  const auto loaded = folder.load();
  REQUIRE_MESSAGE(loaded, told(loaded));
  CHECK(names(*loaded) == std::vector<std::string>{"main", "c", "b"});
  CHECK(loaded->warnings.empty());
}

TEST_CASE("a .yml in conf.d is warned about") {
  const Folder folder;
  folder.write("conf.d/b.yml", tunnels(tunnel("b", 2002)));
  const auto loaded = folder.load();
  REQUIRE(loaded);
  REQUIRE(loaded->warnings.size() == 1);
  CHECK(to_string(loaded->warnings[0]) == (folder.path / "conf.d/b.yml").string() + ": is not read: name it .yaml");
}

TEST_CASE("files that are only planned are read as if they were there, in the place of those that are") {
  const Folder folder;
  const std::string main = folder.path / "holdfast.yaml";
  folder.write("conf.d/b.yaml", tunnels(tunnel("b", 2002)));
  const Source planned{folder.path / "conf.d/a.yaml", tunnels(tunnel("a", 2003))};
  const auto loaded = load(main, FakeFiles{}, {planned});
  REQUIRE_MESSAGE(loaded, told(loaded));
  CHECK(names(*loaded) == std::vector<std::string>{"main", "a", "b"});
  folder.write("conf.d/a.yaml", "not what is planned");
  CHECK(load(main, FakeFiles{}, {planned, {main, "# none here\n"}})->config.tunnels.size() == 2);
  CHECK_FALSE(folder.load());
}

TEST_CASE("planned files can be the first, and their folder need not be there") {
  const Folder folder;
  std::filesystem::remove_all(folder.path);
  const auto loaded = load(
      folder.path / "holdfast.yaml", FakeFiles{},
      {{folder.path / "conf.d/a.yaml", tunnels(tunnel("a", 2003))}, {folder.path / "holdfast.yaml", "# none here\n"}});
  REQUIRE_MESSAGE(loaded, told(loaded));
  CHECK(names(*loaded) == std::vector<std::string>{"a"});
}

TEST_CASE("without a conf.d the main file is all") {
  const Folder folder;
  std::filesystem::remove(folder.path / "conf.d");
  CHECK(folder.problems().empty());
}

TEST_CASE("a conf.d that can't be read, or a file in it, is a problem and no silence") {
  const Folder folder;
  std::filesystem::create_directory(folder.path / "conf.d/folder.yaml");
  std::filesystem::create_symlink("nowhere", folder.path / "conf.d/link.yaml");
  CHECK(folder.problems() ==
        "conf.d/folder.yaml: can't be read: Is a directory\n"
        "conf.d/link.yaml: can't be read: No such file or directory\n");
  std::filesystem::remove_all(folder.path / "conf.d");
  folder.write("conf.d", "");
  CHECK(folder.problems() == "conf.d: can't be read: Not a directory\n");
}

TEST_CASE("a pipe in conf.d is not waited for") {
  const Folder folder;
  REQUIRE(::mkfifo((folder.path / "conf.d/pipe.yaml").c_str(), 0600) == 0);
  CHECK(folder.problems() == "conf.d/pipe.yaml: can't be read: it is no regular file\n");
}

TEST_CASE("what the device finds wrong with a tunnel is told where the tunnel stands") {
  const auto loaded = parse({{"h.yaml", ""}, {"b.yaml", tunnels(tunnel("b"))}}, FakeFiles{});
  REQUIRE(loaded);
  CHECK(to_string(loaded->problem_with("b", "user", 0, "no")).starts_with("b.yaml:2:"));
}

TEST_CASE("another digest stands for another text, or for other files") {
  const Folder folder;
  const std::string main = folder.path / "holdfast.yaml";
  const std::string digest = digest_of(main);
  CHECK(digest.size() == 16);
  CHECK(folder.load()->digest == digest);

  folder.write("conf.d/b.yaml", tunnels(tunnel("b", 2002)));
  const std::string with_b = digest_of(main);
  CHECK(with_b != digest);
  CHECK(folder.load()->digest == with_b);
  folder.write("conf.d/b.yaml", tunnels(tunnel("b", 2003)));
  CHECK(digest_of(main) != with_b);
  std::filesystem::rename(folder.path / "conf.d/b.yaml", folder.path / "conf.d/c.yaml");
  folder.write("conf.d/c.yaml", tunnels(tunnel("b", 2002)));
  CHECK(digest_of(main) != with_b);
  std::filesystem::remove(folder.path / "conf.d/c.yaml");
  CHECK(digest_of(main) == digest);
  CHECK(digest_of(folder.path / "nowhere.yaml").empty());
}
