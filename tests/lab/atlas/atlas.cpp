#include "lab/atlas/atlas.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace holdfast::lab {
namespace {

using nlohmann::json;

std::string text_of(const json& value) {
  return value.is_string() ? value.get<std::string>() : std::string{};
}

Seen read(const std::string& output) {
  Seen seen;
  const json document = json::parse(output);
  seen.answer = text_of(document.at("answer"));
  for (const json& judgement : document.at("judgements")) {
    SeenLayer& layer = seen.layers[judgement.at("layer")];
    layer.result = judgement.at("result");
    layer.cause = text_of(judgement.at("cause"));
    layer.measured = judgement.at("measured");
    layer.evidence = judgement.at("evidence").get<std::vector<std::string>>();
    layer.next_step = judgement.at("next_step");
    layer.hidden_by = text_of(judgement.at("hidden_by"));
  }
  return seen;
}

}  // namespace

std::string Seen::cause() const {
  const auto found = layers.find(answer);
  return found == layers.end() ? std::string{} : found->second.cause;
}

Bedside::Bedside(const SiteOptions& options) : Site(options, holdfast_at(HOLDFAST_BINARY)) {
  // As systemd has it (sysctl.d/50-default.conf): everybody may send echoes.
  lab.device().sysctl("net/ipv4/ping_group_range", "0 2147483647");
}

Seen Bedside::examine() {
  return examine({});
}

Seen Bedside::examine(const std::vector<std::string>& more) {
  test::Command command{.argv = {HOLDFAST_BINARY, "doctor", "relay", "--json", "--config", subject.configure()},
                        .env = env};
  command.argv.insert(command.argv.end(), more.begin(), more.end());
  command.argv.insert(command.argv.begin(), before.begin(), before.end());
  const TimePoint began = Clock::now();
  const test::Finished finished = test::run(lab.device().on(command), std::chrono::seconds{60});
  const Duration took = Clock::now() - began;
  if (!finished.output.starts_with("{"))
    throw std::runtime_error("holdfast doctor found nothing: " + finished.output + finished.errors);
  Seen seen = read(finished.output);
  seen.exit_status = finished.status.code;
  seen.took = took;
  seen.text = finished.output + finished.errors + "\n--- holdfast:\n" + subject.log();
  return seen;
}

}  // namespace holdfast::lab
