#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <list>
#include <map>
#include <optional>

#include "setup/files.hpp"
#include "support/holdfast.hpp"
#include "support/http_unix.hpp"
#include "support/keys.hpp"
#include "support/net.hpp"
#include "support/skip.hpp"
#include "support/sshd.hpp"
#include "support/targets.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// As any relay has it: authorized_keys in the account's home.
SshdOptions usual_relay() {
  return {.config = {"AuthorizedKeysFile .ssh/authorized_keys"}};
}

/// A fresh device beside a relay, whose account lets client_key() in.
struct Device {
  explicit Device(const std::string& login_key = client_key()) {
    relay.account().write("home/.ssh/authorized_keys", public_key(client_key()) + "\n");
    std::filesystem::create_directories(dir / "bin");
    // Not with the keys and the ssh_config of whoever runs the tests.
    write_file(dir / "bin/ssh",
               "#!/bin/sh\nPATH=$REAL_PATH exec ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityFile=" +
                   login_key + " \"$@\"\n",
               0700);
    env["REAL_PATH"] = std::getenv("PATH");
    env["PATH"] = (dir / "bin") + ":" + env["REAL_PATH"];
  }

  std::string login() const { return "tunnel@127.0.0.1:" + std::to_string(relay.port()); }

  Command command(std::vector<std::string> more = {}) const {
    std::vector<std::string> argv{
        holdfast_binary(), "init", "--relay",     login(), "--port",   std::to_string(port),
        "--config-dir",    config, "--state-dir", state,   "--target", "localhost:" + std::to_string(target.port())};
    argv.insert(argv.end(), more.begin(), more.end());
    return {.argv = std::move(argv), .env = env};
  }
  Finished init(std::vector<std::string> more = {}) const { return run(command(std::move(more))); }
  Finished with_pin(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"--pin", fingerprint(host_key(KeyType::ed25519))});
    return init(std::move(more));
  }

  /// Every file of the device, with its text.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> found;
    for (const std::string& folder : {config, state}) {
      if (!std::filesystem::exists(folder)) continue;
      for (const auto& entry : std::filesystem::recursive_directory_iterator{folder}) {
        found[entry.path()] = entry.is_regular_file() ? read_file(entry.path()) : "";
      }
    }
    return found;
  }

  std::string authorized_keys() const { return read_file(relay.home() + "/.ssh/authorized_keys"); }

  Sshd relay{usual_relay()};
  TargetServer target{greet_then_echo("hello\n")};
  std::uint16_t port = free_port();
  TempDir dir;
  std::string config = dir / "config";
  std::string state = dir / "state";
  std::map<std::string, std::string> env;
};

/// `holdfast run`, as init says that it is to be started.
struct Running {
  explicit Running(const Device& device, const std::string& only = "") : process(command(device, only)) {
    const std::string socket = device.state + (only.empty() ? "" : "/only/" + only) + "/status.sock";
    REQUIRE_MESSAGE(wait_until([&] {
                      try {
                        return http_request(socket, "GET", "/healthz").status == 200;
                      } catch (const std::exception&) {
                        return false;
                      }
                    }),
                    process.errors());
  }
  static Command command(const Device& device, const std::string& only) {
    Command run{{holdfast_binary(), "run", "-c", device.config + "/holdfast.yaml"},
                {{"STATE_DIRECTORY", device.state}}};
    if (!only.empty()) run.argv.insert(run.argv.end(), {"--only", only});
    return run;
  }
  ~Running() {
    process.signal(SIGTERM);
    CHECK(process.wait(30s) == success);
  }
  Process process;
};

}  // namespace

TEST_CASE("one command sets a fresh device up, and the same again changes nothing") {
  const Device device;
  const Finished first = device.with_pin({"--install-key"});
  INFO(first.output << first.errors);
  CHECK(first.status == success);
  const std::string key = device.config + "/id_ed25519";
  CHECK(contains(first.output, "key: made " + key + ", ssh-ed25519 " + fingerprint(key)));
  CHECK(contains(first.output, "relay's host key: ssh-ed25519 " + fingerprint(host_key(KeyType::ed25519)) +
                                   ", added to " + device.state + "/known_hosts"));
  CHECK(contains(first.output, "configuration: wrote " + device.config + "/conf.d/relay.yaml and "));
  const std::string place = "=\"localhost:" + std::to_string(device.port) + "\"";
  const std::string line =
      "restrict,port-forwarding,permitlisten" + place + ",permitopen" + place + " " + public_key(key);
  CHECK(contains(first.output, line));
  CHECK(contains(first.output, "on the relay: added the line\n"));
  CHECK(contains(first.output, "check: the configuration is good\n"));
  CHECK(contains(first.output, "holdfast run -c " + device.config + "/holdfast.yaml\n"));
  CHECK(device.authorized_keys().starts_with(public_key(client_key()) + "\n" + line));

  const auto files = device.files();
  const auto keys = device.authorized_keys();
  {
    const Running running{device};
    const Finished second = device.with_pin({"--install-key"});
    INFO(second.output << second.errors);
    CHECK(second.status == success);
    CHECK(contains(second.output, "key: there already: "));
    CHECK(contains(second.output, "known_hosts holds already\n"));
    CHECK(contains(second.output, "configuration: there already: "));
    CHECK(contains(second.output, "on the relay: the line is there already\n"));
    CHECK(contains(second.output, "start: it runs already\n"));
    CHECK(contains(second.output, "tunnel: up: held, verified"));
  }
  for (const auto& [file, text] : files) CHECK(device.files()[file] == text);
  CHECK(device.authorized_keys() == keys);
}

TEST_CASE("one more tunnel is read by the holdfast that runs, and its listener has to be permitted, too") {
  Device device;
  REQUIRE(device.with_pin({"--install-key"}).status == success);
  const Running running{device};
  const std::string first = std::to_string(device.port);
  device.port = free_port();
  const Finished second = device.init({"--name", "second", "--install-key"});
  INFO(second.output << second.errors);
  CHECK(second.status.code == 1);
  const auto both = [&](const std::string& option) {
    return "," + option + "=\"localhost:" + first + "\"," + option + "=\"localhost:" + std::to_string(device.port) +
           "\"";
  };
  const std::string key = public_key(device.config + "/id_ed25519");
  const std::string line = "restrict,port-forwarding" + both("permitlisten") + both("permitopen") + " " + key;
  CHECK(contains(second.output, "in place of the line of this key that is there: it is for all 2 tunnels"));
  CHECK(contains(second.output, line));
  CHECK(contains(second.errors, "do not permit localhost:" + std::to_string(device.port)));
  CHECK(contains(second.errors, line));

  device.relay.account().write("home/.ssh/authorized_keys", public_key(client_key()) + "\n" + line + "\n");
  const Finished again = device.init({"--name", "second", "--install-key"});
  INFO(again.output << again.errors);
  CHECK(again.status == success);
  CHECK(contains(again.output, "on the relay: the line is there already\n"));
  CHECK(contains(again.output, "tunnel: up: held"));

  device.relay.account().write("home/.ssh/authorized_keys", "restrict,port-forwarding " + key + "\n");
  device.port = free_port();
  CHECK(device.init({"--name", "third", "--no-start"}).status == success);
  const Finished third = device.init({"--name", "third"});
  INFO(third.output << third.errors);
  CHECK(third.status == success);
  CHECK(contains(third.output, "configuration: there already"));
  CHECK(contains(third.output, "has read the configuration again"));
}

TEST_CASE("a tunnel that is never verified is good once it is up, and is not thrown out by a rerun") {
  const Device device;
  std::filesystem::create_directories(device.config);
  write_file(device.config + "/holdfast.yaml",
             "status_socket: " + device.state + "/status.sock\ndefaults:\n  verify_interval: 0\n");
  REQUIRE(device.with_pin({"--install-key"}).status == success);
  const Running running{device};
  for (int i = 0; i < 2; ++i) {
    const Finished again = device.init();
    INFO(again.output << again.errors);
    CHECK(again.status == success);
    CHECK(contains(again.output, "tunnel: up: held; see"));
  }
  const std::string status = http_request(device.state + "/status.sock", "GET", "/v1/status").body;
  CAPTURE(status);
  CHECK(contains(status, "\"sessions_established\": 1,"));
}

TEST_CASE("where a process holds one tunnel, a new tunnel gets a process of its own") {
  Device device;
  REQUIRE(device.with_pin({"--install-key"}).status == success);
  const Running running{device, "relay"};
  const Finished first = device.init();
  INFO(first.output << first.errors);
  CHECK(first.status == success);
  CHECK(contains(first.output, "start: each tunnel has a process of its own here; this one's is holdfast@relay\n"));
  CHECK(contains(first.output, "start: it runs already\n"));
  CHECK(contains(first.output, "tunnel: up: held, verified"));

  device.port = free_port();
  const Finished second = device.init({"--name", "second"});
  INFO(second.output << second.errors);
  CHECK(second.status == success);
  CHECK(contains(second.output, "this one's is holdfast@second\n"));
  CHECK(contains(second.output, "in the foreground: STATE_DIRECTORY=" + device.state +
                                    " holdfast run --only second -c " + device.config + "/holdfast.yaml\n"));
}

TEST_CASE("a host key that the configuration pins needs no known_hosts, and the line is put there all the same") {
  const Device device;
  std::filesystem::create_directories(device.config);
  const auto pin = [&](int set) {
    write_file(device.config + "/holdfast.yaml", "status_socket: " + device.state +
                                                     "/status.sock\ndefaults:\n  host_key_fingerprint: [\"" +
                                                     fingerprint(host_key(KeyType::ed25519, set)) + "\"]\n");
  };
  pin(1);
  const Finished other = device.init({"--install-key"});
  CHECK(other.status.code == 1);
  pin(0);
  const Finished pinned = device.init({"--install-key"});
  INFO(pinned.output << pinned.errors);
  CHECK(pinned.status == success);
  CHECK(contains(pinned.output, ", which the configuration pins"));
  CHECK(contains(pinned.output, "on the relay: added the line\n"));
  CHECK_FALSE(std::filesystem::exists(device.state + "/known_hosts"));
}

TEST_CASE("a dry run looks at everything and writes nothing") {
  const Device device;
  const auto keys = device.authorized_keys();
  const Finished dry = device.init({"--dry-run", "--install-key"});
  INFO(dry.output << dry.errors);
  CHECK(dry.status == success);
  CHECK(contains(dry.output, "key: (dry run) would make " + device.config + "/id_ed25519\n"));
  CHECK(contains(dry.output, "relay's host key: (dry run) ssh-ed25519 " + fingerprint(host_key(KeyType::ed25519)) +
                                 "; would add it to " + device.state + "/known_hosts\n"));
  CHECK(contains(dry.output, "would write " + device.config + "/conf.d/relay.yaml:\n"));
  CHECK(contains(dry.output, "would write " + device.config + "/holdfast.yaml:\n"));
  CHECK(contains(dry.output, "would put the line there as " + device.login()));
  CHECK(device.files().empty());
  CHECK_FALSE(std::filesystem::exists(device.config));
  CHECK(device.authorized_keys() == keys);
}

TEST_CASE("a host key that nobody vouches for is not taken, and the command that takes it is said") {
  const Device device;
  const std::string shown = fingerprint(host_key(KeyType::ed25519));
  const Finished asked = device.init();
  CHECK(asked.status.code == 1);
  CHECK(contains(asked.output, "The relay shows ssh-ed25519 " + shown));
  CHECK(contains(asked.output, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"));
  CHECK(contains(asked.errors, "--pin (or --yes"));
  CHECK(contains(asked.errors, " --pin " + shown + "\n"));
  CHECK_FALSE(std::filesystem::exists(device.state + "/known_hosts"));
  CHECK(device.init({"--yes"}).status == success);
}

TEST_CASE("on a terminal it asks for what is missing, and whether the host key is the relay's") {
  const Device device;
  const auto typed = [&](const std::string& answer) {
    // Of script(1), which makes the terminal.
    const std::string command =
        holdfast_binary() + " init --config-dir " + device.config + " --state-dir " + device.state;
    return run({.argv = {"script", "-qec", command, "/dev/null"},
                .input = device.login() + "\n" + std::to_string(device.port) + "\n" + answer + "\n"});
  };
  const Finished no = typed("no");
  INFO(no.output);
  CHECK(no.status.code == 1);
  CHECK(contains(no.output, "The account on the relay, USER@HOST: "));
  CHECK(contains(no.output, "The port there that leads here [4649]: "));
  CHECK(contains(no.output, "Is it the same? yes/no, or paste what the relay says [no]: "));
  CHECK(contains(no.output, "nobody has said that this is the relay's host key"));
  CHECK(contains(no.output,
                 "To go on: holdfast init --relay " + device.login() + " --port " + std::to_string(device.port)));
  CHECK(typed("256 " + fingerprint(host_key(KeyType::ed25519, 1)) + " root@relay (ED25519)").status.code == 1);
  for (const std::string& answer :
       {std::string{"yes"}, "256 " + fingerprint(host_key(KeyType::ed25519)) + " root@relay"}) {
    std::filesystem::remove(device.state + "/known_hosts");
    const Finished yes = typed(answer);
    INFO(yes.output);
    CHECK(yes.status == success);
    CHECK(read_file(device.state + "/known_hosts").starts_with("[127.0.0.1]:"));
  }
  const Finished senseless =
      run({.argv = {"script", "-qec",
                    holdfast_binary() + " init --config-dir " + device.config + " --state-dir " + device.state,
                    "/dev/null"},
           .input = "relay.example\n4650\n"});
  CHECK(senseless.status.code == 2);
  CHECK(contains(senseless.output, "does not say which account on the relay"));
  CHECK_FALSE(contains(senseless.output, "The port there"));
}

TEST_CASE("a wrong pin is refused with both fingerprints; one right one of several is enough") {
  const Device device;
  const std::string wrong = fingerprint(host_key(KeyType::ed25519, 1));
  const std::string right = fingerprint(host_key(KeyType::ed25519));
  const Finished refused = device.init({"--pin", wrong, "--yes"});
  CHECK(refused.status.code == 1);
  CHECK(contains(refused.errors, "it shows ssh-ed25519 " + right));
  CHECK(contains(refused.errors, "expected " + wrong));
  CHECK(contains(refused.errors, "To go on: holdfast init --relay "));
  CHECK_FALSE(contains(refused.errors, "--pin " + wrong));
  CHECK_FALSE(std::filesystem::exists(device.state + "/known_hosts"));
  CHECK(device.init({"--pin", wrong, "--pin", right}).status == success);
}

TEST_CASE("a changed host key is refused, whatever else is said") {
  Device device;
  REQUIRE(device.with_pin().status == success);
  const auto files = device.files();
  device.relay.options().host_key_set = 1;
  device.relay.restart();
  const Finished refused = device.init({"--yes", "--pin", fingerprint(host_key(KeyType::ed25519, 1))});
  CHECK(refused.status.code == 1);
  CHECK(contains(refused.errors, "known_hosts:1 holds another key"));
  CHECK(contains(refused.errors, "Someone may be in between"));
  CHECK(device.files() == files);
}

TEST_CASE("a login that the relay refuses leaves what was done, and init goes on from there") {
  const Device stranger{stranger_key()};
  const Finished refused = stranger.with_pin({"--install-key"});
  CHECK(refused.status.code == 1);
  CHECK(contains(refused.errors, "ssh could not log in as " + stranger.login()));
  CHECK(contains(refused.errors, "To go on: holdfast init --relay " + stranger.login()));
  CHECK(stranger.authorized_keys() == public_key(client_key()) + "\n");
  CHECK(std::filesystem::exists(stranger.config + "/conf.d/relay.yaml"));
  CHECK(stranger.init().status == success);
}

TEST_CASE("a tunnel that the relay does not let in says which line is missing") {
  const Device device;
  REQUIRE(device.with_pin().status == success);
  const Running running{device};
  const Finished refused = device.init();
  INFO(refused.output << refused.errors);
  CHECK(refused.status.code == 1);
  CHECK(contains(refused.errors, "tunnel relay is not as it should be"));
  CHECK(contains(refused.errors, "authorized_keys"));
}

TEST_CASE("a target that is down is named, and init goes on once it is up") {
  std::optional<RefusingPort> nobody{std::in_place};
  const std::uint16_t port = nobody->port();
  const Device device;
  const std::string target = "localhost:" + std::to_string(port);
  REQUIRE(device.with_pin({"--install-key", "--target", target}).status.code == 2);  // given twice
  Command command = device.command({"--install-key", "--yes"});
  std::replace(command.argv.begin(), command.argv.end(), "localhost:" + std::to_string(device.target.port()), target);
  REQUIRE(run(command).status == success);
  const Running running{device};
  const Finished down = run(command);
  INFO(down.output << down.errors);
  CHECK(down.status.code == 1);
  CHECK(contains(down.errors, "target down"));
  nobody.reset();
  const TargetServer started{greet_then_echo("hello\n"), Listener::tcp(port)};
  const Finished up = run(command);
  INFO(up.output << up.errors);
  CHECK(up.status == success);
}

TEST_CASE("without an ssh client --install-key says how to get one") {
  Device device;
  std::filesystem::remove(device.dir / "bin/ssh");
  device.env["PATH"] = device.dir / "bin";
  const Finished missing = device.with_pin({"--install-key"});
  CHECK(missing.status.code == 1);
  CHECK(contains(missing.errors, "there is no ssh on this device: apt install openssh-client"));
}

TEST_CASE("an account that runs no shell says so") {
  Device device;
  device.relay.account().write("home/.ssh/authorized_keys",
                               "command=\"echo hello\" " + public_key(client_key()) + "\n");
  const Finished forced = device.with_pin({"--install-key"});
  CHECK(forced.status.code == 1);
  CHECK(contains(forced.errors, "ran no shell for this"));
  CHECK(contains(forced.errors, "To go on: holdfast init --relay "));
  CHECK_FALSE(contains(forced.errors, "--install-key"));
}

TEST_CASE("a file of the tunnel's name with other content is never overwritten") {
  Device device;
  REQUIRE(device.with_pin().status == success);
  const auto files = device.files();
  const std::uint16_t old_port = std::exchange(device.port, free_port());
  const Finished other = device.init();
  CHECK(other.status.code == 1);
  CHECK(contains(other.errors, "-      - \"localhost:" + std::to_string(old_port) + ":"));
  CHECK(contains(other.errors, "+      - \"localhost:" + std::to_string(device.port) + ":"));
  CHECK(contains(other.errors, "Edit that file, or take another --name"));
  CHECK(contains(other.errors, " --name OTHER --port OTHER\n"));
  CHECK_FALSE(contains(other.errors, "--port " + std::to_string(device.port)));
  CHECK(device.files() == files);
}

TEST_CASE("a tunnel of the same name or with the same listener in another file is refused before anything is written") {
  const Device device;
  std::filesystem::create_directories(device.config);
  write_file(device.config + "/holdfast.yaml",
             "tunnels:\n  mine:\n    host_name: 127.0.0.1\n    port: " + std::to_string(device.relay.port()) +
                 "\n    user: tunnel\n    identity_file: " + client_key() +
                 "\n    remote_forward: " + std::to_string(device.port) + ":localhost:22\n");
  const auto files = device.files();
  const Finished listener = device.with_pin();
  CHECK(listener.status.code == 1);
  CHECK(contains(listener.errors, "tunnels.relay.remote_forward"));
  CHECK(contains(listener.errors, "another --name and another --port"));
  CHECK(contains(listener.errors, " --name OTHER --port OTHER\n"));
  const Finished name = device.with_pin({"--name", "mine"});
  CHECK(name.status.code == 1);
  CHECK(contains(name.errors, "tunnels.mine: given twice; first in "));
  write_file(device.config + "/holdfast.yaml", "tunnls: {}\n");
  const Finished misspelt = device.with_pin();
  CHECK(contains(misspelt.errors, "did you mean 'tunnels'?"));
  CHECK_FALSE(contains(misspelt.errors, "OTHER"));
  CHECK(device.files().size() == files.size());
}

TEST_CASE("what an interruption left is gone on from") {
  const Device device;
  REQUIRE(device.with_pin({"--install-key"}).status == success);
  const auto whole = device.files();
  std::string gone = run_checked({{"sh", "-c", "echo $$"}});  // a process that has ended
  gone.pop_back();
  const std::string key = device.config + "/id_ed25519";
  // Each file is made whole, in this order: an interruption leaves the first of them, and perhaps a part beside them.
  const std::vector<std::string> in_order{key, key + ".pub", device.state + "/known_hosts",
                                          device.config + "/conf.d/relay.yaml", device.config + "/holdfast.yaml"};
  for (std::size_t made = 1; made <= in_order.size(); ++made) {
    CAPTURE(made);
    for (std::size_t i = made; i < in_order.size(); ++i) std::filesystem::remove(in_order[i]);
    const bool written_whole = made < in_order.size() && in_order[made] != device.state + "/known_hosts";
    if (written_whole) write_file(in_order[made] + ".new." + gone, "half");
    const Finished again = device.with_pin({"--install-key"});
    INFO(again.output << again.errors);
    CHECK(again.status == success);
    CHECK(device.files() == whole);
  }
}

TEST_CASE("several at once are not in each other's way") {
  const Device device;
  std::list<Process> inits;
  constexpr int count = 4;
  for (int i = 0; i < count; ++i) {
    Command command = device.command({"--yes", "--name", "tunnel" + std::to_string(i), "--no-start"});
    std::replace(command.argv.begin(), command.argv.end(), std::to_string(device.port), std::to_string(free_port()));
    inits.emplace_back(std::move(command));
  }
  for (Process& init : inits) CHECK_MESSAGE(init.wait(60s) == success, init.errors());
  CHECK(run({{holdfast_binary(), "check", "-c", device.config + "/holdfast.yaml"}}).status == success);
}

TEST_CASE("of two that want one listener at the same time one gets it") {
  const Device device;
  // Both have found it free, and wait for their turn to write.
  std::filesystem::create_directories(device.config);
  std::optional<setup::FolderLock> turn{device.config};
  std::list<Process> inits;
  for (const char* const name : {"one", "two"})
    inits.emplace_back(device.command({"--yes", "--name", name, "--no-start"}));
  for (Process& init : inits) REQUIRE(wait_until([&] { return contains(init.output(), "relay's host key: "); }, 30s));
  turn.reset();
  int made = 0;
  for (Process& init : inits) {
    if (init.wait(60s) == success) {
      ++made;
    } else {
      CHECK(contains(init.errors(), " collides with "));
      CHECK(contains(init.errors(), "another --name and another --port"));
    }
  }
  CHECK(made == 1);
  CHECK(run({{holdfast_binary(), "check", "-c", device.config + "/holdfast.yaml"}}).status == success);
}

TEST_CASE("a relay that can't be reached is named with what to look at") {
  const Device device;
  const RefusingPort nobody;
  const auto with_relay = [&](const std::string& relay) {
    Command command = device.command();
    command.argv[3] = relay;
    return run(command);
  };
  const Finished refused = with_relay("tunnel@127.0.0.1:" + std::to_string(nobody.port()));
  CHECK(refused.status.code == 1);
  CHECK(contains(refused.errors, "connection refused\nCheck that sshd runs on the relay"));
  const Finished unknown = with_relay("tunnel@relay.invalid");
  CHECK(unknown.status.code == 1);
  CHECK(contains(unknown.errors, "relay.invalid"));
  CHECK(contains(unknown.errors, "DNS server"));
  CHECK(contains(unknown.errors, "To go on: holdfast init --relay tunnel@relay.invalid --port "));
}

TEST_CASE("a folder that can't be written to is named, and a full disk leaves no half of a key") {
  const Device device;
  Command command = device.command();
  std::replace(command.argv.begin(), command.argv.end(), device.config, std::string{"/proc/holdfast"});
  const Finished read_only = run(command);
  CHECK(read_only.status.code == 1);
  CHECK(contains(read_only.errors, "/proc/holdfast: "));

  if (skipped_without_mounts()) return;
  std::filesystem::create_directories(device.config);
  Command full = device.command();
  const std::string fill = "mount -t tmpfs -o size=4k tmpfs " + device.config + " && echo full >" + device.config +
                           "/other && \"$@\"; status=$?; ls -A " + device.config + "; exit $status";
  full.argv.insert(full.argv.begin(), {"unshare", "--mount", "sh", "-c", fill, "sh"});
  const Finished ended = run(full);
  CHECK(ended.status.code == 1);
  CHECK(contains(ended.errors, device.config + "/id_ed25519: No space left on device"));
  CHECK(ended.output == "other\n");
}

TEST_CASE("a key that can't be used is left alone, and what to do is said") {
  const Device device;
  std::filesystem::create_directories(device.config);
  const std::string key = device.config + "/id_ed25519";
  std::filesystem::copy_file(encrypted_key(), key);
  const Finished locked = device.with_pin();
  CHECK(locked.status.code == 1);
  CHECK(contains(locked.errors, key + " needs a passphrase"));
  CHECK(contains(locked.errors, "ssh-keygen -p -N '' -f " + key));
  CHECK(read_file(key) == read_file(encrypted_key()));
}

TEST_CASE("a wrong command line is refused with a sentence that says what to type") {
  const auto says = [](std::vector<std::string> arguments, const std::string& text) {
    arguments.insert(arguments.begin(), {holdfast_binary(), "init"});
    const Finished wrong = run({arguments});
    CAPTURE(wrong.errors);
    CHECK(wrong.status.code == 2);
    CHECK(contains(wrong.errors, text));
    CHECK(contains(wrong.errors, "see 'holdfast init --help'"));
    CHECK(wrong.output.empty());
  };
  const std::vector<std::string> folders{"--config-dir", "/nonexistent/c", "--state-dir", "/nonexistent/s"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), folders.begin(), folders.end());
    return more;
  };
  says(with({}), "--relay is missing, and there is no terminal to ask on: --relay USER@HOST");
  says(with({"--relay", "relay.example"}), "'relay.example' does not say which account on the relay: write USER@HOST");
  says(with({"--relay", "a@relay.example:x"}), "'x' is not a port from 1 to 65535; write USER@HOST");
  says(with({"--relay", "a@relay.example", "--port", "0"}), "'0' is not a port from 1 to 65535");
  says(with({"--relay", "a@relay.example", "--port", "x"}), "'x' is not a port from 1 to 65535");
  says(with({"--relay", "a@relay.example", "--name", "../mine"}), "--name: a tunnel's name has 1 to 64 letters");
  says(with({"--relay", "a@relay.example", "--target", "localhost"}), "write HOST:PORT, as localhost:22");
  says(with({"--relay", "a@relay.example", "--pin", "MD5:aa"}), "'MD5:aa' is no fingerprint: write SHA256:...");
  says({"--relay", "a@relay.example", "--config-dir", "/nonexistent/c"}, "--config-dir requires --state-dir");
}

TEST_CASE("a port that only root's account may listen at is warned of") {
  const Device device;
  Command command = device.command({"--dry-run"});
  std::replace(command.argv.begin(), command.argv.end(), std::to_string(device.port), std::string{"443"});
  CHECK(contains(run(command).errors, "warning: --port 443 is below 1024: only root's account may listen there"));
}

TEST_CASE("root sets the service up: its own key, and a known_hosts that the service's user may write") {
  if (skipped_without_mounts()) return;
  const Device device;
  // A root's /etc and /var/lib, in a mount namespace: nothing of this machine is touched.
  const std::string scene = R"(set -e
    cd "$1"; shift
    mkdir etc lib
    cp /etc/passwd /etc/group /etc/nsswitch.conf /etc/hosts etc
    echo 'holdfast:x:64024:64024::/var/lib/holdfast:/usr/sbin/nologin' >>etc/passwd
    echo 'holdfast:x:64024:' >>etc/group
    mount --bind etc /etc; mount --bind lib /var/lib
    "$@"
    stat -c '%a %U %n' /etc/holdfast /etc/holdfast/id_ed25519 /etc/holdfast/holdfast.yaml /etc/holdfast/conf.d \
      /etc/holdfast/conf.d/relay.yaml /var/lib/holdfast /var/lib/holdfast/known_hosts
    cat /etc/holdfast/conf.d/relay.yaml
    echo again:
    "$@")";
  const Finished made =
      run({{"unshare", "--mount", "sh", "-c", scene, "sh", device.dir.path(), holdfast_binary(), "init", "--relay",
            device.login(), "--port", std::to_string(device.port), "--yes", "--no-start"}});
  INFO(made.output << made.errors);
  CHECK(made.status == success);
  CHECK(contains(made.output,
                 "755 root /etc/holdfast\n600 root /etc/holdfast/id_ed25519\n644 root "
                 "/etc/holdfast/holdfast.yaml\n755 root /etc/holdfast/conf.d\n644 root "
                 "/etc/holdfast/conf.d/relay.yaml\n750 holdfast /var/lib/holdfast\n600 holdfast "
                 "/var/lib/holdfast/known_hosts\n"));
  CHECK(
      contains(made.output,
               "identity_file: ${CREDENTIALS_DIRECTORY}/id_ed25519    # systemd's copy of /etc/holdfast/id_ed25519\n"));
  CHECK_FALSE(contains(made.output, "known_hosts_file:"));
  CHECK(contains(made.output,
                 "in the foreground: mkdir -p /run/holdfast && CREDENTIALS_DIRECTORY=/etc/holdfast holdfast run\n"));
  CHECK(contains(made.output, "An SSH server is missing: apt install openssh-server") == !is_listening(22));
  const std::string again = made.output.substr(made.output.find("again:\n"));
  CHECK(contains(again, "key: there already"));
  CHECK(contains(again, "configuration: there already"));
}

TEST_CASE("a missing user of the service is named with the command that makes it, in a dry run, too") {
  if (skipped_without_mounts()) return;
  const Device device;
  const std::string scene = R"(cd "$1" && shift && mkdir etc lib && cp /etc/nsswitch.conf /etc/hosts etc &&
    grep -v holdfast /etc/passwd >etc/passwd && mount --bind etc /etc && mount --bind lib /var/lib && "$@")";
  for (const char* const way : {"--dry-run", "--no-start"}) {
    const TempDir dir;
    const Finished ended = run({.argv = {"unshare", "--mount", "sh", "-c", scene, "sh", dir.path(), holdfast_binary(),
                                         "init", "--relay", device.login(), "--yes", way},
                                .env = {{"SUDO_USER", ""}}});
    INFO(ended.output << ended.errors);
    CHECK(ended.status.code == 1);
    CHECK(contains(ended.errors,
                   "there is no user for the service. This makes it, from what was installed: systemd-sys"));
    CHECK(contains(ended.errors, "To go on: systemd-sysusers && holdfast init --relay "));
  }
}

TEST_CASE("the process of all is not started where it would end the processes of one tunnel") {
  if (skipped_without_mounts()) return;
  const Device device;
  // A root's /etc, /var/lib and /run, in a mount namespace, with a systemctl that only says what it was asked for.
  const std::string scene = R"(set -e
    binary=$2
    cd "$1"; shift
    mkdir etc lib run
    cp /etc/passwd /etc/group /etc/nsswitch.conf /etc/hosts etc
    echo 'holdfast:x:64024:64024::/var/lib/holdfast:/usr/sbin/nologin' >>etc/passwd
    echo 'holdfast:x:64024:' >>etc/group
    printf '#!/bin/sh\necho "systemctl $*" >&2\n' >bin/systemctl; chmod +x bin/systemctl
    PATH=$PWD/bin:$PATH
    mount --bind etc /etc; mount --bind lib /var/lib; mount --bind run /run
    "$@" --no-start
    mkdir -p /run/holdfast/only/relay /run/systemd/system
    CREDENTIALS_DIRECTORY=/etc/holdfast "$binary" run --only relay & daemon=$!
    for i in $(seq 200); do [ -S /run/holdfast/only/relay/status.sock ] && break; sleep 0.05; done
    echo again:
    timeout 3 "$@" --name second --port "$SECOND" || true
    kill $daemon; wait $daemon
    mkdir -p /etc/systemd/system/multi-user.target.wants
    ln -s /lib/systemd/system/holdfast@.service /etc/systemd/system/multi-user.target.wants/holdfast@relay.service
    timeout 3 "$@" --name third --port "$THIRD" || true)";
  const Finished made = run({.argv = {"unshare", "--mount", "sh", "-c", scene, "sh", device.dir.path(),
                                      holdfast_binary(), "init", "--relay", device.login(), "--yes"},
                             .env = {{"SECOND", std::to_string(free_port())}, {"THIRD", std::to_string(free_port())}}});
  INFO(made.output << made.errors);
  CHECK(contains(made.errors, "systemctl enable --now holdfast@second\n"));
  // Enabled, and not running.
  CHECK(contains(made.errors, "systemctl enable --now holdfast@third\n"));
}

TEST_CASE("a user without root has folders of its own, and the other commands find them") {
  constexpr uid_t somebody = 64023;
  Device device;
  const TempDir home;
  const std::string binary = home / "holdfast";  // the build may be where this user may not go
  std::filesystem::copy_file(holdfast_binary(), binary);
  const bool is_root = ::geteuid() == 0;
  if (!is_root && ::geteuid() < 1000) return skipped("it needs to be root or no system user");
  if (is_root) REQUIRE(::chown(home.path().c_str(), somebody, somebody) == 0);
  const auto as_user = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), binary);
    Command command{std::move(arguments),
                    {{"HOME", home.path()}, {"XDG_CONFIG_HOME", ""}, {"XDG_STATE_HOME", ""}, {"SUDO_USER", "pi"}}};
    if (is_root) command.run_as = UserId{somebody, somebody};
    return command;
  };
  const std::string target = "localhost:" + std::to_string(device.target.port());
  const Finished made = run(as_user({"init", "--relay", device.login(), "--port", std::to_string(device.port),
                                     "--target", target, "--yes", "--no-start"}));
  INFO(made.output << made.errors);
  REQUIRE(made.status == success);
  const std::string config = home / ".config/holdfast";
  CHECK(contains(made.output, "in the foreground: holdfast run\n"));
  CHECK(contains(read_file(config + "/conf.d/relay.yaml"), "known_hosts_file: " + (home / ".local/state/holdfast/")));
  device.relay.account().write("home/.ssh/authorized_keys", public_key(config + "/id_ed25519") + "\n");

  CHECK(contains(run(as_user({"status"})).errors, "Look with: systemctl --user status holdfast\n"));
  std::filesystem::create_directory(home / "bin");
  const auto examined = [&](const std::string& systemd_says) {
    write_file(home / "bin/systemctl", "#!/bin/sh\n[ \"$1\" = --user ] && printf '" + systemd_says + "'\n", 0755);
    std::filesystem::permissions(home / "bin", std::filesystem::perms{0755});
    Command command = as_user({"doctor", "relay", "--json"});
    command.env["PATH"] = (home / "bin") + ":/usr/bin:/bin";
    return run(command, 60s);
  };
  const Finished failed = examined(
      "Result=exit-code\\nId=holdfast.service\\nActiveState=failed\\nSubState=failed\\nUnitFileState=enabled\\n");
  CHECK(failed.status.code == 2);
  CHECK(contains(failed.output, R"("cause": "not_running")"));
  CHECK(contains(failed.output, "holdfast.service is failed: exit-code"));
  CHECK(contains(failed.output, "systemctl --user start holdfast. If it does not stay"));
  const Finished instance = examined(
      "Id=holdfast.service\\nActiveState=inactive\\nSubState=dead\\nUnitFileState=disabled\\n\\n"
      "Id=holdfast@relay.service\\nActiveState=inactive\\nSubState=dead\\nUnitFileState=enabled\\n");
  CHECK(contains(instance.output, "holdfast@relay.service is inactive and enabled"));
  CHECK(contains(instance.output, "journalctl --user-unit holdfast@relay."));
  const Finished tried =
      examined("Id=holdfast.service\\nActiveState=inactive\\nSubState=dead\\nUnitFileState=disabled\\n");
  CHECK(contains(tried.output, R"("cause": "not_started")"));
  CHECK(contains(tried.output, "systemctl --user enable --now holdfast"));
  const Finished without_systemd = examined("'; exit 1 #");
  CHECK(contains(without_systemd.output, "systemd does not say whether a service should"));
  Process daemon{as_user({"run"})};
  const bool verified = wait_until([&] { return contains(run(as_user({"status"})).output, "held, verified"); }, 20s);
  CHECK_MESSAGE(verified, daemon.errors());
  CHECK(run(as_user({"check"})).status == success);
  daemon.signal(SIGTERM);
  CHECK(daemon.wait(30s) == success);
  CHECK(std::filesystem::exists(home / ".local/state/holdfast/device_id"));
}
