#include <boost/asio/io_context.hpp>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "cli/places.hpp"
#include "doctor/examination.hpp"
#include "holdfast/diagnosis.hpp"
#include "holdfast/relays.hpp"
#include "net/disk.hpp"
#include "status/findings_json.hpp"
#include "status/json.hpp"
#include "status/printable.hpp"
#include "supervisor/configuration.hpp"

namespace holdfast::cli {
namespace {

/// A line a layer, as soon as all below it are said.
class Face {
 public:
  explicit Face(bool json) : json_(json) {}

  void take(Layer layer, Finding finding) {
    findings_.insert_or_assign(layer, std::move(finding));
    if (!json_) show(false);
  }

  int end() {
    const Diagnosis diagnosis = diagnose(findings_);
    if (json_) {
      std::cout << status::to_json(findings_, diagnosis);
    } else {
      show(true);
      std::cout << '\n';
      if (!diagnosis.answer) std::cout << "Nothing is wrong.\n";
      for (const Judgement& judgement : diagnosis.judgements) {
        if (judgement.layer != diagnosis.answer) continue;
        std::cout << status::printable(answer_of(diagnosis)) << "\nNext: " << judgement.next_step << '\n';
      }
    }
    const CheckResult result = result_of(diagnosis);
    return result == CheckResult::fail ? 2 : result == CheckResult::warn ? 1 : 0;
  }

 private:
  void show(bool all) {
    for (; next_ <= Layer::keepalive; next_ = static_cast<Layer>(static_cast<int>(next_) + 1)) {
      const auto found = findings_.find(next_);
      if (found == findings_.end() && next_ == Layer::session) continue;  // nothing looks at that alone
      if (found == findings_.end() && !all) return;
      if (found == findings_.end()) continue;
      const Judgement judgement = judge(next_, found->second);
      std::cout << to_string(judgement.result) << "  " << to_string(next_) << ": "
                << status::printable(judgement.measured) << std::endl;
    }
  }

  bool json_;
  Findings findings_;
  Layer next_ = Layer::device;
};

/// Where no daemon runs.
int examine_here(const Options& options) {
  const std::string file = options.config.value_or(default_config());
  const auto loaded = supervisor::load_configuration(file, config::files_outside_service());
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) std::cerr << config::to_string(problem) << '\n';
    return complain(misused, file + " can't be used: mend it first");
  }
  const TunnelSpec* tunnel = nullptr;
  for (const TunnelSpec& each : loaded->config.tunnels) {
    if (options.tunnel.empty() || each.name == options.tunnel) tunnel = &each;
  }
  if (tunnel == nullptr) return complain(misused, "no tunnel is called '" + options.tunnel + "' in " + file);
  boost::asio::io_context loop{1};
  net::Resolver resolver{loop.get_executor()};
  const auto disk = std::make_shared<net::Disk>(loop.get_executor());
  const auto storage = std::make_shared<ssh::Storage>(loop.get_executor(), disk, [](const std::string&) {});
  Face face{options.json};
  doctor::Patient patient{loop.get_executor(), resolver, storage, at_relay(*tunnel, relays_of(*tunnel).front()),
                          "/var/lib/holdfast"};
  const doctor::Examination examination{std::move(patient),
                                        [&](Layer layer, Finding finding) { face.take(layer, std::move(finding)); },
                                        [&] { loop.stop(); }};
  loop.run();
  return face.end();
}

}  // namespace

int doctor(const Options& options) {
  Face face{options.json};
  std::string broken;
  Options patient = options;
  patient.timeout_seconds = 35;
  const auto response =
      stream(patient, "/v1/tunnels/" + percent_encoded(options.tunnel) + "/doctor", [&](const std::string& line) {
        auto found = status::from_line(line);
        if (!found) broken = found.error();
        if (found) face.take(found->first, std::move(found->second));
      });
  if (!response && response.error().nobody && !options.socket) return examine_here(options);
  if (!response) return complain(response.error().exit_status, response.error().text);
  if (response->status != 200) return complain(failed, status::error_text(response->body));
  if (!broken.empty()) return complain(failed, broken);
  return face.end();
}

}  // namespace holdfast::cli
