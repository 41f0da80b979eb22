#include <algorithm>
#include <future>
#include <stdexcept>

#include "lab/faults.hpp"
#include "traffic/scenario.hpp"

namespace holdfast::bench {
namespace {

using namespace std::chrono_literals;
using enum Wanted::Bound;

constexpr lab::LinkSettings narrow{.delay = 30ms, .rate = 50'000'000};
constexpr lab::LinkSettings wide{.delay = 30ms};

Client start_in_lab(Beds& beds, const lab::LinkSettings& link, Program program, const Options& options) {
  beds.lab().set_link(link);
  return start_client(beds.lab(), program, options);
}

Scenario bulk_in_lab(Way way) {
  return {.name = way == Way::from_device ? "lab-bulk-up" : "lab-bulk-down",
          .figures = {{.what = "bulk " + arrow(way) + ", 50 Mbit/s, RTT 60 ms", .unit = "MB/s"},
                      {.what = "bulk " + arrow(way) + ", 50 Mbit/s, RTT 60 ms: client CPU", .unit = "s/GB"}},
          .measure = [way](Program program, const Options& options, Beds& beds) {
            return bulk(start_in_lab(beds, narrow, program, options), way,
                        options.size_mb * std::uint64_t{1'000'000} / 8);
          }};
}

Scenario beside_in_lab(Way way) {
  const std::string beside = "echo beside bulk " + arrow(way) + ", 50 Mbit/s, RTT 60 ms";
  Scenario scenario{.name = way == Way::from_device ? "lab-echo-beside-up" : "lab-echo-beside-down",
                    .figures = {{.what = beside + ", p50", .unit = "ms"},
                                {.what = beside + ", p99", .unit = "ms"},
                                {.what = "bulk " + arrow(way) + " beside echo, 50 Mbit/s", .unit = "MB/s"}},
                    .measure = [way](Program program, const Options& options, Beds& beds) {
                      return echoes_beside_bulk(start_in_lab(beds, narrow, program, options), way, 50);
                    }};
  if (way == Way::from_device) {
    scenario.figures[0].wanted = Wanted{ratio_at_most, 0.5};
  }
  return scenario;
}

Scenario echo_in_lab(const std::string& name, const std::string& what, unsigned connections) {
  return {
      .name = name,
      .figures = {{.what = what + ", RTT 60 ms, p50", .unit = "ms"}, {.what = what + ", RTT 60 ms, p99", .unit = "ms"}},
      .measure = [connections](Program program, const Options& options, Beds& beds) {
        return echoes(start_in_lab(beds, wide, program, options), connections, 50);
      }};
}

/// One of the faults of bench_recovery, on a site of its own.
double fault(const std::string& name, Program program, const Options& options,
             const std::vector<std::string>& more = {}) {
  const auto& all = lab::all_faults();
  const auto found = std::find_if(all.begin(), all.end(), [&](const lab::Fault& each) { return each.name == name; });
  const auto kind = lab::subject_kind(name_of(program), options.holdfast);
  lab::Site site(found->options, kind.value());
  site.subject.settings().more = more;
  const lab::Result result = found->run(site, {.full = true});
  if (!result.value) {
    throw std::runtime_error(name + ": not within the limit; " + result.remark + "\n" + site.subject.log());
  }
  return *result.value;
}

/// Five keepalive intervals, which in economy are one round of it.
Scenario idle_bytes() {
  return {
      .name = "lab-idle-bytes",
      .figures = {{.what = "idle at 60 x 3, at the IP level", .unit = "bytes/h", .wanted = Wanted{ratio_at_most, 1.0}},
                  {.what = "the same, holdfast with `economy: yes`",
                   .unit = "bytes/h",
                   .wanted = Wanted{ratio_at_most, 0.6}}},
      .measure =
          [](Program program, const Options& options, Beds&) {
            if (program != Program::holdfast) {
              const double bytes = fault("idle-bytes", program, options);
              return Scenario::Values{bytes, bytes};
            }
            auto economy = std::async(std::launch::async, [&options] {
              return fault("idle-bytes", Program::holdfast, options, {"economy: yes"});
            });
            const double normal = fault("idle-bytes", Program::holdfast, options);
            return Scenario::Values{normal, economy.get()};
          },
      .most_runs = 1,
      .both_at_once = true};
}

}  // namespace

std::vector<Scenario> lab_scenarios() {
  Scenario four = echo_in_lab("lab-echo-four", "echo, four connections at once", 4);
  four.figures[0].wanted = Wanted{ratio_at_most, 0.55};
  return {
      bulk_in_lab(Way::from_device),
      bulk_in_lab(Way::to_device),
      beside_in_lab(Way::from_device),
      beside_in_lab(Way::to_device),
      echo_in_lab("lab-echo-alone", "echo alone", 1),
      four,
      {.name = "lab-first-answer",
       .figures = {{.what = "start to first answer, RTT 300 ms", .unit = "s", .wanted = Wanted{ratio_at_most, 0.65}}},
       .measure = [](Program program, const Options& options,
                     Beds&) { return Scenario::Values{fault("cold-start-300", program, options)}; }},
      idle_bytes()};
}

}  // namespace holdfast::bench
