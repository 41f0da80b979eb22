// `holdfast import` beside ssh itself: what it prints is a configuration, and means what `ssh -G` says.
#include <doctest/doctest.h>

#include <filesystem>
#include <sstream>

#include "config/load.hpp"
#include "integration/tunnel/scenario.hpp"
#include "migrate/translate.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

Finished import(std::vector<std::string> arguments, const std::string& input = "") {
  arguments.insert(arguments.begin(), {HOLDFAST_BINARY, "import"});
  return run({.argv = std::move(arguments), .input = input});
}

/// Keys and folders of the service are not on this machine.
class NoFiles final : public config::Files {
 public:
  Kind private_key(const std::string& /*path*/) const override { return Kind::unseen; }
  Kind readable_file(const std::string& /*path*/) const override { return Kind::unseen; }
  std::optional<std::string> credentials_directory() const override { return "/run/credentials/holdfast.service"; }
  std::string congestion_controls() const override { return {}; }
};

TunnelSpec tunnel_of(const Finished& imported) {
  REQUIRE_MESSAGE(imported.status == success, imported.errors);
  const auto loaded = config::parse(imported.output, "relay.yaml", NoFiles{});
  REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : imported.output + to_string(loaded.error().front())));
  REQUIRE(loaded->config.tunnels.size() == 1);
  return loaded->config.tunnels.front();
}

migrate::SshConfig ssh_says(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"ssh", "-G"});
  const Finished finished = run({.argv = std::move(arguments)});
  REQUIRE_MESSAGE(finished.status == success, finished.errors);
  return migrate::parse_ssh_config(finished.output);
}

/// "[localhost]:22" and "[*]:80": as ssh prints what it listens on and leads to.
std::string printed(const RemoteForward& forward) {
  const std::string host = forward.bind_address.empty() ? "*" : forward.bind_address;
  const std::string listen =
      host == "localhost" ? std::to_string(forward.port) : "[" + host + "]:" + std::to_string(forward.port);
  if (const auto* socket = std::get_if<UnixTarget>(&forward.target)) return listen + " " + socket->path;
  const auto& target = std::get<TcpTarget>(forward.target);
  return listen + " [" + target.host + "]:" + std::to_string(target.port);
}

void agrees(const TunnelSpec& tunnel, migrate::SshConfig ssh) {
  CHECK(tunnel.host_name == ssh["hostname"].at(0));
  CHECK(std::to_string(tunnel.port) == ssh["port"].at(0));
  CHECK(tunnel.user == ssh["user"].at(0));
  std::vector<std::string> forwards;
  for (const RemoteForward& forward : tunnel.remote_forward) forwards.push_back(printed(forward));
  std::vector<std::string> expected;
  for (std::string forward : ssh["remoteforward"]) {
    if (forward.starts_with('/') || forward.ends_with(" [socks]:0")) continue;
    if (forward.starts_with("[]")) forward.insert(1, "*");  // both are all addresses
    if (forward.starts_with("[localhost]:")) forward.erase(0, std::string{"[localhost]:"}.size());
    expected.push_back(forward);
  }
  CHECK(forwards == expected);
  const std::string interval = ssh["serveraliveinterval"].at(0);
  if (interval != "0") CHECK(tunnel.liveness.server_alive_interval == std::chrono::seconds{std::stoi(interval)});
  CHECK(std::to_string(tunnel.liveness.server_alive_count_max) == ssh["serveralivecountmax"].at(0));
  CHECK(tunnel.tcp_keep_alive == (ssh["tcpkeepalive"].at(0) == "yes"));
  CHECK(tunnel.exit_on_forward_failure == (forwards.size() == 1 || ssh["exitonforwardfailure"].at(0) == "yes"));
  const std::string family = ssh["addressfamily"].at(0);
  CHECK((tunnel.address_family == AddressFamily::inet) == (family == "inet"));
  CHECK((tunnel.address_family == AddressFamily::inet6) == (family == "inet6"));
  if (const std::string timeout = ssh["connecttimeout"].at(0); timeout != "none") {
    CHECK(tunnel.connect_timeout == std::chrono::seconds{std::stoi(timeout)});
  }
  if (!ssh["bindaddress"].empty()) CHECK(tunnel.bind_address == ssh["bindaddress"].at(0));
}

std::vector<std::string> words(const std::string& line) {
  std::istringstream text{line};
  std::vector<std::string> all;
  for (std::string word; text >> word;) all.push_back(word);
  return all;
}

}  // namespace

TEST_CASE("fifty command lines of autossh's mean what ssh says of them") {
  for (const char* line : {
           "-N -R 4649:localhost:22 tunnel@relay.example",
           "-fN -R 4649:localhost:22 tunnel@relay.example",
           "-NTf -R 4649:localhost:22 relay.example -l tunnel",
           "-N -T -R 4649:127.0.0.1:22 tunnel@203.0.113.7",
           "-N -R 4649:localhost:22 -p 2222 tunnel@relay.example",
           "-p2222 -NR4649:localhost:22 tunnel@relay.example",
           "-N -R 4649:localhost:22 ssh://tunnel@relay.example:2222",
           "-N -R 4649:localhost:22 tunnel@2001:db8::7",
           "-N -6 -R 4649:localhost:22 tunnel@relay.example",
           "-4N -R 4649:localhost:22 tunnel@relay.example",
           "-N -R *:4649:localhost:22 tunnel@relay.example",
           "-N -R :4649:localhost:22 tunnel@relay.example",
           "-N -R 0.0.0.0:4649:localhost:22 tunnel@relay.example",
           "-N -R 127.0.0.1:4649:localhost:22 tunnel@relay.example",
           "-N -R localhost:4649:localhost:22 tunnel@relay.example",
           "-N -R [::1]:4649:[::1]:22 tunnel@relay.example",
           "-N -R 0:localhost:22 tunnel@relay.example",
           "-N -R 4649:192.168.1.1:80 tunnel@relay.example",
           "-N -R 4649:printer.lan:631 tunnel@relay.example",
           "-N -R 4649:/run/app.sock tunnel@relay.example",
           "-N -R 4649:localhost:22 -R 8080:localhost:80 tunnel@relay.example",
           "-N -R 4649:localhost:22 -R 8080:localhost:80 -R 5900:localhost:5900 tunnel@relay.example",
           "-N -R 4649:localhost:22 -L 3306:db:3306 tunnel@relay.example",
           "-N -R 4649:localhost:22 -D 1080 tunnel@relay.example",
           "-N -R 4649:localhost:22 -R 1080 tunnel@relay.example",
           "-N -R 4649:localhost:22 -R /tmp/s:localhost:22 tunnel@relay.example",
           "-N -oServerAliveInterval=60 -R 4649:localhost:22 tunnel@relay.example",
           "-N -oServerAliveInterval=30 -oServerAliveCountMax=2 -R 4649:localhost:22 tunnel@relay.example",
           "-N -oServerAliveInterval=10 -oServerAliveCountMax=10 -R 4649:localhost:22 tunnel@relay.example",
           "-N -oExitOnForwardFailure=yes -R 4649:localhost:22 tunnel@relay.example",
           "-N -oStrictHostKeyChecking=no -R 4649:localhost:22 tunnel@relay.example",
           "-N -oStrictHostKeyChecking=yes -R 4649:localhost:22 tunnel@relay.example",
           "-N -oStrictHostKeyChecking=accept-new -R 4649:localhost:22 tunnel@relay.example",
           "-N -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -R 4649:localhost:22 tunnel@relay.example",
           "-N -oConnectTimeout=10 -R 4649:localhost:22 tunnel@relay.example",
           "-N -oTCPKeepAlive=no -R 4649:localhost:22 tunnel@relay.example",
           "-N -oBatchMode=yes -oPasswordAuthentication=no -R 4649:localhost:22 tunnel@relay.example",
           "-N -oIdentitiesOnly=yes -R 4649:localhost:22 tunnel@relay.example",
           "-N -i /etc/ssh/ssh_host_ed25519_key -R 4649:localhost:22 tunnel@relay.example",
           "-N -b 192.0.2.7 -R 4649:localhost:22 tunnel@relay.example",
           "-NC -R 4649:localhost:22 tunnel@relay.example",
           "-NqnT -R 4649:localhost:22 tunnel@relay.example",
           "-vvvN -R 4649:localhost:22 tunnel@relay.example",
           "-NX -R 4649:localhost:22 tunnel@relay.example",
           "-NA -R 4649:localhost:22 tunnel@relay.example",
           "-J jump.example -N -R 4649:localhost:22 tunnel@relay.example",
           "-c aes256-ctr -N -R 4649:localhost:22 tunnel@relay.example",
           "-m hmac-sha2-256 -N -R 4649:localhost:22 tunnel@relay.example",
           "-oKexAlgorithms=curve25519-sha256 -N -R 4649:localhost:22 tunnel@relay.example",
           "-R 4649:localhost:22 tunnel@relay.example sleep infinity",
           "-oRekeyLimit=1G -N -R 4649:localhost:22 tunnel@relay.example",
           "-oLogLevel=ERROR -N -R 4649:localhost:22 tunnel@relay.example",
       }) {
    CAPTURE(line);
    std::vector<std::string> autossh = words(line);
    migrate::SshConfig ssh = ssh_says(autossh);
    autossh.insert(autossh.begin(), {"autossh", "--", "autossh", "-M", "0"});
    agrees(tunnel_of(import(autossh)), std::move(ssh));
  }
}

TEST_CASE("hosts of ssh_config, with Include, Match, Host patterns and tokens, mean what ssh says of them") {
  TempDir directory;
  const std::string file = directory / "config";
  write_file(directory / "more", "Host *.example\n  ServerAliveInterval 45\n  Port 2022\n");
  write_file(file, "Include " + (directory / "more") + R"(
Host relay
  HostName relay.example
  User tunnel
  RemoteForward 4649 localhost:22
Host relay other
  RemoteForward 8080 localhost:80
Match originalhost other exec "true"
  HostName %h.example.org
  User pi
  AddressFamily inet
Host *
  ServerAliveInterval 15
  ServerAliveCountMax 4
)");
  for (const char* host : {"relay", "other"}) {
    CAPTURE(host);
    agrees(tunnel_of(import({"ssh-config", "-F", file, host})), ssh_says({"-F", file, host}));
  }
}

TEST_CASE("a unit and a crontab are read from standard input") {
  const TunnelSpec unit = tunnel_of(import({"autossh", "--name", "site"}, R"([Service]
Environment=AUTOSSH_GATETIME=0
ExecStart=/usr/bin/autossh -M 0 -N -o "ServerAliveInterval 60" -R 4649:localhost:22 user@relay
)"));
  CHECK(unit.name == "site");
  CHECK(unit.liveness.server_alive_interval == std::chrono::seconds{60});
  const Finished crontab = import({"autossh"}, "@reboot autossh -M 20000 -fN -R 4649:localhost:22 user@relay\n");
  CHECK(tunnel_of(crontab).user == "user");
  CHECK(crontab.errors.find("dropped  -M 20000: ") != std::string::npos);
}

TEST_CASE("a unit's EnvironmentFile= is read, and what ssh has for itself alone is told, and not done") {
  TempDir directory;
  write_file(directory / "default", "OPTIONS=-N -o SetEnv=SITE=cabin -o ControlMaster=auto -R 4649:localhost:22\n");
  const Finished unit = import({"autossh"}, "[Service]\nEnvironmentFile=-" + (directory / "default") +
                                                "\nEnvironmentFile=/nonexistent\nExecStart=/usr/bin/autossh -M 0 -E " +
                                                (directory / "log") + " $OPTIONS user@relay\n");
  CHECK(tunnel_of(unit).remote_forward.size() == 1);
  for (const std::string told : {"SetEnv SITE=cabin: ", "ControlMaster auto: ", "EnvironmentFile=/nonexistent: "})
    CHECK_MESSAGE(unit.errors.find("dropped  " + told) != std::string::npos, unit.errors);
  CHECK(unit.errors.find("dropped  -E " + (directory / "log") + ": ") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(directory / "log"));
}

TEST_CASE("an autossh line that is imported is held") {
  Sshd relay;
  TargetServer target(greet_then_echo("hello\n"));
  const std::uint16_t listener = free_port();
  const std::string forward = std::to_string(listener) + ":127.0.0.1:" + std::to_string(target.port());
  const Finished imported =
      import({"autossh", "--name", "taken_over", "--", "-M", "0", "-f", "-N", "-o", "ServerAliveInterval 60", "-p",
              std::to_string(relay.port()), "-i", client_key(), "-R", forward, relay.user() + "@" + relay.host()});
  REQUIRE(imported.status == success);
  CHECK(imported.errors.find("install -m 600 " + client_key()) != std::string::npos);

  TempDir credentials;
  write_file(credentials / "id_ed25519", read_file(client_key()));
  std::filesystem::permissions(credentials / "id_ed25519", std::filesystem::perms::owner_read);
  Holdfast holdfast({Tunnel::to(relay).forward(to_local(free_port(), target.port()))},
                    {{"CREDENTIALS_DIRECTORY", credentials.path()}});
  // The service's own known_hosts is not on this machine.
  holdfast.write_config_text("status_socket: " + holdfast.socket_path() + "\n" + imported.output +
                             "    user_known_hosts_file: " + holdfast.known_hosts_file() + "\n");
  REQUIRE(holdfast.command({"reload"}).status == success);
  REQUIRE(holdfast.wait_for_up("taken_over"));
  CHECK(Socket::connect_tcp("127.0.0.1", listener).receive_until("\n") == "hello\n");
}

TEST_CASE("bad input is answered with what to type instead") {
  const auto says = [](const Finished& finished, int code, const std::string& words) {
    CHECK(finished.status.code == code);
    CHECK(finished.output.empty());
    CHECK_MESSAGE(finished.errors.find(words) != std::string::npos, finished.errors);
  };
  says(import({"autossh", "-M", "0", "relay"}), 2, "put what is to be imported behind --");
  says(import({"autossh", "--", "autossh -R $PORT:localhost:22 relay"}), 2, "$PORT is known to a running shell only");
  says(import({"autossh", "--", "-N", "-L", "8080:intranet:80", "relay"}), 1, "keep `ssh -N -L ...`");
  says(import({"autossh", "--", "-N", "-R"}), 2, "-R lacks its value");
  says(import({"autossh", "--", "-N", "-R", "nonsense", "relay"}), 1, "Bad remote forwarding specification");
  says(import({"autossh", "--", "plink", "-N", "-R", "4649:localhost:22", "relay"}), 2, "is neither autossh nor ssh");
  says(import({"autossh", "--name", "a b", "--", "-N", "-R", "4649:localhost:22", "relay"}), 2, "--name: ");
  says(import({}), 2, "autossh, ssh-config or sidedoor");
  says(import({"autossh"}, "ls\n"), 2, "there is no autossh or ssh in it");
  const Finished twice = import({"autossh", "--", "-N", "-R", "4649:localhost:22", "-R", "4649:localhost:80", "relay"});
  CHECK(twice.status.code == 1);
  CHECK(twice.errors.find("mend     line:") != std::string::npos);
  const Finished without_ssh =
      run({.argv = {HOLDFAST_BINARY, "import", "ssh-config", "relay"}, .env = {{"PATH", "/nowhere"}}});
  says(without_ssh, 1, "install openssh-client");
}
