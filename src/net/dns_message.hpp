#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// DNS as far as a question to one server needs it (RFC 1035), and the files that say whom to ask. Pure.
namespace holdfast::net {

enum class DnsType : std::uint16_t { a = 1, aaaa = 28 };

/// Empty if the name is none that can be asked for.
std::vector<std::uint8_t> dns_question(std::uint16_t id, std::string_view name, DnsType type);

struct DnsAnswer {
  unsigned code = 0;  ///< RCODE
  bool truncated = false;
  std::vector<boost::asio::ip::address> addresses;  ///< of the type that was asked for
};
/// None for what does not answer this question.
std::optional<DnsAnswer> parse_dns_answer(std::span<const std::uint8_t> message, std::uint16_t id,
                                          std::string_view name, DnsType type);
/// "SERVFAIL", "NXDOMAIN", "code 11"
std::string dns_code_text(unsigned code);
constexpr unsigned dns_servfail = 2;
constexpr unsigned dns_nxdomain = 3;
constexpr unsigned dns_refused = 5;

/// resolv.conf(5)
struct ResolvConf {
  std::vector<boost::asio::ip::address> servers;  ///< those that glibc asks: the first three
  std::vector<std::string> search;
};
ResolvConf parse_resolv_conf(std::string_view text);

/// Does hosts(5) know this name?
bool hosts_name(std::string_view text, std::string_view name);

}  // namespace holdfast::net
