#include "net/dns_message.hpp"

#include <algorithm>
#include <vector>

#include "fuzz/fuzz.hpp"

namespace {

using namespace holdfast::net;
using holdfast::fuzz::promise;

/// Behind a byte that chooses: an answer to a question, or one of the files.
void run(std::string_view input) {
  const unsigned choice = holdfast::fuzz::take_byte(input);
  if (choice % 4 == 0) {
    const ResolvConf conf = parse_resolv_conf(input);
    promise(conf.servers.size() <= 3 && conf.search.size() <= 6, "what glibc reads at most");
    return;
  }
  if (choice % 4 == 1) {
    const std::string name{holdfast::fuzz::take_line(input)};
    const bool known = hosts_name(input, name);
    promise(!known || input.size() > name.size(), "a name that is known stands in the text");
    return;
  }
  const DnsType type = choice % 4 == 2 ? DnsType::a : DnsType::aaaa;
  const std::vector<std::uint8_t> message(input.begin(), input.end());
  const std::uint16_t id = message.size() < 2 ? 0 : static_cast<std::uint16_t>(message[0] * 256 + message[1]);
  if (const auto answer = parse_dns_answer(message, id, "relay.lab", type)) {
    promise(answer->addresses.size() <= 16, "an answer is bounded");
    promise(std::all_of(answer->addresses.begin(), answer->addresses.end(),
                        [&](const auto& address) { return address.is_v4() == (type == DnsType::a); }),
            "addresses are of the type that was asked for");
  }
  const std::vector<std::uint8_t> question = dns_question(id, input, type);
  promise(question.size() <= 12 + 255 + 4, "a question is no longer than a name may be");
  promise(!parse_dns_answer(question, id, input, type), "a question is no answer");
}

const holdfast::fuzz::Harness harness("dns_message", run);

}  // namespace
