#include "migrate/translate.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace holdfast::migrate;

namespace {

const std::string printed_defaults = R"(user pi
hostname relay.example
port 22
addressfamily any
tcpkeepalive yes
serveralivecountmax 3
serveraliveinterval 0
connecttimeout none
compression no
stricthostkeychecking ask
ciphers chacha20-poly1305@openssh.com,aes128-ctr
identityfile ~/.ssh/id_rsa
identityfile ~/.ssh/id_ed25519
userknownhostsfile /home/pi/.ssh/known_hosts /home/pi/.ssh/known_hosts2
rekeylimit 0 0
exitonforwardfailure no
loglevel INFO
)";

/// As ssh prints it with these lines in place of its own.
Origin origin(const std::string& changes = "remoteforward 4649 [localhost]:22\n") {
  Origin origin{"relay", parse_ssh_config(printed_defaults), parse_ssh_config(printed_defaults)};
  origin.home = "/home/pi";
  origin.user = "pi";
  origin.existing = {"/home/pi/.ssh/id_ed25519", "/home/pi/.ssh/known_hosts"};
  origin.service_user = "_holdfast";
  for (auto& [keyword, values] : parse_ssh_config(changes)) origin.effective[keyword] = values;
  return origin;
}

Translation translated(const Origin& origin) {
  auto translation = translate(origin);
  REQUIRE_MESSAGE(translation.has_value(), translation.error());
  return *translation;
}

bool has_line(const std::string& yaml, const std::string& line) {
  return yaml.find("    " + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("what is as ssh has it anyway is not said") {
  const Translation translation = translated(origin());
  CHECK(translation.yaml == R"(tunnels:
  relay:
    host_name: relay.example
    user: pi
    identity_file: ${CREDENTIALS_DIRECTORY}/id_ed25519
    remote_forward:
      - 4649:localhost:22
)");
  CHECK(translation.dropped.empty());
  CHECK(translation.to_do ==
        std::vector<std::string>{
            "install -m 600 /home/pi/.ssh/id_ed25519 /etc/holdfast/id_ed25519",
            "install -d -o _holdfast -g _holdfast -m 750 /var/lib/holdfast",
            "ssh-keygen -F relay.example -f /home/pi/.ssh/known_hosts >> /var/lib/holdfast/known_hosts",
            "chown _holdfast: /var/lib/holdfast/known_hosts"});
}

TEST_CASE("what differs from ssh's defaults has our names") {
  const std::string yaml = translated(origin(R"(port 2222
remoteforward 4649 [localhost]:22
remoteforward [*]:8080 [web]:80
remoteforward [::1]:8443 [::1]:443
remoteforward 9100 /run/app.sock
remoteforward []:81 [h]:2
serveraliveinterval 30
serveralivecountmax 2
connecttimeout 10
addressfamily inet6
tcpkeepalive no
bindaddress 192.0.2.7
stricthostkeychecking true
rekeylimit 1073741824 3600
loglevel VERBOSE
ciphers aes256-ctr
)"))
                               .yaml;
  for (const char* line :
       {"port: 2222", "  - 4649:localhost:22", "  - \"*:8080:web:80\"", "  - \"[::1]:8443:[::1]:443\"",
        "  - 9100:/run/app.sock", "  - :81:h:2", "server_alive_interval: 30s", "server_alive_count_max: 2",
        "connect_timeout: 10s", "address_family: inet6", "tcp_keep_alive: no", "bind_address: 192.0.2.7",
        "strict_host_key_checking: yes", "rekey_limit: 1073741824 3600s", "log_level: verbose", "ciphers: aes256-ctr",
        "exit_on_forward_failure: no"}) {
    CAPTURE(yaml);
    CHECK_MESSAGE(has_line(yaml, line), line);
  }
}

TEST_CASE("what is left out is said, with what to use instead") {
  Origin from = origin(R"(remoteforward 4649 [localhost]:22
remoteforward 1080 [socks]:0
remoteforward /tmp/socket [localhost]:22
localforward 8080 [intranet]:80
proxyjump jump.example
compression yes
stricthostkeychecking false
controlmaster auto
controlpath ~/.ssh/%C
controlpersist 600
setenv SITE=cabin
sendenv LANG
)");
  from.left_out = {"-E /var/log/tunnel: the log is in the journal"};
  from.monitor_port = "20000";
  from.environment = {{"AUTOSSH_GATETIME", "0"}, {"LANG", "C"}};
  from.remote_command = {"sleep", "99"};
  const std::vector<std::string> dropped = translated(from).dropped;
  for (const char* beginning :
       {"RemoteForward 1080: ", "RemoteForward /tmp/socket ", "LocalForward 8080 [intranet]:80: ",
        "ProxyJump jump.example: ", "Compression yes: ", "StrictHostKeyChecking no: ", "-M 20000: ",
        "AUTOSSH_GATETIME=0: ", "the command \"sleep 99\": ", "ControlMaster auto: ", "ControlPath ~/.ssh/%C: ",
        "ControlPersist 600: ", "SetEnv SITE=cabin: ", "-E /var/log/tunnel: "}) {
    CHECK_MESSAGE(std::any_of(dropped.begin(), dropped.end(),
                              [&](const std::string& line) { return line.starts_with(beginning); }),
                  beginning);
  }
  CHECK(dropped.size() == 14);
}

TEST_CASE("an agent, and a key of one's own") {
  Origin from = origin("remoteforward 1 [a]:2\nidentityagent /run/agent.sock\n");
  from.existing.clear();
  CHECK(has_line(translated(from).yaml, "identity_agent: /run/agent.sock"));
  CHECK(translated(from).yaml.find("identity_file") == std::string::npos);

  from = origin("remoteforward 1 [a]:2\nidentityfile ~/keys/one\nidentityfile /keys/two\n");
  CHECK(translated(from).to_do.front() == "install -m 600 /home/pi/keys/one /etc/holdfast/id_ed25519");
  CHECK(translated(from).dropped ==
        std::vector<std::string>{"IdentityFile /keys/two: the service has one key, the first one"});

  from = origin("remoteforward 1 [a]:2\nidentityfile %d/keys/%u@%h it's\n");
  CHECK(translated(from).to_do.front() ==
        "install -m 600 '/home/pi/keys/pi@relay.example it'\\''s' /etc/holdfast/id_ed25519");

  from = origin();
  from.existing.clear();
  CHECK(translated(from).to_do ==
        std::vector<std::string>{"make a key, and put its public half on the relay: see holdfast init"});
}

TEST_CASE("a user's own tunnel has its files where they are") {
  Origin from = origin("remoteforward 1 [a]:2\nidentityfile ~/one\nidentityfile ~/two\n");
  from.service_user.reset();
  const Translation translation = translated(from);
  CHECK(has_line(translation.yaml, "  - /home/pi/one"));
  CHECK(has_line(translation.yaml, "  - /home/pi/two"));
  CHECK(has_line(translation.yaml, "user_known_hosts_file: /home/pi/.ssh/known_hosts"));
  CHECK(translation.to_do.empty());
}

TEST_CASE("of several forwards some will do where ssh says so, of one it takes that one") {
  const std::string both = "remoteforward 1 [a]:2\nremoteforward 3 [a]:4\n";
  CHECK(has_line(translated(origin(both)).yaml, "exit_on_forward_failure: no"));
  CHECK_FALSE(has_line(translated(origin(both + "exitonforwardfailure yes\n")).yaml, "exit_on_forward_failure: no"));
  CHECK_FALSE(has_line(translated(origin()).yaml, "exit_on_forward_failure: no"));
}

TEST_CASE("a password is no key") {
  Origin from = origin("remoteforward 1 [a]:2\npubkeyauthentication false\n");
  from.password = true;
  const auto dropped = translated(from).dropped;
  REQUIRE(dropped.size() == 2);
  CHECK(dropped[0].starts_with("PubkeyAuthentication false: "));
  CHECK(dropped[1].starts_with("sshpass: "));
}

TEST_CASE("a key that stands under another name is not looked for under ours") {
  const auto to_do = translated(origin("remoteforward 1 [a]:2\nhostkeyalias site\n")).to_do;
  CHECK(
      to_do.back() ==
      "copy the line of site in /home/pi/.ssh/known_hosts to /var/lib/holdfast/known_hosts, with relay.example as its "
      "first word");
}

TEST_CASE("without a -R that can be kept there is nothing to hold") {
  CHECK(translate(origin("localforward 8080 [intranet]:80\n")).error().find("LocalForward 8080") != std::string::npos);
  CHECK(translate(origin("remoteforward 1080 [socks]:0\n")).error().find("SOCKS") != std::string::npos);
}
