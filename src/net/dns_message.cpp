#include "net/dns_message.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

namespace holdfast::net {
namespace {

namespace ip = boost::asio::ip;
using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t header_size = 12;
constexpr std::size_t longest_label = 63;
constexpr std::size_t longest_name = 253;
constexpr std::size_t most_addresses = 16;
constexpr std::size_t most_servers = 3;  // MAXNS
constexpr std::size_t most_domains = 6;
constexpr unsigned internet = 1;

unsigned word_at(Bytes bytes, std::size_t at) {
  return at + 2 <= bytes.size() ? bytes[at] * 256U + bytes[at + 1] : 0U;
}

void put_word(std::vector<std::uint8_t>& into, unsigned value) {
  into.push_back(static_cast<std::uint8_t>(value >> 8U));
  into.push_back(static_cast<std::uint8_t>(value));
}

/// Behind a name, which a pointer may end (RFC 1035, 4.1.4). None if it does not end.
std::optional<std::size_t> behind_name(Bytes message, std::size_t at) {
  while (at < message.size()) {
    const unsigned length = message[at];
    if (length == 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > longest_label) return std::nullopt;
    at += 1U + length;
  }
  return std::nullopt;
}

bool same_letter(std::uint8_t one, std::uint8_t other) {
  return std::tolower(one) == std::tolower(other);
}

std::string_view next_word(std::string_view& line) {
  constexpr std::string_view blanks = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(blanks));
  line.remove_prefix(word.size());
  return word;
}

std::string_view next_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line.substr(0, line.find_first_of("#;"));
}

bool same_name(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(), [](char left, char right) {
    return same_letter(static_cast<std::uint8_t>(left), static_cast<std::uint8_t>(right));
  });
}

}  // namespace

std::vector<std::uint8_t> dns_question(std::uint16_t id, std::string_view name, DnsType type) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > longest_name) return {};
  std::vector<std::uint8_t> question;
  put_word(question, id);
  put_word(question, 0x0100);  // recursion desired
  for (const unsigned count : {1U, 0U, 0U, 0U}) put_word(question, count);
  while (true) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.empty() || label.size() > longest_label) return {};
    question.push_back(static_cast<std::uint8_t>(label.size()));
    question.insert(question.end(), label.begin(), label.end());
    if (label.size() == name.size()) break;
    name.remove_prefix(label.size() + 1);
  }
  question.push_back(0);
  put_word(question, static_cast<unsigned>(type));
  put_word(question, internet);
  return question;
}

std::optional<DnsAnswer> parse_dns_answer(Bytes message, std::uint16_t id, std::string_view name, DnsType type) {
  const bool is_answer = message.size() >= header_size && word_at(message, 0) == id && (message[2] & 0xf8U) == 0x80;
  if (!is_answer) return std::nullopt;
  DnsAnswer answer;
  answer.code = message[3] & 0x0fU;
  answer.truncated = (message[2] & 0x02U) != 0;
  std::size_t at = header_size;
  const unsigned questions = word_at(message, 4);
  if (questions == 0 && answer.code != 0) return answer;  // some leave it out where they refuse
  const std::vector<std::uint8_t> asked = dns_question(id, name, type);
  if (questions != 1 || asked.size() <= header_size || message.size() < asked.size()) return std::nullopt;
  const bool the_same =
      std::equal(asked.begin() + header_size, asked.end(), message.begin() + header_size, same_letter);
  if (!the_same) return std::nullopt;
  at = asked.size();
  for (unsigned left = word_at(message, 6); left > 0 && answer.addresses.size() < most_addresses; --left) {
    constexpr std::size_t fixed = 10;  // type, class, TTL and length
    const auto record = behind_name(message, at);
    if (!record || *record + fixed > message.size()) break;
    const std::size_t length = word_at(message, *record + 8);
    const std::size_t data = *record + fixed;
    if (data + length > message.size()) break;
    at = data + length;
    if (word_at(message, *record) != static_cast<unsigned>(type) || word_at(message, *record + 2) != internet) continue;
    ip::address_v4::bytes_type v4{};
    ip::address_v6::bytes_type v6{};
    const auto* from = message.data() + data;
    if (type == DnsType::a && length == v4.size()) {
      std::copy_n(from, v4.size(), v4.begin());
      answer.addresses.emplace_back(ip::address_v4{v4});
    } else if (type == DnsType::aaaa && length == v6.size()) {
      std::copy_n(from, v6.size(), v6.begin());
      answer.addresses.emplace_back(ip::address_v6{v6});
    }
  }
  return answer;
}

std::string dns_code_text(unsigned code) {
  constexpr std::array<const char*, 6> names{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};
  return code < names.size() ? names.at(code) : "code " + std::to_string(code);
}

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf conf;
  while (!text.empty()) {
    std::string_view line = next_line(text);
    const std::string_view key = next_word(line);
    if (key == "nameserver" && conf.servers.size() < most_servers) {
      boost::system::error_code error;
      const auto address = ip::make_address(std::string{next_word(line)}, error);
      if (!error) conf.servers.push_back(address);
    } else if (key == "search" || key == "domain") {
      conf.search.clear();  // the last such line counts
      for (std::string_view word = next_word(line); !word.empty() && conf.search.size() < most_domains;
           word = next_word(line)) {
        conf.search.emplace_back(word);
      }
    }
  }
  return conf;
}

bool hosts_name(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    std::string_view line = next_line(text);
    next_word(line);  // the address
    for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
      if (same_name(word, name)) return true;
    }
  }
  return false;
}

}  // namespace holdfast::net
