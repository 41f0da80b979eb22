#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "integration/status/running_server.hpp"
#include "status/json.hpp"
#include "status/plugin_line.hpp"
#include "status/table.hpp"
#include "support/net.hpp"
#include "support/process.hpp"
#include "support/skip.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

Finished holdfast_command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), HOLDFAST_BINARY);
  return run({.argv = std::move(arguments)});
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Report all_up() {
  Report report = example_report();
  report.tunnels.pop_back();
  return report;
}

/// A daemon's sockets, and a configuration that names it.
struct Lab {
  Lab() {
    write_file(config,
               "status_socket: {path: " + path +
                   "}\ntunnels:\n  relay:\n    host_name: relay.example\n    user: tunnel\n    identity_file: " +
                   (directory / "key") + "\n    user_known_hosts_file: /var/lib/holdfast/known_hosts\n" +
                   "    remote_forward: 4649:localhost:22\n");
  }

  TempDir directory;
  std::string path = directory / "status.sock";
  std::string config = directory / "holdfast.yaml";
  FakeSource source;
  RunningServer server{source, {path, ""}};
};

}  // namespace

TEST_CASE("status prints the table, and with --json the daemon's document") {
  Lab lab;
  const Finished table = holdfast_command({"status", "--socket", lab.path});
  CHECK(table.status.code == 0);
  CHECK(table.output == status::table(example_report(), status::Colour::no));
  CHECK(table.errors.empty());
  const Finished json = holdfast_command({"status", "--json", "-s", lab.path});
  CHECK(json.status.code == 0);
  CHECK(json.output == status::to_json(example_report()));
}

TEST_CASE("the socket is looked up in the configuration, whose keys need not be readable for that") {
  Lab lab;
  REQUIRE_FALSE(std::filesystem::exists(lab.directory / "key"));
  CHECK(holdfast_command({"status", "--config", lab.config}).status.code == 0);
  CHECK(holdfast_command({"--config", lab.config, "status"}).status.code == 0);
  CHECK(holdfast_command({"-s", lab.path, "status"}).status.code == 0);
}

TEST_CASE("health follows the Monitoring Plugins: one line and 0, 1, 2 or 3") {
  Lab lab;
  const auto health = [&] { return holdfast_command({"health", "-s", lab.path}); };
  CHECK(health().status.code == 2);
  CHECK(health().output == status::plugin_line(example_report()) + "\n");

  Report well = all_up();
  well.last_reload_error = std::nullopt;
  lab.source.show(well);
  CHECK(health().status.code == 0);
  CHECK(health().output.starts_with("HOLDFAST OK - 1 of 1 tunnel up | "));

  Report degraded = all_up();
  degraded.tunnels.at(0).up = false;
  degraded.tunnels.at(0).forwards.at(0).state = ForwardState::refused;
  lab.source.show(degraded);
  CHECK(health().status.code == 1);
  CHECK(health().output.starts_with("HOLDFAST WARNING - 0 of 1 tunnel up; relay: established, but 1 of 2 forwards "));

  lab.source.show(Report{});
  CHECK(health().status.code == 3);
  CHECK(health().errors.empty());
}

TEST_CASE("without a daemon health is critical, and the other commands fail and ask whether it runs") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  const auto reason = [](const std::string& socket) {
    return "nobody listens on " + socket + ": is holdfast running? Look with: systemctl status holdfast\n";
  };
  const Finished health = holdfast_command({"health", "-s", path});
  CHECK(health.status.code == 2);
  CHECK(health.output == "HOLDFAST CRITICAL - " + reason(path));
  const std::vector<std::vector<std::string>> commands = {{"status"}, {"reload"}, {"reconnect", "relay"}};
  for (std::vector<std::string> command : commands) {
    const std::string socket = command[0] == "status" ? path : control_socket(path);
    command.insert(command.end(), {"-s", path});
    const Finished result = holdfast_command(command);
    CHECK(result.status.code == 1);
    CHECK(result.errors == "holdfast: " + reason(socket));
    CHECK(result.output.empty());
  }
}

TEST_CASE("a daemon that hangs is given up at the timeout") {
  const TempDir directory;
  const std::string path = directory / "status.sock";
  const Listener hangs = Listener::unix_socket(path);
  const Finished health = holdfast_command({"health", "-s", path, "--timeout", "0.2"});
  CHECK(health.status.code == 2);
  CHECK(health.output == "HOLDFAST CRITICAL - holdfast does not answer on " + path +
                             " within 0.2 s: its process hangs or is stopped; look with: systemctl status holdfast\n");
  CHECK(holdfast_command({"status", "-s", path, "-t", "0.2"}).status.code == 1);
}

TEST_CASE("what answers but is not holdfast is told apart") {
  const TempDir directory;
  const std::string path = directory / "other.sock";
  Listener other = Listener::unix_socket(path);
  const auto status_when_told = [&](const std::string& answer) {
    Process command{{.argv = {HOLDFAST_BINARY, "status", "-s", path}}};
    Socket client = other.accept();
    client.receive_until("\r\n\r\n");
    client.send(answer);
    client.close();
    CHECK(command.wait() == ExitStatus{1, 0});
    return command.errors();
  };
  CHECK(contains(status_when_told("220 smtp.example ESMTP\r\n"), " is not holdfast: "));
  CHECK(contains(status_when_told(""), "was closed before an answer came: did holdfast just stop?"));
  CHECK(contains(status_when_told("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "holdfast: "));
  CHECK(contains(status_when_told("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), "this is not a status document"));
  CHECK(contains(status_when_told("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"schema\":2}"), "has schema 2"));
  CHECK(contains(status_when_told("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"), "holdfast: no"));

  const std::string file = directory / "file";
  write_file(file, "");
  CHECK(contains(holdfast_command({"status", "-s", file}).errors, file + " is not a socket"));
  CHECK(contains(holdfast_command({"status", "-s", std::string(200, 'x')}).errors, "File name too long"));
}

TEST_CASE("reload says that it is done, or what is wrong with the file") {
  Lab lab;
  const Finished good = holdfast_command({"reload", "-s", lab.path});
  CHECK(good.status.code == 0);
  CHECK(good.output == "reloaded\n");
  lab.source.refuse_reload("holdfast.yaml:3:5: no");
  const Finished bad = holdfast_command({"reload", "-s", lab.path});
  CHECK(bad.status.code == 1);
  CHECK(bad.errors == "holdfast: not reloaded, nothing has changed:\nholdfast.yaml:3:5: no\n");
}

TEST_CASE("commands find the control socket by the configuration, and need no status socket") {
  Lab lab;
  std::filesystem::remove(lab.path);
  CHECK(holdfast_command({"reload", "-c", lab.config}).status.code == 0);
  CHECK(holdfast_command({"reconnect", "relay", "-c", lab.config}).status.code == 0);
  CHECK(holdfast_command({"status", "-c", lab.config}).status.code == 1);
  CHECK(lab.source.reloads == 1);
  CHECK(lab.source.reconnects == 1);
}

TEST_CASE("reconnect says that it is done, or which tunnels there are") {
  const Lab lab;
  CHECK(holdfast_command({"reconnect", "relay", "-s", lab.path}).status.code == 0);
  const Finished bad = holdfast_command({"reconnect", "a b/%", "-s", lab.path});
  CHECK(bad.status.code == 1);
  CHECK(bad.errors == "holdfast: not reconnected: no tunnel is called 'a b/%'; there are: relay, backup\n");
}

TEST_CASE("another user of the socket's group may look and not touch, and others are told whom to ask") {
  if (skipped_without_root()) return;
  Lab lab;
  std::filesystem::permissions(lab.directory.path(), std::filesystem::perms{0755});
  const std::string copy = lab.directory / "holdfast";  // the way to the build may be closed to other users
  std::filesystem::copy_file(HOLDFAST_BINARY, copy);
  std::filesystem::permissions(copy, std::filesystem::perms{0755});
  const auto command_as = [&](UserId user, std::vector<std::string> command) {
    command.insert(command.begin(), copy);
    return run({.argv = std::move(command), .run_as = user});
  };
  const std::string denied = "holdfast: permission denied on ";
  const std::string to_root = ".control: run this as root, or as user 'root'";
  const UserId in_group{65534, 0};
  CHECK(command_as(in_group, {"status", "-s", lab.path}).status.code == 0);
  const Finished reload = command_as(in_group, {"reload", "-s", lab.path});
  CHECK(reload.status.code == 1);
  CHECK(reload.errors == denied + lab.path + to_root + "\n");
  CHECK(lab.source.reloads == 0);

  const Finished other = command_as({65534, 65534}, {"status", "-s", lab.path});
  CHECK(other.status.code == 1);
  CHECK(other.errors == denied + lab.path + ": run this as root, or as a member of group 'root'\n");

  // Of a process of one tunnel, too, though then there is nobody to ask at the socket of all.
  std::filesystem::permissions(lab.config, std::filesystem::perms{0644});
  const std::string path = socket_of_tunnel(lab.path, "relay");
  const std::filesystem::path folder = std::filesystem::path{path}.parent_path();
  std::filesystem::create_directories(folder);
  for (const auto& open : {folder.parent_path(), folder}) {
    std::filesystem::permissions(open, std::filesystem::perms{0755});
  }
  lab.server.stop();
  const RunningServer of_one{lab.source, {path, ""}};
  const Finished reconnect = command_as(in_group, {"reconnect", "relay", "-c", lab.config});
  CHECK(reconnect.status.code == 1);
  CHECK(reconnect.errors == denied + path + to_root + " (holdfast@relay)\n");

  std::filesystem::permissions(folder, std::filesystem::perms{0700});
  CHECK(command_as(in_group, {"reload", "-s", path}).errors ==
        denied + path + ".control: run this as root, or as the user that holdfast runs as\n");
}

TEST_CASE("check prints the effective configuration, or every problem") {
  const Lab lab;
  CHECK(holdfast_command({"check", "-c", lab.config}).status.code == 2);  // there is no key
  run_checked({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.directory / "key"}});
  const Finished good = holdfast_command({"check", "-c", lab.config});
  CHECK(good.status.code == 0);
  CHECK(contains(good.output, "host_name: relay.example\n"));
  CHECK(contains(good.output, "server_alive_count_max: 3\n"));
  const std::string effective = lab.directory / "effective.yaml";
  write_file(effective, good.output);
  CHECK(holdfast_command({"check", "-c", effective}).output == good.output);

  std::string elsewhere = good.output;
  elsewhere.replace(elsewhere.find(lab.path), lab.path.size(), "/nonexistent/status.sock");
  write_file(lab.config, elsewhere);
  const Finished nowhere = holdfast_command({"check", "-c", lab.config});
  CHECK(nowhere.status.code == 0);
  CHECK(contains(nowhere.errors, "warning: " + lab.config + ": status_socket: there is no folder /nonexistent: "));

  write_file(lab.config, "tunnels:\n  relay:\n    prot: 22\n    hostname: x\n");
  const Finished bad = holdfast_command({"check", "-c", lab.config});
  CHECK(bad.status.code == 2);
  CHECK(bad.output.empty());
  CHECK(contains(bad.errors, lab.config + ":3:5: tunnels.relay.prot: "));
  CHECK(contains(bad.errors, lab.config + ":4:5: tunnels.relay.hostname: "));
  CHECK(contains(bad.errors, "holdfast: " + lab.config + " can't be used: "));
}

TEST_CASE("check says what the device can know: as the user that runs it, and for root also as the service's") {
  const Lab lab;
  const std::string key = lab.directory / "key";
  run_checked({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key}});
  const Finished locked = holdfast_command({"check", "-c", lab.config});
  CHECK(locked.status.code == 2);
  CHECK(contains(locked.errors, lab.config + ":6:20: tunnels.relay.identity_file: " + key + " needs a passphrase"));
  CHECK(contains(locked.errors, "holdfast: " + lab.config + " can't be used: 1 problem\n"));

  if (skipped_without_root()) return;
  run_checked({.argv = {"ssh-keygen", "-q", "-p", "-P", "secret", "-N", "", "-f", key}});
  const std::string folder = lab.directory / "service";
  std::filesystem::create_directory(folder);
  for (const std::string& open : {lab.directory.path().string(), folder}) {
    std::filesystem::permissions(open, std::filesystem::perms{0777});
  }
  const std::string copy = lab.directory / "holdfast";  // the way to the build may be closed to other users
  std::filesystem::copy_file(HOLDFAST_BINARY, copy);
  std::filesystem::permissions(copy, std::filesystem::perms{0755});
  const std::string config = lab.directory / "service.yaml";
  const std::string socket = folder + "/status.sock";
  write_file(config,
             "status_socket: " + socket + "\ntunnels:\n  relay: {host_name: 127.0.0.1, user: u, identity_file: " + key +
                 ",\n    strict_host_key_checking: no, user_known_hosts_file: " + folder +
                 "/known_hosts, remote_forward: '4649:localhost:22'}\n",
             0644);
  Process service(
      {.argv = {copy, "run", "-c", config}, .env = {{"STATE_DIRECTORY", folder}}, .run_as = UserId{65534, 65534}});
  REQUIRE(wait_until([&] { return std::filesystem::exists(socket); }));
  const Finished roots = holdfast_command({"check", "-c", config});
  CHECK(roots.status.code == 2);
  CHECK(contains(roots.errors, "private key '" + key + "' can't be read by this user (for user nobody, whom holdfast"));
  run_checked({.argv = {"chown", "65534", key}});
  CHECK(holdfast_command({"check", "-c", config}).status.code == 0);
}

TEST_CASE("check refuses an algorithm that libssh does not know: the tunnel could never come up") {
  const Lab lab;
  const std::string key = lab.directory / "key";
  write_file(key, "unread", 0600);
  write_file(lab.config, "tunnels:\n  relay:\n    host_name: h\n    user: u\n    identity_file: " + key +
                             "\n    remote_forward: 4649:localhost:22\n    ciphers: aes128-gcm\n");
  const Finished bad = holdfast_command({"check", "-c", lab.config});
  CHECK(bad.status.code == 2);
  CHECK(contains(bad.errors, "tunnels.relay.ciphers: 'aes128-gcm' is not known to libssh "));
}

TEST_CASE("the daemon is found by a configuration that has been broken since it was started") {
  const Lab lab;
  write_file(lab.config, "tunels: {}\nstatus_socket: " + lab.path + "\n");
  CHECK(holdfast_command({"status", "-c", lab.config}).status.code == 0);
  CHECK(holdfast_command({"check", "-c", lab.config}).status.code == 2);
}

TEST_CASE("a configuration that was named and can't be used is bad usage, unknown to monitoring, and 78 of run") {
  const TempDir directory;
  const std::string config = directory / "holdfast.yaml";
  write_file(config, "tunnels: [\n");
  for (const char* command : {"status", "reload", "check"}) {
    CAPTURE(command);
    CHECK(holdfast_command({command, "-c", config}).status.code == 2);
  }
  CHECK(holdfast_command({"run", "-c", config}).status.code == 78);  // EX_CONFIG
  const Finished health = holdfast_command({"health", "-c", config});
  CHECK(health.status.code == 3);
  CHECK(health.output.starts_with("HOLDFAST UNKNOWN - can't look up status_socket in " + config));
  CHECK(std::count(health.output.begin(), health.output.end(), '\n') == 1);
}

TEST_CASE("a wrong command line is 2 and says what is wrong and where to read on; for health it is 3") {
  struct Case {
    std::vector<std::string> arguments;
    std::string text;
  };
  for (const Case& wrong : std::vector<Case>{
           {{}, "a command is missing; see 'holdfast --help'"},
           {{"statsu"}, "there is no command or option 'statsu'; see 'holdfast --help'"},
           {{"status", "--jsno"}, "there is no command or option '--jsno'; see 'holdfast status --help'"},
           {{"status", "relay"}, "there is no command or option 'relay'; see 'holdfast status --help'"},
           {{"reconnect"}, "TUNNEL is required; see 'holdfast reconnect --help'"},
           {{"status", "-t", "0"}, "--timeout: '0' is not between 0.1 and 3600 seconds; see 'holdfast status --help'"},
           {{"status", "-t", "nan"},
            "--timeout: 'nan' is not between 0.1 and 3600 seconds; see 'holdfast status --help'"},
           {{"-s", "x", "run"}, "run makes the socket that status_socket.path names in the configuration"}}) {
    const Finished result = holdfast_command(wrong.arguments);
    CHECK(result.status.code == 2);
    CHECK(result.errors == "holdfast: " + wrong.text + "\n");
    CHECK(result.output.empty());
  }
  const Finished health = holdfast_command({"health", "-w", "5"});
  CHECK(health.status.code == 3);
  CHECK(health.output == "HOLDFAST UNKNOWN - there is no command or option '-w'; see 'holdfast health --help'\n");
}

TEST_CASE("help teaches: every command has its exit status and an example") {
  const Finished top = holdfast_command({"--help"});
  CHECK(top.status.code == 0);
  CHECK(contains(top.output, "Examples:"));
  for (const char* command :
       {"run", "check", "status", "health", "reload", "reconnect", "relay-script", "completion"}) {
    CAPTURE(command);
    CHECK(contains(top.output, std::string{"\n  "} + command + " "));
    const Finished help = holdfast_command({command, "--help"});
    CHECK(help.status.code == 0);
    CHECK(contains(help.output, std::string{"Usage: holdfast "} + command));
    CHECK(contains(help.output, "Exit status:"));
    CHECK(contains(help.output, "\nExamples:\n  holdfast "));
  }
}

TEST_CASE("relay-script prints the lease as it is written, ready to be installed") {
  const Finished printed = holdfast_command({"relay-script"});
  CHECK(printed.status.code == 0);
  CHECK(printed.output == read_file(LEASE_SCRIPT));
  CHECK(printed.output.starts_with("#!/bin/sh\n"));
  CHECK(printed.errors.empty());
}

TEST_CASE("every shell completes what the help shows") {
  const TempDir directory;
  write_file(directory / "completion", holdfast_command({"completion", "bash"}).output);
  const std::string bash = R"bash(source "$0" || exit
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _holdfast
    echo "${COMPREPLY[*]}")bash";
  const auto in_bash = [&](const std::vector<std::string>& words) {
    std::vector<std::string> argv{"bash", "--norc", "-c", bash, directory / "completion", "holdfast"};
    argv.insert(argv.end(), words.begin(), words.end());
    return run({.argv = argv}).output;
  };
  CHECK(in_bash({"rel"}) == "reload relay-script\n");
  CHECK(in_bash({"-c", "run", "sta"}) == "status\n");
  CHECK(in_bash({"status", "--js"}) == "--json\n");
  CHECK(in_bash({"run", "--js"}) == "\n");
  CHECK(in_bash({"run", "--only", "x"}) == "\n");
  CHECK(in_bash({"completion", "z"}) == "zsh\n");
  CHECK(in_bash({"import", "side"}) == "sidedoor\n");
  CHECK(in_bash({"import", "--n"}) == "--name\n");
  CHECK(in_bash({"check", "-c", "/etc/passw"}).starts_with("/etc/passwd"));

  for (const char* command : {"run", "check", "status", "health", "reload", "reconnect", "relay-script", "version"}) {
    const std::string help = holdfast_command({command, "--help"}).output;
    const std::string offered = in_bash({command, "--"});
    CAPTURE(command);
    for (const char* option : {"--config", "--socket", "--only", "--timeout", "--json", "--help"}) {
      CAPTURE(option);
      CHECK(contains(offered, option) == contains(help.substr(0, help.find("Exit status")), option));
    }
  }
  CHECK(holdfast_command({"completion", "csh"}).status.code == 2);
}

TEST_CASE("fish and zsh take their completion") {
  for (const char* shell : {"fish", "zsh"}) {
    CAPTURE(shell);
    if (run({.argv = {"sh", "-c", std::string{"command -v "} + shell}}).status.code != 0) {
      MESSAGE(shell, " is missing");
      continue;
    }
    const Finished read =
        run({.argv = {"sh", "-c", "\"$0\" completion " + std::string{shell} + " | " + shell + " -n /dev/stdin",
                      HOLDFAST_BINARY}});
    CHECK_MESSAGE(read.status.code == 0, read.errors);
    CHECK(read.errors.empty());
  }
  const std::string script =
      R"fish("$0" completion fish | fish --no-config -c 'source; complete -C "holdfast rel"')fish";
  if (run({.argv = {"sh", "-c", "command -v fish"}}).status.code == 0)
    CHECK(run({.argv = {"sh", "-c", script, HOLDFAST_BINARY}}).output ==
          "relay-script\tPrint what a relay runs for us\nreload\tHave the configuration read again\n");
}

TEST_CASE("version and --version say the same") {
  const Finished command = holdfast_command({"version"});
  CHECK(command.status.code == 0);
  CHECK(command.output.starts_with("holdfast "));
  CHECK(holdfast_command({"--version"}).output == command.output);
}

TEST_CASE("an output that can't be written is a failure") {
  const Lab lab;
  const Finished full =
      run({.argv = {"sh", "-c", "exec \"$0\" status -s \"$1\" > /dev/full", HOLDFAST_BINARY, lab.path}});
  CHECK(full.status.code == 1);
  CHECK(full.errors == "holdfast: can't write to standard output\n");
}
