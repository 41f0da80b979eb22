#include "status/diagnosis_text.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "holdfast/enumerators.hpp"

using namespace holdfast;
using status::Colour;

namespace {

constexpr const char* begin_of_causes = "<!-- The causes: unit_status writes them. -->\n";

/// The end of docs/diagnosis.md: a table a layer.
std::string causes() {
  std::string text = begin_of_causes;
  for (const Layer layer : enumerators<Layer>) {
    std::string rows;
    for (const CauseFacts& facts : all_causes()) {
      if (facts.layer != layer) continue;
      rows += "| `" + std::string{to_string(facts.cause)} + "` | " + std::string{facts.sentence} + " | " +
              std::string{facts.remedy} + " |\n";
    }
    if (rows.empty()) continue;
    text += "\n### " + status::label_of(layer) + "\n\n| cause | what it is | next step |\n|---|---|---|\n" + rows;
  }
  return text;
}

std::size_t longest_line(const std::string& text) {
  std::istringstream lines{text};
  std::size_t longest = 0;
  for (std::string line; std::getline(lines, line);) longest = std::max(longest, line.size());
  return longest;
}

Judgement judgement(Layer layer, CheckResult result, const std::string& measured) {
  Judgement judgement;
  judgement.layer = layer;
  judgement.result = result;
  judgement.measured = measured;
  return judgement;
}

Judgement name_fault() {
  Judgement fault = judgement(Layer::name, CheckResult::fail, "192.0.2.53, for 5 s");
  fault.cause = Cause::nameserver_silent;
  fault.next_step = "Name another server.";
  fault.evidence = {"192.0.2.54 answers nothing either"};
  return fault;
}

}  // namespace

TEST_CASE("docs/diagnosis.md ends with every cause by its layer") {
  std::ofstream(DIAGNOSIS_WANTED) << causes();
  std::ifstream page(DIAGNOSIS_MD);
  const std::string text{std::istreambuf_iterator<char>{page}, std::istreambuf_iterator<char>{}};
  const auto begin = text.find(begin_of_causes);
  REQUIRE(begin != std::string::npos);
  CHECK_MESSAGE(text.substr(begin) == causes(), "the page has to end with " DIAGNOSIS_WANTED);
}

TEST_CASE("a layer is a line, and the evidence of one that fails stands below") {
  CHECK(status::text_of(judgement(Layer::link, CheckResult::pass, "eth0 has a carrier"), Colour::no) ==
        " ok    link         eth0 has a carrier\n");
  CHECK(status::text_of(name_fault(), Colour::no) ==
        " FAIL  relay's name a name server does not answer (192.0.2.53, for 5 s)\n"
        "                    192.0.2.54 answers nothing either\n");
  CHECK(status::text_of(name_fault(), Colour::ansi).find("\x1b[1;31m") != std::string::npos);
}

TEST_CASE("what ended the session is told where it is met, and not once more of the session") {
  Judgement session = judgement(Layer::session, CheckResult::fail, "connect to relay.example:22: timed out");
  session.cause = Cause::connection_timed_out;
  session.evidence = {"backing off, next try in 12 s", "2 min ago a session ended after 1 h"};
  CHECK(status::text_of(session, Colour::no).find("timed out") != std::string::npos);
  session.hidden_by = Layer::tcp;
  CHECK(status::text_of(session, Colour::no) ==
        " FAIL  session      backing off, next try in 12 s; follows from: relay's port\n");
  session.hidden_by = Layer::link;  // where something else is met
  CHECK(status::text_of(session, Colour::no).find("timed out") != std::string::npos);
}

TEST_CASE("a note is told with its sentence, though nothing fails of it") {
  Judgement lease = judgement(Layer::lease, CheckResult::pass, "it does not answer");
  lease.cause = Cause::lease_unavailable;
  CHECK(status::text_of(lease, Colour::no) ==
        " ok    lease        our script can't run at the relay (it does not answer)\n");
}

TEST_CASE("what waits for the same shares a line") {
  const Judgement banner = judgement(Layer::banner, CheckResult::skip, "the port takes no connection");
  const Judgement login = judgement(Layer::authentication, CheckResult::skip, "the port takes no connection");
  CHECK(status::not_reached({banner, login}, Colour::no) ==
        " -     SSH server, login: not looked at, because the port takes no connection\n");
  CHECK(status::not_reached({}, Colour::no).empty());
}

TEST_CASE("the answer comes last, with what follows from it and the next step") {
  Judgement later = judgement(Layer::authentication, CheckResult::fail, "refused");
  later.cause = Cause::authentication_refused;
  later.hidden_by = Layer::name;
  Judgement target = judgement(Layer::target, CheckResult::fail, "down");
  target.cause = Cause::target_down;
  const std::string text = status::conclusion({{name_fault(), later, target}, Layer::name}, Colour::no);
  CHECK(text ==
        "Fault:  relay's name: a name server does not answer\n"
        "Follows: login\n"
        "Besides: target\n"
        "Next:   Name another server.\n");
  CHECK(status::conclusion({}, Colour::no) == "Nothing is wrong.\n");
}

TEST_CASE("a session that stands and is not proven yet is well so far, and no more") {
  const Judgement session = judgement(Layer::session, CheckResult::pass, "holds");
  const Judgement unproven = judgement(Layer::proof, CheckResult::skip, "no listener was proven yet");
  CHECK(status::conclusion({{session, unproven}, std::nullopt}, Colour::no) == "Nothing is wrong so far.\n");
  CHECK(status::conclusion({{session}, std::nullopt}, Colour::no) == "Nothing is wrong.\n");
}

TEST_CASE("beside another fault it is said how to have the tunnel held once that is mended") {
  Judgement nobody = judgement(Layer::session, CheckResult::warn, "");
  nobody.cause = Cause::not_started;
  nobody.next_step = "Enable it.";
  const Diagnosis diagnosis{{name_fault(), nobody}, Layer::name};
  CHECK(status::conclusion(diagnosis, Colour::no) ==
        "Fault:  relay's name: a name server does not answer\n"
        "Besides: session\n"
        "Next:   Name another server.\n"
        "Then:   Enable it.\n");
  CHECK(status::in_a_line(diagnosis) == "relay's name: a name server does not answer");
  CHECK(status::in_a_line({}) == "nothing is wrong");
}

TEST_CASE("no line is longer than a terminal is wide, and nothing from outside reaches it raw") {
  Judgement hostile = judgement(Layer::banner, CheckResult::fail, "");
  hostile.cause = Cause::captive_portal;
  for (int count = 0; count < 60; ++count) hostile.measured += "words \x1b[2J ";
  hostile.evidence = {hostile.measured};
  const std::string text = status::text_of(hostile, Colour::no);
  CHECK(longest_line(text) <= 80);
  CHECK(text.find('\x1b') == std::string::npos);
  for (const CauseFacts& facts : all_causes()) CHECK(longest_line(status::explanation(facts, Colour::no)) <= 80);
}

TEST_CASE("a command that is told to the letter has a line of its own") {
  Judgement fault = name_fault();
  const std::string command = "ssh-keygen -f '/var/lib/holdfast/known_hosts' -R '[relay.example.of.a.long.name]:2222'";
  fault.next_step = "Delete the line. Here: " + command;
  const std::string text = status::conclusion({{fault}, Layer::name}, Colour::no);
  CHECK(text.ends_with("Next:   Delete the line. Here:\n        " + command + "\n"));
}

TEST_CASE("a line is as wide as the terminal, within reason, and 80 where there is none") {
  CHECK(status::width_of(false, "200", 200) == 80);
  CHECK(status::width_of(true, "", 100) == 100);
  CHECK(status::width_of(true, "90", 100) == 90);
  CHECK(status::width_of(true, "", 0) == 80);
  for (const char* none : {"0", "-5", "90x", "99999999999999999999999"})
    CHECK(status::width_of(true, none, 100) == 100);
  CHECK(status::width_of(true, "", 300) == 120);
  CHECK(status::width_of(true, "10", 0) == 40);
  Judgement long_one = judgement(Layer::link, CheckResult::pass, "");
  for (int count = 0; count < 90; ++count) long_one.measured += "word ";
  for (const std::size_t width : {40U, 80U, 120U}) {
    const std::size_t longest = longest_line(status::text_of(long_one, {Colour::no, width}));
    CHECK(longest <= width);
    CHECK(longest > width - 6);
  }
}

TEST_CASE("a mistyped cause or layer finds those that are like it, and any other word the nearest") {
  CHECK(status::names_like("mtu").front() == "path_mtu");
  CHECK(status::names_like("hostkey_changed").front() == "host_key_changed");
  CHECK(status::names_like("relays prt").front() == "tcp");
  for (const char* word : {"zzzzzzzzzzzzzzzzzzzzzzzz", ""}) CHECK(status::names_like(word).size() == 3);
}

TEST_CASE("a layer is found by the status's word and by the doctor's, however it is written") {
  for (const char* word : {"tcp", "relay's port", "Relays-Port", "relays_port"})
    CHECK(status::layer_called(word) == Layer::tcp);
  CHECK(status::layer_called("gateway") == Layer::neighbour);
  CHECK(status::layer_called("key_exchange") == Layer::key_exchange);
  CHECK_FALSE(status::layer_called("port"));
  CHECK_FALSE(status::layer_called(""));
  const std::string text = status::explanation(Layer::tcp, Colour::no);
  CHECK(text.starts_with("relay's port, in the status and in JSON: tcp\n"));
  CHECK(text.find("  connection_refused: the relay's port refuses") != std::string::npos);
  CHECK(status::explanation(Layer::link, Colour::no).starts_with("link\n"));
  for (const Layer layer : enumerators<Layer>) CHECK(longest_line(status::explanation(layer, Colour::no)) <= 80);
}
