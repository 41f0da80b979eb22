// A disk that dies keeps a call for ever: what is read and written is not waited for.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <string>

#include "scenario.hpp"
#include "support/http_unix.hpp"
#include "support/keys.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast::test;

namespace {

/// A folder that is on a disk which hangs whenever it is told to.
class Disk {
 public:
  ~Disk() { recover(); }

  void hang() { write_file(switch_ / "hung", ""); }
  void recover() { std::filesystem::remove(switch_ / "hung"); }
  std::string operator/(std::string_view name) const { return folder_ / name; }

  /// For a program that has its state there.
  std::map<std::string, std::string> environment() const {
    return {{"LD_PRELOAD", HUNG_DISK},
            {"ASAN_OPTIONS", "verify_asan_link_order=0"},
            {"HUNG_DISK", folder_.path()},
            {"HUNG_DISK_WHILE", switch_ / "hung"},
            {"STATE_DIRECTORY", folder_.path()}};
  }

 private:
  TempDir folder_;
  TempDir switch_;
};

/// Its key lies on that disk.
Tunnel tunnel_of(const Disk& disk, const Sshd& relay, const std::string& forward, const std::string& name = "relay") {
  write_file(disk / "key", read_file(client_key()));
  return Tunnel::to(relay, name).forward(forward).set("identity_file", disk / "key");
}

/// Asks for a reload, and has it taken; the answer comes when it comes.
Socket ask_for_reload(const Holdfast& holdfast) {
  Socket asking = Socket::connect_unix(holdfast.control_path());
  asking.send("POST /v1/reload HTTP/1.1\r\nHost: holdfast\r\n\r\n");
  (void)holdfast.status();  // the loop has turned
  return asking;
}

}  // namespace

TEST_CASE("a disk that hangs while the tunnel stands costs it nothing, nor its next session, nor the end") {
  Disk disk;
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  write_file(disk / "key", read_file(client_key()));
  Holdfast holdfast({Tunnel::to(relay)
                         .forward(to_local(port, target.port()))
                         .set("identity_file", disk / "key")
                         .set("user_known_hosts_file", disk / "known_hosts")
                         .set("strict_host_key_checking", "accept-new")},
                    disk.environment());
  REQUIRE(holdfast.wait_for_up());
  REQUIRE(wait_until([&] {
    return std::filesystem::exists(disk / "known_hosts") &&
           read_file(disk / "known_hosts").find(" ssh-ed25519 ") != std::string::npos;
  }));

  disk.hang();
  CHECK(echoes(port));
  CHECK(http_request(holdfast.control_path(), "POST", "/v1/tunnels/relay/reconnect").status == 202);
  REQUIRE(holdfast.wait_for([](const Json& tunnel) { return tunnel["sessions_established"] == 2 && tunnel["up"]; }));
  CHECK(echoes(port));

  holdfast.signal(SIGTERM);
  CHECK(holdfast.wait() == success);
  CHECK_FALSE(is_listening(port));
  CHECK(holdfast.says("the disk does not answer: what was to be kept is not written"));
}

TEST_CASE("a host key that is met while the disk hangs is known, and stored when it answers again") {
  Disk disk;
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast({Tunnel::to(relay)
                         .forward(to_local(port, target.port()))
                         .set("user_known_hosts_file", disk / "elsewhere/known_hosts")
                         .set("strict_host_key_checking", "accept-new")},
                    disk.environment());
  REQUIRE(holdfast.wait_for_up());
  REQUIRE(wait_until([&] { return !holdfast.status()["unsaved"].empty(); }));
  CHECK(holdfast.status()["unsaved"][0] == disk / "elsewhere/known_hosts: No such file or directory");
  disk.hang();
  std::filesystem::create_directory(disk / "elsewhere");
  CHECK(http_request(holdfast.control_path(), "POST", "/v1/tunnels/relay/reconnect").status == 202);
  REQUIRE(holdfast.wait_for([](const Json& tunnel) { return tunnel["sessions_established"] == 2 && tunnel["up"]; }));
  CHECK(echoes(port));
  disk.recover();
  CHECK(wait_until([&] { return holdfast.status()["unsaved"].empty(); }));
  CHECK(read_file(disk / "elsewhere/known_hosts").find(" ssh-ed25519 ") != std::string::npos);
}

TEST_CASE("a reload from a disk that hangs is refused, and nobody waits for it") {
  Disk disk;
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast({tunnel_of(disk, relay, to_local(port, target.port()))}, disk.environment());
  REQUIRE(holdfast.wait_for_up());

  disk.hang();
  Socket asking = ask_for_reload(holdfast);
  // Its answer comes after three seconds: what is answered before did not wait for the disk.
  CHECK(echoes(port));
  CHECK(holdfast.status()["last_reload_error"].is_null());
  CHECK(asking.receive().find(" 422 ") != std::string::npos);
  CHECK(std::string{holdfast.status()["last_reload_error"]}.find("the disk does not answer") != std::string::npos);
  CHECK(http_request(holdfast.control_path(), "POST", "/v1/reload").status == 422);
  // What is elsewhere can be read nevertheless.
  holdfast.write_config({Tunnel::to(relay).forward(to_local(port, target.port())).set("identity_file", client_key())});
  CHECK(http_request(holdfast.control_path(), "POST", "/v1/reload").status == 200);
  REQUIRE(holdfast.wait_for([](const Json& tunnel) { return tunnel["change"].is_null() && tunnel["up"]; }));

  disk.recover();
  CHECK(wait_until([&] { return http_request(holdfast.control_path(), "POST", "/v1/reload").status == 200; }));
  CHECK(holdfast.status()["last_reload_error"].is_null());
  CHECK(echoes(port));
}

TEST_CASE("a reload that is asked for while another one is read reads the file again") {
  Disk disk;
  const Sshd relay;
  const TargetServer target(echo());
  const Tunnel first = tunnel_of(disk, relay, to_local(free_port(), target.port()), "first");
  const Tunnel second = tunnel_of(disk, relay, to_local(free_port(), target.port()), "second");
  Holdfast holdfast({first}, disk.environment());
  REQUIRE(holdfast.wait_for_up("first"));

  disk.hang();
  Socket one = ask_for_reload(holdfast);
  holdfast.write_config({first, second});
  Socket other = ask_for_reload(holdfast);
  disk.recover();
  CHECK(one.receive().find(" 200 ") != std::string::npos);
  CHECK(other.receive().find(" 200 ") != std::string::npos);
  CHECK(holdfast.wait_for_up("second"));
}

TEST_CASE("a stop does not wait for a reload that hangs") {
  Disk disk;
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast({tunnel_of(disk, relay, to_local(port, target.port()))}, disk.environment());
  REQUIRE(holdfast.wait_for_up());
  disk.hang();
  const Socket asking = ask_for_reload(holdfast);
  holdfast.signal(SIGTERM);
  CHECK(holdfast.wait(5s) == success);
  CHECK_FALSE(is_listening(port));
}

TEST_CASE("a disk that hangs at the start keeps no tunnel down") {
  Disk disk;
  disk.hang();
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast({Tunnel::to(relay).forward(to_local(port, target.port()))}, disk.environment());
  REQUIRE(holdfast.wait_for_up());
  CHECK(echoes(port));
  CHECK(holdfast.says("/device_id: Connection timed out; its login key names it"));
}
