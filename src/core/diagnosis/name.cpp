#include "core/diagnosis/judges.hpp"

namespace holdfast::diagnosis {

Judgement judge(const NameFindings& found) {
  if (found.literal) return pass(Layer::name, found.name + " is an address");
  if (!found.found.empty()) return pass(Layer::name, found.name + " is " + listed(found.found));
  if (found.servers.empty()) return blame(Cause::nameserver_missing, found.error);
  for (const NameFindings::Server& server : found.servers) {
    if (server.said == NameFindings::Said::nothing) return blame(Cause::nameserver_silent, server.address);
    if (server.said == NameFindings::Said::refused) return blame(Cause::nameserver_refused, server.address);
  }
  return blame(Cause::name_not_found, found.name);
}

}  // namespace holdfast::diagnosis
