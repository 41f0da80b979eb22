#include "lab/site.hpp"

#include <stdexcept>

namespace holdfast::lab {
namespace {

using namespace std::chrono_literals;

}  // namespace

Site::Site(const SiteOptions& options, const SubjectKind& kind)
    : lab(options.seed),
      relay(lab, options.relay),
      subject(lab, kind,
              TunnelSettings{.user = relay.user(),
                             .identity = relay.identity(),
                             .known_hosts = relay.known_hosts(),
                             .port = tunnel_port,
                             .target = target_port,
                             .server_alive_interval = options.server_alive_interval,
                             .server_alive_count_max = options.server_alive_count_max,
                             .more = options.holdfast}),
      probe(lab, tunnel_port, greeting) {
  lab.set_rtt(options.rtt);
  start_target();
}

void Site::start_target() {
  target.reset();
  const InNetwork here(lab.device());
  target.emplace(test::greet_then_echo(greeting), test::Listener::tcp(target_port));
}

void Site::establish() {
  subject.start();
  if (!probe.wait_for_answer(60s) || !probe.echoes(1000)) {
    throw std::runtime_error("no tunnel to begin with\n--- " + subject.name() + ":\n" + subject.log() +
                             "\n--- relay:\n" + relay.log());
  }
  probe.hang_up();
}

}  // namespace holdfast::lab
