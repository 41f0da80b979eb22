#include <array>
#include <utility>

#include "core/diagnosis/judges.hpp"

namespace holdfast {

std::string_view first_words_of(std::uint16_t port) {
  constexpr std::array<std::pair<std::uint16_t, std::string_view>, 8> known{{{21, "220"},
                                                                             {22, "SSH-"},
                                                                             {25, "220"},
                                                                             {110, "+OK"},
                                                                             {143, "* OK"},
                                                                             {587, "220"},
                                                                             {2222, "SSH-"},
                                                                             {5900, "RFB "}}};
  for (const auto& [at, words] : known) {
    if (at == port) return words;
  }
  return {};
}

namespace diagnosis {
namespace {

using Said = TargetFindings::Said;

Judgement failing(Cause cause, std::string measured, std::string next_step = {}) {
  Judgement judgement = blame(cause, std::move(measured), std::move(next_step));
  judgement.result = CheckResult::fail;  // whoever comes by the tunnel finds nobody
  return judgement;
}

Judgement not_connected(const TargetFindings::Target& target) {
  const std::string what = target.target + ": " + target.detail;
  if (target.timed_out && !target.listens.empty()) {  // on this device, where another address would refuse
    return failing(Cause::target_hangs, what + "; at this port listens " + listed(target.listens),
                   "The service that listens takes no more connections: it hangs, and those that wait have filled its "
                   "queue. Restart it, and look at its log.");
  }
  if (!target.listens.empty()) {
    return failing(
        Cause::target_elsewhere, what + "; at this port listens " + listed(target.listens),
        "Let the forward name " + target.listens.front() + ", or let the service listen on " + target.target + " too.");
  }
  if (target.unresolved) {
    return failing(Cause::target_down, what,
                   "This device can't look the target's name up: correct it in the forward, or let DNS or /etc/hosts "
                   "here know it.");
  }
  const bool is_socket = target.target.starts_with("/");
  if (is_socket && target.detail.find("Permission denied") != std::string::npos) {
    return failing(
        Cause::target_down, what,
        "Let the user that holdfast runs as connect to this socket: look at its mode and group, and at those "
        "of the folders above it (namei -l " +
            target.target + ").");
  }
  return failing(Cause::target_down, what);
}

Judgement judge(const TargetFindings::Target& target) {
  if (target.said == Said::not_connected) return not_connected(target);
  const std::string_view expected = first_words_of(target.port);
  const std::string takes = target.target + " takes connections";
  if (target.said == Said::something) {
    const std::string says = takes + ", and says \"" + target.words + "\"";
    if (target.words.starts_with(expected)) return pass(Layer::target, says);
    return blame(Cause::target_unexpected, says);
  }
  if (expected.empty() && !target.spoke_before) return pass(Layer::target, takes);
  return failing(Cause::target_hangs,
                 takes + (target.said == Said::closed ? ", and ends them without a word" : ", and says nothing") +
                     (expected.empty() ? ", though it spoke when the tunnel was proven" : ""));
}

}  // namespace

Judgement judge(const TargetFindings& found) {
  std::vector<Judgement> each;
  for (const TargetFindings::Target& target : found.targets) each.push_back(judge(target));
  return each.empty() ? Judgement{Layer::target, CheckResult::skip, "there is no forward"} : worst(std::move(each));
}

}  // namespace diagnosis
}  // namespace holdfast
