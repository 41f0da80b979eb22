#include "migrate/command_line.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace holdfast::migrate;

namespace {

Command found(std::string_view text) {
  const auto command = find_command(text);
  REQUIRE_MESSAGE(command.has_value(), command.error());
  return *command;
}

SshArguments apart(const Words& arguments, bool autossh = true) {
  const auto taken = take_apart({autossh, {}, arguments, "", false});
  REQUIRE(taken.has_value());
  return *taken;
}

}  // namespace

TEST_CASE("the command is found wherever it stands") {
  const Command plain{true, {}, {"-M", "0", "-N", "relay"}, "", false};
  CHECK(found("autossh -M 0 -N relay") == plain);
  CHECK(found("@reboot /usr/bin/autossh -M 0 -N relay >/dev/null 2>&1 &") == plain);
  CHECK(found("*/5 * * * * pi sleep 10; autossh -M 0 -N relay") == plain);
  CHECK(found("sudo nohup setsid autossh -M 0 -N relay") == plain);
  CHECK(found("docker run -d jnovack/autossh autossh -M 0 -N relay") == plain);
  CHECK(found("pgrep autossh || autossh -M 0 -N relay") == plain);
  CHECK(found("sh -c 'autossh -M 0 -N relay'") == plain);
  CHECK(found("# the tunnel\n\nautossh -M 0 \\\n  -N relay\n") == plain);
  CHECK(found("ssh -N relay") == Command{false, {}, {"-N", "relay"}, "", false});
}

TEST_CASE("a unit is read with its environment") {
  const Command command = found(R"([Unit]
Description=the tunnel over ssh
After=network-online.target

[Service]
Environment="AUTOSSH_GATETIME=0" AUTOSSH_POLL=60
ExecStart=-/usr/bin/autossh -M 0 -N \
  -o "ServerAliveInterval 30" relay
Restart=always
)");
  CHECK(command.arguments == Words{"-M", "0", "-N", "-o", "ServerAliveInterval 30", "relay"});
  CHECK(command.environment.at("AUTOSSH_GATETIME") == "0");
  CHECK(command.environment.at("AUTOSSH_POLL") == "60");
}

TEST_CASE("a unit's files of variables are read, wherever they stand in it, and one that can't be is told") {
  const auto read = [](const std::string& path) -> std::optional<std::string> {
    if (path != "/etc/default/tunnel") return std::nullopt;
    return "# the tunnel\n; and more\nAUTOSSH_POLL=60\nOPTIONS=-N -R 4649:localhost:22\nRELAY='pi@relay'\n";
  };
  const auto command = find_command(
      "[Service]\n"
      "ExecStart=/usr/bin/autossh -M 0 $OPTIONS ${RELAY}\n"
      "Environment=AUTOSSH_POLL=30\n"
      "EnvironmentFile=-/etc/default/tunnel\n"
      "EnvironmentFile=/etc/default/gone\n"
      "EnvironmentFile=\n",
      read);
  REQUIRE_MESSAGE(command, command.error());
  CHECK(command->arguments == Words{"-M", "0", "-N", "-R", "4649:localhost:22", "pi@relay"});
  CHECK(command->environment.at("AUTOSSH_POLL") == "60");
  CHECK(command->left_out == Words{"EnvironmentFile=/etc/default/gone: it can't be read here"});
}

TEST_CASE("a variable before the command is its own, on a crontab's line of its own, too") {
  CHECK(found("AUTOSSH_POLL=60\n@reboot autossh -M 0 relay").environment.at("AUTOSSH_POLL") == "60");
  CHECK(found("AUTOSSH_GATETIME=0 autossh -M 0 relay").environment.at("AUTOSSH_GATETIME") == "0");
}

TEST_CASE("whom it runs as, and that it has a password, is told") {
  CHECK(found("sudo -u pi autossh -M 0 relay").user == "pi");
  CHECK(found("su - pi -c 'autossh -M 0 relay'").user == "pi");
  CHECK(found("[Service]\nUser=pi\nExecStart=/usr/bin/autossh -M 0 relay").user == "pi");
  CHECK(found("sshpass -p secret ssh -N relay").password);
  CHECK(found("[Service]\nEnvironment=PORT=4649\nExecStart=/usr/bin/autossh -M 0 -R ${PORT}:localhost:22 relay")
            .arguments == Words{"-M", "0", "-R", "4649:localhost:22", "relay"});
}

TEST_CASE("what can't be told is said") {
  CHECK(find_command("").error() == "there is no autossh or ssh in it");
  CHECK(find_command("ls -l").error() == "there is no autossh or ssh in it");
  CHECK(find_command("ssh a\nssh b").error() == "it runs ssh more than once: give one command at a time");
  CHECK(find_command("ExecStart=/usr/bin/ssh -i %h/key a").error() ==
        "%h is known to systemd only: write what it stands for");
  CHECK(find_command("autossh $OPTIONS").error() ==
        "$OPTIONS is known to a running shell only: write what it stands for");
}

TEST_CASE("autossh's own options are taken out, wherever they stand") {
  SshArguments taken = apart({"-M", "20000", "-fN", "-R", "4649:localhost:22", "pi@relay", "-p", "2222"});
  CHECK(taken.monitor_port == "20000");
  CHECK(taken.for_ssh == Words{"-N", "-R", "4649:localhost:22", "pi@relay", "-p", "2222"});

  taken = apart({"-fNM0", "-R4649:localhost:22", "relay"});
  CHECK(taken.monitor_port == "0");
  CHECK(taken.for_ssh == Words{"-N", "-R", "4649:localhost:22", "relay"});

  taken = apart({"-NMf", "relay"}, false);
  CHECK_FALSE(taken.monitor_port);
  CHECK(taken.for_ssh == Words{"-NMf", "relay"});
}

TEST_CASE("a log file of ssh's own is told, and ssh -G does not get to make it") {
  for (const Words& arguments : {Words{"-M0", "-E", "/var/log/tunnel", "relay"}, {"-NE/var/log/tunnel", "relay"}}) {
    const SshArguments taken = apart(arguments);
    CHECK(taken.left_out == Words{"-E /var/log/tunnel: the log is in the journal: journalctl -u holdfast"});
    CHECK(std::count(taken.for_ssh.begin(), taken.for_ssh.end(), "-E") == 0);
    CHECK(taken.for_ssh.back() != "/var/log/tunnel");
  }
}

TEST_CASE("behind the relay comes a command") {
  const SshArguments taken = apart({"-M0", "relay", "-v", "sleep", "-x", "99"});
  CHECK(taken.for_ssh == Words{"relay", "-v"});
  CHECK(taken.remote_command == Words{"sleep", "-x", "99"});
}

TEST_CASE("a command line that ssh could not use either is refused") {
  CHECK(take_apart({true, {}, {"-M", "0", "-N"}, "", false}).error() == "it names no relay (user@host)");
  CHECK(take_apart({true, {}, {"relay", "-R"}, "", false}).error() == "-R lacks its value");
}
