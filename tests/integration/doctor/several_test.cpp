#include <doctest/doctest.h>

#include <csignal>
#include <regex>
#include <string>

#include "support/holdfast.hpp"
#include "support/net.hpp"
#include "support/sshd.hpp"
#include "support/targets.hpp"
#include "support/wait.hpp"

using namespace holdfast::test;

namespace {

bool has(const std::string& text, const std::string& words) {
  return std::regex_replace(text, std::regex{"\n {8,}"}, " ").find(words) != std::string::npos;
}

Tunnel leading_to(const Sshd& relay, const std::string& name, std::uint16_t target) {
  return Tunnel::to(relay, name).forward(std::to_string(free_port()) + ":127.0.0.1:" + std::to_string(target));
}

}  // namespace

TEST_CASE("doctor without a name looks at each of many tunnels that leads nowhere, though its session stands") {
  const Sshd relay;
  const TargetServer target{greet_then_echo("hello\r\n")};
  std::vector<Tunnel> tunnels{leading_to(relay, "hollow", free_port())};
  for (const char* good : {"good", "better", "best", "other"})
    tunnels.push_back(leading_to(relay, good, target.port()));
  const Holdfast holdfast{tunnels};
  for (const char* good : {"good", "better", "best", "other"}) REQUIRE(holdfast.wait_for_up(good));
  REQUIRE(holdfast.wait_for([](const Json& tunnel) { return tunnel.dump().find("target_down") != std::string::npos; },
                            "hollow"));
  const Finished seen = holdfast.command({"doctor"});
  CAPTURE(seen.output);
  CHECK(seen.status.code == 2);
  CHECK(seen.output.starts_with("Tunnel hollow, by the running holdfast\n"));
  CHECK_FALSE(has(seen.output, "Tunnel good"));
  CHECK(has(seen.output, "\nAll tunnels:\n"));
  CHECK(
      has(seen.output, " -     good         was not looked at: by its status, which may lag by minutes, it is well\n"));
  CHECK(has(seen.output, "target: the forward's own target takes no connections"));

  const Finished unknown = holdfast.command({"doctor", "godo"});
  CHECK(unknown.status.code == 2);
  CHECK(has(unknown.errors, "godo"));
}

TEST_CASE("several tunnels are told apart by an empty line, and their answers are repeated at the end") {
  const TempDir dir;
  const Sshd relay;
  const TargetServer target{greet_then_echo("hello\r\n")};
  const Holdfast holdfast{
      std::vector<Tunnel>{leading_to(relay, "first", target.port()), leading_to(relay, "second", target.port())}};
  REQUIRE(holdfast.wait_for_up("first"));
  REQUIRE(holdfast.wait_for_up("second"));
  const Finished live = holdfast.command({"doctor"});
  CAPTURE(live.output);
  CHECK(has(live.output, "\n\nTunnel second, by the running holdfast\n"));
  const std::string overview = live.output.substr(live.output.find("\nAll tunnels:\n"));
  CHECK(has(overview, "first        "));
  CHECK(has(overview, "second       "));

  const Finished recorded = holdfast.command({"doctor", "--json"});
  std::string text = recorded.output;
  const auto name = text.find("\"second\"");
  REQUIRE(name != std::string::npos);
  write_file(dir / "findings", text.replace(name, 8, "\"sec\\nond\""));
  const Finished judged = run({.argv = {holdfast_binary(), "doctor", "--findings", dir / "findings"}});
  CAPTURE(judged.output);
  CHECK(has(judged.output, "\n\nTunnel sec?ond, as recorded in "));
  CHECK(has(judged.output, "\nAll tunnels:\n"));

  write_file(dir / "findings", recorded.output.substr(0, 400));
  const Finished cut = run({.argv = {holdfast_binary(), "doctor", "--findings", dir / "findings"}});
  CHECK(cut.status.code == 2);
  CHECK(has(cut.errors, "it is cut short, or no JSON"));
}

TEST_CASE("a running holdfast that does not answer is the fault, and the way is looked at without it") {
  const Sshd relay;
  const TargetServer target{greet_then_echo("hello\r\n")};
  Holdfast holdfast{leading_to(relay, "relay", target.port())};
  REQUIRE(holdfast.wait_for_up());
  holdfast.signal(SIGSTOP);
  const Finished seen = run({.argv = {holdfast_binary(), "doctor", "--config", holdfast.config_path()}}, 60s);
  holdfast.signal(SIGCONT);
  CAPTURE(seen.output);
  CAPTURE(seen.errors);
  CHECK(seen.status.code == 2);
  CHECK(has(seen.output, "Tunnel relay, by this command: the running holdfast does not answer\n"));
  CHECK(has(seen.output, " FAIL  session "));
  CHECK(has(seen.output, " ok    login "));
  CHECK(has(seen.output, "Next:   Restart it: systemctl "));
}

TEST_CASE("that the last reload was refused is worth a look, though every tunnel is well") {
  const Sshd relay;
  const TargetServer target{greet_then_echo("hello\r\n")};
  const Holdfast holdfast{leading_to(relay, "relay", target.port())};
  REQUIRE(holdfast.wait_for_up());
  holdfast.write_config_text("tunnels: [what]\n");
  CHECK(holdfast.command({"reload"}).status.code != 0);
  const Finished seen = holdfast.command({"doctor", "relay"});
  CAPTURE(seen.output);
  CHECK(seen.status.code == 1);
  CHECK(has(seen.output, " warn  configuration the last reload was refused: "));
}

TEST_CASE("that a file was changed and not reloaded is worth a look") {
  const Sshd relay;
  const TargetServer target{greet_then_echo("hello\r\n")};
  const Tunnel tunnel = leading_to(relay, "relay", target.port());
  const Holdfast holdfast{tunnel};
  REQUIRE(holdfast.wait_for_up());
  const std::string remark = ", or its conf.d, was changed since the running holdfast has read it";
  CHECK_FALSE(has(holdfast.command({"doctor"}).output, remark));

  SUBCASE("the main file") {
    holdfast.write_config({Tunnel{tunnel}.set("connect_timeout", "7s")});
  }
  SUBCASE("one of conf.d") {
    holdfast.write_drop_in("more.yaml", {leading_to(relay, "more", target.port())});
  }
  const Finished seen = holdfast.command({"doctor", "relay"});
  CAPTURE(seen.output);
  CHECK(seen.status.code == 1);
  CHECK(has(seen.output, remark));

  const TempDir dir;
  const std::string of_bundle = "==== configuration\n# Not what runs: ";
  const auto bundle = [&](const std::string& file) {
    run({.argv = {holdfast_binary(), "doctor", "--config", holdfast.config_path(), "--bundle", file}}, 60s);
    return read_file(file);
  };
  CHECK(has(bundle(dir / "before"), of_bundle));

  CHECK(holdfast.command({"reload"}).status == success);
  CHECK_FALSE(has(holdfast.command({"doctor", "relay"}).output, remark));
  CHECK_FALSE(has(bundle(dir / "after"), of_bundle));
}

TEST_CASE("a changed configuration that can't come up is worth a look, though the former one serves") {
  const Sshd relay;
  const TargetServer target{greet_then_echo("hello\r\n")};
  const Tunnel tunnel = leading_to(relay, "relay", target.port());
  const Holdfast holdfast{tunnel};
  REQUIRE(holdfast.wait_for_up());
  holdfast.write_config({Tunnel{tunnel}.set("user", "somebody-else")});
  REQUIRE(holdfast.command({"reload"}).status == success);
  REQUIRE(holdfast.wait_for(
      [](const Json& now) { return now["change"].is_object() && now["change"]["last_error"].is_object(); }));
  const Finished seen = holdfast.command({"doctor", "relay"});
  CAPTURE(seen.output);
  CHECK(seen.status.code == 1);
  CHECK(has(seen.output, " warn  configuration the changed one of relay can't come up, and the former one serves: "));
}

TEST_CASE("a refused reload is no matter any more once the file is what it was") {
  const Sshd relay;
  const TargetServer target{greet_then_echo("hello\r\n")};
  const Holdfast holdfast{leading_to(relay, "relay", target.port())};
  REQUIRE(holdfast.wait_for_up());
  const std::string good = read_file(holdfast.config_path());
  holdfast.write_config_text("tunnels: [what]\n");
  CHECK(holdfast.command({"reload"}).status.code != 0);
  holdfast.write_config_text(good);
  CHECK_FALSE(has(holdfast.command({"doctor", "relay"}).output, "the last reload was refused"));
}

TEST_CASE("a process of all tunnels is found though one of this tunnel alone is asked for") {
  const Sshd relay;
  const TargetServer target{greet_then_echo("hello\r\n")};
  const Holdfast holdfast{leading_to(relay, "relay", target.port())};
  REQUIRE(holdfast.wait_for_up());
  const Finished seen =
      run({.argv = {holdfast_binary(), "doctor", "--config", holdfast.config_path(), "--only", "relay"}}, 60s);
  CAPTURE(seen.output);
  CAPTURE(seen.errors);
  CHECK(has(seen.output, "Tunnel relay, by the running holdfast"));
}

TEST_CASE("a key that is missing is told, and the layers below the login are looked at all the same") {
  const TempDir dir;
  const RefusingPort relay;
  write_file(dir / "holdfast.yaml",
             "status_socket:\n  path: " + (dir / "status.sock") +
                 "\ntunnels:\n  relay:\n    host_name: 127.0.0.1\n    port: " + std::to_string(relay.port()) +
                 "\n    user: me\n    identity_file: /nonexistent/key\n"
                 "    remote_forward: [\"4649:localhost:22\"]\n");
  const Finished seen = run({.argv = {holdfast_binary(), "doctor", "--config", dir / "holdfast.yaml"}}, 60s);
  CAPTURE(seen.output);
  CAPTURE(seen.errors);
  CHECK(seen.status.code == 2);
  CHECK(has(seen.errors, "/nonexistent/key"));
  CHECK(has(seen.output, " FAIL  relay's port "));
}
