#include <linux/netlink.h>

#include <algorithm>
#include <cstring>

#include "fuzz/fuzz.hpp"
#include "net/interfaces.hpp"
#include "net/network_snapshot.hpp"

namespace {

using namespace holdfast::net;
using holdfast::fuzz::promise;

/// Datagrams, each behind a byte of its size in words.
void run(std::string_view input) {
  NetworkSnapshot snapshot;
  Interfaces interfaces;
  while (!input.empty()) {
    const std::size_t words = holdfast::fuzz::take_byte(input);
    const std::size_t size = std::min(words * 4 + 3, input.size());
    std::vector<std::byte> datagram(size);  // a copy is aligned
    if (size > 0) std::memcpy(datagram.data(), input.data(), size);
    input.remove_prefix(size);

    const NetworkSnapshot before = snapshot;
    bool changed = false;
    std::size_t sum = 0;
    for (const nlmsghdr* message : messages_of(datagram)) {
      changed = snapshot.fold(*message) || changed;
      interfaces.take(*message);
      sum += message->nlmsg_len;
    }
    promise(sum <= size, "no message is longer than what came");
    promise(changed || snapshot == before, "what changes is told");

    for (const auto& link : interfaces.links()) {
      promise(holdfast::fuzz::is_harmless_line(link.name + link.kind), "a link's name and kind can be shown");
      promise(!link.way_out || !link.loopback, "nothing leaves by the loopback");
    }
    for (const auto& address : interfaces.addresses()) promise(!address.address.empty(), "an address has a text");

    const NetworkChange change = compare(before, snapshot);
    promise(holdfast::fuzz::is_harmless_line(change.what) && change.what.size() < 2000,
            "a change is a line of the log");
    promise(change.what.empty() == (!change.gained && change.gone.empty()), "a change has words");
    const NetworkChange none = compare(snapshot, snapshot);
    promise(!none.gained && none.gone.empty() && none.what.empty(), "what is the same has not changed");
  }
}

const holdfast::fuzz::Harness harness("netlink", run);

}  // namespace
