#include <doctest/doctest.h>

#include <array>
#include <cstdint>

#include "holdfast/diagnosis.hpp"

using namespace holdfast;

namespace {

using Said = TargetFindings::Said;

TargetFindings::Target target(std::uint16_t port, Said said, const std::string& words = "") {
  TargetFindings::Target target;
  target.target = "127.0.0.1:" + std::to_string(port);
  target.port = port;
  target.said = said;
  target.words = words;
  return target;
}

Judgement judged(const TargetFindings::Target& target) {
  TargetFindings found;
  found.targets = {target};
  return judge(Layer::target, found);
}

}  // namespace

TEST_CASE("a server that speaks first is held to what it is known to say") {
  CHECK(judged(target(22, Said::something, "SSH-2.0-OpenSSH_9.2p1")).result == CheckResult::pass);
  CHECK(judged(target(22, Said::nothing)).cause == Cause::target_hangs);
  CHECK(judged(target(22, Said::nothing)).result == CheckResult::fail);
  CHECK(judged(target(22, Said::closed)).cause == Cause::target_hangs);
  const Judgement other = judged(target(22, Said::something, "HTTP/1.1 400 Bad Request"));
  CHECK(other.cause == Cause::target_unexpected);
  CHECK(other.result == CheckResult::warn);
}

TEST_CASE("what the well-known servers say first") {
  CHECK(first_words_of(22) == "SSH-");
  CHECK(first_words_of(2222) == "SSH-");
  for (const std::uint16_t mail_or_files : std::array<std::uint16_t, 3>{21, 25, 587})
    CHECK(first_words_of(mail_or_files) == "220");
  CHECK(first_words_of(110) == "+OK");
  CHECK(first_words_of(143) == "* OK");
  CHECK(first_words_of(5900) == "RFB ");
  CHECK(first_words_of(80).empty());
}

TEST_CASE("a target that hangs is told from one that hangs up") {
  CHECK(judged(target(22, Said::nothing)).measured.ends_with("and says nothing"));
  CHECK(judged(target(22, Said::closed)).measured.ends_with("and ends them without a word"));
}

TEST_CASE("a target whose name can't be looked up is a matter of the name, and no service is to be started") {
  TargetFindings::Target nameless = target(22, Said::not_connected);
  CHECK(judged(nameless).next_step.starts_with("Start the service"));
  nameless.unresolved = true;
  CHECK(judged(nameless).cause == Cause::target_down);
  CHECK(judged(nameless).next_step.find("look the target's name up") != std::string::npos);
}

TEST_CASE("any other server may say what it likes, and nothing") {
  CHECK(judged(target(80, Said::nothing)).result == CheckResult::pass);
  CHECK(judged(target(80, Said::closed)).result == CheckResult::pass);
  CHECK(judged(target(7007, Said::something, "hello")).measured.find("hello") != std::string::npos);
}

TEST_CASE("a server that spoke first when the tunnel was proven hangs where it is silent now") {
  TargetFindings::Target hung = target(8022, Said::nothing);
  CHECK(judged(hung).result == CheckResult::pass);
  hung.spoke_before = true;
  CHECK(judged(hung).cause == Cause::target_hangs);
  hung.said = Said::something;
  CHECK(judged(hung).result == CheckResult::pass);
}

TEST_CASE("a target that takes no connection fails, and where the port is listened on is told") {
  TargetFindings::Target down = target(22, Said::not_connected);
  down.detail = "Connection refused";
  CHECK(judged(down).cause == Cause::target_down);
  CHECK(judged(down).result == CheckResult::fail);
  CHECK(judged(down).measured == "127.0.0.1:22: Connection refused");
  down.listens = {"[::1]:22"};
  CHECK(judged(down).cause == Cause::target_elsewhere);
  CHECK(judged(down).next_step.find("[::1]:22") != std::string::npos);
}

TEST_CASE("a target that neither takes nor refuses a connection hangs where its port is listened on") {
  TargetFindings::Target full = target(22, Said::not_connected);
  full.timed_out = true;
  CHECK(judged(full).cause == Cause::target_down);
  full.listens = {"127.0.0.1:22"};
  CHECK(judged(full).cause == Cause::target_hangs);
  CHECK(judged(full).result == CheckResult::fail);
  CHECK(judged(full).next_step.find("takes no more connections") != std::string::npos);
}

TEST_CASE("a socket that may not be connected to gets a next step of its own") {
  TargetFindings::Target socket;
  socket.target = "/run/app.sock";
  socket.said = Said::not_connected;
  socket.detail = "Permission denied";
  CHECK(judged(socket).cause == Cause::target_down);
  CHECK(judged(socket).next_step.find("namei -l /run/app.sock") != std::string::npos);
  socket.detail = "No such file or directory";
  CHECK(judged(socket).next_step == remedy(Cause::target_down));
}
