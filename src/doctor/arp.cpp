#include "doctor/arp.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address_v4.hpp>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/time.hpp"
#include "net/network_watcher.hpp"
#include "net/owned_descriptor.hpp"
#include "net/routing.hpp"

namespace holdfast::doctor {
namespace {

using namespace std::chrono_literals;

using HardwareAddress = std::array<std::uint8_t, ETH_ALEN>;

constexpr std::size_t most_addresses = 8;
constexpr int most_answers = 8;  ///< at once
/// One may be lost, or meet a radio that sleeps.
constexpr std::array questions{0ms, 200ms, 400ms};
constexpr Duration patience = 700ms;

struct Card {
  int index = 0;
  HardwareAddress address{};
};

/// By name, those that ask by ARP.
std::map<std::string, Card> cards() {
  std::map<std::string, Card> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_PACKET) continue;
    sockaddr_ll link{};
    std::memcpy(&link, each->ifa_addr, sizeof link);
    if (link.sll_hatype != ARPHRD_ETHER || link.sll_halen != ETH_ALEN || (each->ifa_flags & IFF_NOARP) != 0) continue;
    Card& card = found[each->ifa_name];
    card.index = link.sll_ifindex;
    std::copy_n(std::begin(link.sll_addr), ETH_ALEN, card.address.begin());
  }
  return found;
}

std::string text_of(const HardwareAddress& address) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : address) {
    if (!text.empty()) text += ':';
    text += digits[byte >> 4U];
    text += digits[byte & 0xfU];
  }
  return text;
}

/// Who says that he has this address?
class Probe {
 public:
  Probe(const Card& card, const boost::asio::ip::address_v4& address)
      : card_(card), wanted_(address.to_bytes()), socket_(open(card.index)) {}

  int descriptor() const { return socket_.get(); }

  /// From nobody, so that none who hears it writes it down.
  void ask() const {
    ether_arp question{};
    question.ea_hdr.ar_hrd = htons(ARPHRD_ETHER);
    question.ea_hdr.ar_pro = htons(ETHERTYPE_IP);
    question.ea_hdr.ar_hln = ETH_ALEN;
    question.ea_hdr.ar_pln = sizeof question.arp_tpa;
    question.ea_hdr.ar_op = htons(ARPOP_REQUEST);
    std::copy(card_.address.begin(), card_.address.end(), std::begin(question.arp_sha));
    std::copy(wanted_.begin(), wanted_.end(), std::begin(question.arp_tpa));
    sockaddr_ll everybody = on(card_.index);
    everybody.sll_halen = ETH_ALEN;
    std::fill_n(std::begin(everybody.sll_addr), ETH_ALEN, std::uint8_t{0xff});
    static_cast<void>(::sendto(socket_.get(), &question, sizeof question, MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&everybody), sizeof everybody));
  }

  /// The next one who has the address, by what has come.
  std::optional<HardwareAddress> answer() const {
    ether_arp heard{};
    while (::recv(socket_.get(), &heard, sizeof heard, MSG_DONTWAIT) == sizeof heard) {
      const bool ethernet = heard.ea_hdr.ar_pro == htons(ETHERTYPE_IP) && heard.ea_hdr.ar_hln == ETH_ALEN &&
                            heard.ea_hdr.ar_pln == sizeof heard.arp_spa;
      if (!ethernet || !std::equal(wanted_.begin(), wanted_.end(), std::begin(heard.arp_spa))) continue;
      HardwareAddress who{};
      std::copy_n(std::begin(heard.arp_sha), who.size(), who.begin());
      return who;
    }
    return std::nullopt;
  }

 private:
  static sockaddr_ll on(int index) {
    sockaddr_ll link{};
    link.sll_family = AF_PACKET;
    link.sll_protocol = htons(ETH_P_ARP);
    link.sll_ifindex = index;
    return link;
  }

  static net::Descriptor open(int index) {
    net::Descriptor socket{::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const sockaddr_ll here = on(index);
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0)
      return net::Descriptor{};
    return socket;
  }

  Card card_;
  boost::asio::ip::address_v4::bytes_type wanted_;
  net::Descriptor socket_;
};

/// Not this machine itself by another card, and not one that is known here by another address: many a modem answers
/// for everybody.
bool is_another(const HardwareAddress& who, const AddressFindings::Address& address,
                const std::map<std::string, Card>& ours) {
  const bool own = std::any_of(ours.begin(), ours.end(), [&](const auto& card) { return card.second.address == who; });
  if (own) return false;
  const std::vector<net::Neighbour> known = net::neighbours();
  return std::none_of(known.begin(), known.end(), [&](const net::Neighbour& entry) {
    return entry.link_address == text_of(who) && entry.address.to_string() != address.address;
  });
}

}  // namespace

void find_duplicates(AddressFindings& found) {
  struct Asked {
    AddressFindings::Address& address;
    Probe probe;
  };
  const std::map<std::string, Card> ours = cards();
  std::list<Asked> all;
  for (AddressFindings::Address& each : found.addresses) {
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address_v4(each.address, error);
    const auto card = ours.find(each.interface);
    if (error || card == ours.end() || each.link_local || !each.way_out || all.size() == most_addresses) continue;
    all.push_back({each, Probe{card->second, address}});
    if (all.back().probe.descriptor() < 0) return;
  }
  const TimePoint began = Clock::now();
  std::size_t asked = 0;
  for (TimePoint now = began; !all.empty() && now < began + patience; now = Clock::now()) {
    if (asked < questions.size() && now >= began + questions.at(asked)) {
      ++asked;
      for (const Asked& each : all) each.probe.ask();
    }
    std::vector<pollfd> ready;
    for (const Asked& each : all) ready.push_back({each.probe.descriptor(), POLLIN, 0});
    const TimePoint next = asked < questions.size() ? began + Duration{questions.at(asked)} : began + patience;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::max(next - now, Duration::zero()));
    ::poll(ready.data(), ready.size(), static_cast<int>(wait.count()));
    for (const Asked& each : all) {
      for (int most = 0; most < most_answers && !each.address.duplicate; ++most) {
        const auto who = each.probe.answer();
        if (!who) break;
        each.address.duplicate = is_another(*who, each.address, ours);
      }
    }
    all.remove_if([](const Asked& each) { return each.address.duplicate; });
  }
}

}  // namespace holdfast::doctor
