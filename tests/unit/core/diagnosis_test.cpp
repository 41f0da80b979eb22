#include "holdfast/diagnosis.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/diagnosis/judges.hpp"

using namespace holdfast;

namespace {

LinkFindings::Link link(const std::string& name, bool up, bool carrier) {
  LinkFindings::Link link;
  link.name = name;
  link.up = up;
  link.carrier = carrier;
  link.way_out = true;
  return link;
}

LinkFindings links(std::vector<LinkFindings::Link> links) {
  LinkFindings found;
  found.links = std::move(links);
  return found;
}

NameFindings::Server silent(const std::string& address) {
  NameFindings::Server server;
  server.address = address;
  server.said = NameFindings::Said::nothing;
  return server;
}

NameFindings name_without_answer() {
  NameFindings found;
  found.name = "relay.example";
  found.servers = {silent("192.0.2.53")};
  return found;
}

TcpFindings::Try refused_at(const std::string& where) {
  TcpFindings::Try one;
  one.to = where;
  one.failed = Cause::connection_refused;
  return one;
}

StepFindings failed(Cause cause) {
  StepFindings found;
  found.failure = Failure{cause, "authenticate to", "relay.example:22", "tried SHA256:abc"};
  return found;
}

TargetFindings::Target target_that_is_down() {
  TargetFindings::Target target;
  target.forward = "localhost:4649";
  target.target = "localhost:22";
  target.said = TargetFindings::Said::not_connected;
  target.detail = "Connection refused";
  return target;
}

const Judgement& of(const Diagnosis& diagnosis, Layer layer) {
  return *std::find_if(diagnosis.judgements.begin(), diagnosis.judgements.end(),
                       [&](const Judgement& judgement) { return judgement.layer == layer; });
}

}  // namespace

TEST_CASE("of two faults the lower is the answer, and the upper its consequence") {
  const Diagnosis diagnosis =
      diagnose({{Layer::link, links({link("eth0", true, false)})}, {Layer::name, name_without_answer()}});
  CHECK(diagnosis.answer == Layer::link);
  CHECK(of(diagnosis, Layer::link).cause == Cause::no_carrier);
  CHECK(of(diagnosis, Layer::name).result == CheckResult::fail);
  CHECK(of(diagnosis, Layer::name).hidden_by == Layer::link);
  CHECK(result_of(diagnosis) == CheckResult::fail);
}

TEST_CASE("what lies below a layer that passes only warns") {
  TcpFindings tcp;
  tcp.tries.emplace_back();
  tcp.tries.back().to = "192.0.2.7:22";
  const Diagnosis diagnosis = diagnose({{Layer::name, name_without_answer()}, {Layer::tcp, tcp}});
  CHECK(of(diagnosis, Layer::name).result == CheckResult::warn);
  CHECK(diagnosis.answer == Layer::name);
  CHECK(result_of(diagnosis) == CheckResult::warn);
  // Packets that come back needed an address, too.
  CHECK(of(diagnose({{Layer::name, name_without_answer()}, {Layer::path, StepFindings{}}}), Layer::name).result ==
        CheckResult::warn);
}

TEST_CASE("a wrong host key shows that the name leads to somebody, where the port itself is not tried") {
  const Findings findings{{Layer::name, name_without_answer()}, {Layer::host_key, failed(Cause::host_key_changed)}};
  CHECK(of(diagnose(findings), Layer::name).result == CheckResult::warn);
}

TEST_CASE("of several judgements what fails comes first, then what warns, then what is worth a word") {
  const auto first_of = [](std::vector<Judgement> judgements) {
    return diagnosis::worst(std::move(judgements)).measured;
  };
  const Judgement fine = diagnosis::pass(Layer::name, "fine");
  const Judgement moved = diagnosis::blame(Cause::relay_moved, "moved");
  const Judgement weak = diagnosis::blame(Cause::signal_weak, "weak");
  const Judgement broken = diagnosis::blame(Cause::name_not_found, "not found");
  CHECK(first_of({fine, moved}) == "moved");
  CHECK(first_of({moved, weak}) == "weak");
  CHECK(first_of({weak, broken}) == "not found");
  CHECK(first_of({moved, fine}) == "moved");
  CHECK(diagnosis::worst({fine, moved}).evidence == std::vector<std::string>{"fine"});
}

TEST_CASE("a target is on the device: nothing on the way explains it") {
  TargetFindings targets;
  targets.targets = {target_that_is_down()};
  const Diagnosis diagnosis = diagnose({{Layer::link, links({link("eth0", true, false)})}, {Layer::target, targets}});
  CHECK(diagnosis.answer == Layer::link);
  CHECK(of(diagnosis, Layer::target).result == CheckResult::fail);
  CHECK_FALSE(of(diagnosis, Layer::target).hidden_by);
}

TEST_CASE("a layer that could not be looked at is no fault, and says why") {
  const Diagnosis diagnosis = diagnose({{Layer::path, Skipped{"needs root"}}});
  CHECK_FALSE(diagnosis.answer);
  CHECK(of(diagnosis, Layer::path).result == CheckResult::skip);
  CHECK(of(diagnosis, Layer::path).measured == "needs root");
}

TEST_CASE("what a skipped layer waits for explains it") {
  TcpFindings tcp;
  tcp.tries = {refused_at("192.0.2.7:22")};
  const Diagnosis diagnosis = diagnose({{Layer::tcp, tcp}, {Layer::banner, Skipped{"the port takes no connection"}}});
  CHECK(diagnosis.answer == Layer::tcp);
  CHECK(of(diagnosis, Layer::banner).hidden_by == Layer::tcp);
}

TEST_CASE("a step that failed says what was met, and the cause's remedy") {
  const Diagnosis diagnosis = diagnose({{Layer::authentication, failed(Cause::authentication_refused)}});
  const Judgement& judgement = of(diagnosis, Layer::authentication);
  CHECK(judgement.result == CheckResult::fail);
  CHECK(judgement.measured == "authenticate to relay.example:22: tried SHA256:abc");
  CHECK(judgement.next_step == remedy(Cause::authentication_refused));
  CHECK(answer_of(diagnosis).starts_with("the relay took none of our keys ("));
}

TEST_CASE("of a device whose memory can't be seen no figure is told") {
  DeviceFindings device;
  device.clock = 1780000000;
  const Diagnosis diagnosis = diagnose({{Layer::device, device}});
  CHECK(of(diagnosis, Layer::device).result == CheckResult::pass);
  CHECK(of(diagnosis, Layer::device).measured.find("MB") == std::string::npos);
}

TEST_CASE("that nobody holds the tunnel follows from nothing, and that nobody is meant to comes last") {
  StepFindings nobody_listens;
  nobody_listens.measured = "localhost:4649: nobody has it";
  Findings findings{{Layer::session, failed(Cause::not_running)}, {Layer::listener, nobody_listens}};
  CHECK(diagnose(findings).answer == Layer::session);
  CHECK(result_of(diagnose(findings)) == CheckResult::fail);
  findings = {{Layer::session, failed(Cause::not_running)}, {Layer::link, links({link("eth0", true, false)})}};
  const Diagnosis both = diagnose(findings);
  CHECK(both.answer == Layer::link);
  CHECK_FALSE(of(both, Layer::session).hidden_by);

  findings = {{Layer::session, failed(Cause::not_running)}, {Layer::listener, failed(Cause::listener_held_live)}};
  CHECK(diagnose(findings).answer == Layer::session);
  CHECK_FALSE(of(diagnose(findings), Layer::listener).hidden_by);

  findings = {{Layer::session, failed(Cause::not_answering)}, {Layer::listener, failed(Cause::listener_held_stale)}};
  CHECK(diagnose(findings).answer == Layer::session);
  CHECK(of(diagnose(findings), Layer::listener).hidden_by == Layer::session);
  findings = {{Layer::session, failed(Cause::not_answering)}, {Layer::link, links({link("eth0", true, false)})}};
  CHECK(diagnose(findings).answer == Layer::link);
  CHECK_FALSE(of(diagnose(findings), Layer::session).hidden_by);

  findings = {{Layer::session, failed(Cause::not_started)}};
  CHECK(result_of(diagnose(findings)) == CheckResult::warn);
  findings[Layer::proof] = failed(Cause::proof_unanswered);
  CHECK(diagnose(findings).answer == Layer::proof);
  findings[Layer::target] = TargetFindings{{target_that_is_down()}};
  CHECK(diagnose(findings).answer == Layer::target);
}

TEST_CASE("a session that gives no sign of life is the fault where another connection comes through") {
  StepFindings silent;
  silent.failure = Failure{Cause::relay_silent, "ask for a sign of life at", "relay.example:22", "none within 5 s"};
  TcpFindings tcp;
  tcp.tries = {refused_at("192.0.2.7:22")};
  tcp.tries.front().failed.reset();
  Findings findings{{Layer::tcp, tcp}, {Layer::authentication, StepFindings{}}, {Layer::session, silent}};
  Diagnosis diagnosis = diagnose(findings);
  CHECK(diagnosis.answer == Layer::session);
  CHECK(result_of(diagnosis) == CheckResult::fail);
  CHECK(of(diagnosis, Layer::session).next_step.starts_with("Another connection came through just now"));
  CHECK(of(diagnosis, Layer::session).next_step.find("--nat-timeout") != std::string::npos);

  findings[Layer::tcp] = TcpFindings{{refused_at("192.0.2.7:22")}, {}, false};
  findings[Layer::authentication] = Skipped{"the relay's port takes no connection"};
  diagnosis = diagnose(findings);
  CHECK(diagnosis.answer == Layer::tcp);
  CHECK(of(diagnosis, Layer::session).hidden_by == Layer::tcp);
  CHECK(of(diagnosis, Layer::session).next_step == facts_of(Cause::relay_silent).remedy);

  // What the running session itself was through shows no other one.
  findings[Layer::tcp] = StepFindings{};
  findings[Layer::authentication] = StepFindings{};
  CHECK(of(diagnose(findings), Layer::session).next_step == facts_of(Cause::relay_silent).remedy);
}

TEST_CASE("what stopped the tunnel has passed where another connection is through to the login") {
  TcpFindings tcp;
  tcp.tries = {refused_at("192.0.2.7:22")};
  tcp.tries.front().failed.reset();
  Findings findings{
      {Layer::tcp, tcp}, {Layer::authentication, StepFindings{}}, {Layer::session, failed(Cause::host_key_changed)}};
  const std::string next_step = of(diagnose(findings), Layer::session).next_step;
  CHECK(next_step.find("at once with holdfast reconnect") != std::string::npos);
  CHECK(next_step.find("--nat-timeout") == std::string::npos);
  CHECK(of(diagnose(findings), Layer::tcp).evidence.empty());  // it did not end there
  findings[Layer::name] = name_without_answer();
  CHECK(of(diagnose(findings), Layer::name).next_step == facts_of(Cause::nameserver_silent).remedy);
  findings[Layer::session] = failed(Cause::session_timeout);
  CHECK(of(diagnose(findings), Layer::session).next_step == facts_of(Cause::session_timeout).remedy);
  findings[Layer::session] = failed(Cause::host_key_changed);
  findings[Layer::authentication] = failed(Cause::authentication_refused);
  CHECK(of(diagnose(findings), Layer::session).next_step == facts_of(Cause::host_key_changed).remedy);
}

TEST_CASE("a host key that was new shows nothing of whose address a name server gave") {
  NameFindings name;
  name.name = "relay.example";
  name.found = {"127.0.0.1"};
  NameFindings::Server server;
  server.address = "192.0.2.53";
  server.said = NameFindings::Said::addresses;
  server.addresses = name.found;
  name.servers = {server};
  TcpFindings tcp;
  tcp.tries = {refused_at("127.0.0.1:22")};
  tcp.tries.front().failed.reset();
  StepFindings key{std::nullopt, "ssh-ed25519 SHA256:abc, not known here yet", {}};
  key.is_new = true;
  Findings findings{{Layer::name, name},
                    {Layer::tcp, tcp},
                    {Layer::banner, StepFindings{}},
                    {Layer::host_key, key},
                    {Layer::authentication, failed(Cause::authentication_refused)}};
  CHECK(diagnose(findings).answer == Layer::name);
  CHECK(of(diagnose(findings), Layer::name).cause == Cause::nameserver_lies);
  key.is_new = false;
  findings[Layer::host_key] = key;
  CHECK(diagnose(findings).answer == Layer::authentication);
}

TEST_CASE("another service's words in place of a banner are no stall") {
  StepFindings found;
  found.failure = Failure{Cause::phase_timed_out, "read the banner of", "relay.example:22", "no answer after 5 s"};
  found.said = "220 ftp ready";
  CHECK(judge(Layer::banner, found).cause == Cause::protocol_mismatch);
  CHECK(judge(Layer::banner, found).measured.find("220 ftp ready") != std::string::npos);
  found.said = "SSH-2.0-slow";
  CHECK(judge(Layer::banner, found).cause == Cause::phase_timed_out);
}

TEST_CASE("nothing wrong is no answer") {
  const Diagnosis diagnosis = diagnose({{Layer::link, links({link("eth0", true, true)})}});
  CHECK_FALSE(diagnosis.answer);
  CHECK(result_of(diagnosis) == CheckResult::pass);
  CHECK(answer_of(diagnosis).empty());
}
