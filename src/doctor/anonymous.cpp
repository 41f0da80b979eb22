#include "doctor/anonymous.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cctype>
#include <cstdio>
#include <functional>

#include "holdfast/words.hpp"

namespace holdfast::doctor {
namespace {

constexpr std::array means_nobody{"root",  "tunnel",    "holdfast",  "_holdfast", "nobody", "pi",
                                  "admin", "localhost", "127.0.0.1", "::1",       "relay",  ""};

bool is_word(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' || letter == '-';
}

/// The last two bytes of a hardware address that stands for another: "00:1f".
std::string last_two_bytes(unsigned number) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x", number >> 8U & 0xffU, number & 0xffU);
  return text.data();
}

/// In front of the number: the same kind of address. Empty: it is nobody's.
std::string kind_of(const boost::asio::ip::address& address) {
  if (address.is_loopback() || address.is_unspecified() || address.is_multicast()) return {};
  if (address.is_v4()) {
    const auto value = address.to_v4().to_uint();
    if (value >> 24U == 10 || value >> 20U == 0xac1 || value >> 16U == 0xc0a8) return "10.0.0.";
    if (value >> 22U == 0x64400000U >> 22U) return "100.64.0.";
    if (value >> 16U == 0xa9fe) return "169.254.0.";
    if (value >> 24U == 0 || value >> 24U == 255) return {};
    return "192.0.2.";
  }
  const auto bytes = address.to_v6().to_bytes();
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80) return "fe80::";
  if ((bytes[0] & 0xfeU) == 0xfc) return "fd00::";
  return "2001:db8::";
}

}  // namespace

Anonymous::Anonymous(const std::vector<Name>& names) {
  for (const Name& each : names) {
    if (std::find(means_nobody.begin(), means_nobody.end(), each.name) != means_nobody.end()) continue;
    boost::system::error_code error;
    boost::asio::ip::make_address(each.name, error);
    if (!error || names_.contains(each.name)) continue;  // addresses are found by themselves
    names_[each.name] = each.kind + "-" + std::to_string(++counts_[each.kind]);
  }
}

std::string Anonymous::operator()(std::string_view text) {
  // Fingerprints and keys, hardware addresses, IPv6; then IPv4, which may stand between ports ("4649:192.0.2.7:22").
  static const std::regex first{
      "SHA256:[A-Za-z0-9+/]{43}|MD5(:[0-9a-f]{2}){16}|AAAA[A-Za-z0-9+/]{40,}=*|"
      "\\b[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}\\b|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"};
  static const std::regex then{"[0-9]{1,3}(\\.[0-9]{1,3}){3}"};
  return replace_matches(replace_matches(replace_names(text), first), then);
}

std::string Anonymous::replace_matches(const std::string& text, const std::regex& pattern) {
  std::string out;
  auto rest = text.begin();
  for (std::sregex_iterator match{text.begin(), text.end(), pattern}, end; match != end; ++match) {
    out.append(rest, text.begin() + match->position());
    out += address(match->str());
    rest = text.begin() + match->position() + match->length();
  }
  return out.append(rest, text.end());
}

std::string Anonymous::replace_names(std::string_view text) const {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const bool begins = at == 0 || !is_word(text[at - 1]);
    const auto found = std::find_if(names_.begin(), names_.end(), [&](const auto& name) {
      if (!text.substr(at).starts_with(name.first)) return false;
      const std::size_t end = at + name.first.size();
      return end == text.size() || !is_word(text[end]);
    });
    if (begins && found != names_.end()) {
      out += found->second;
      at += found->first.size();
    } else {
      out += text[at++];
    }
  }
  return out;
}

std::string Anonymous::address(const std::string& literal) {
  std::string prefix;
  const bool fingerprint = literal.starts_with("SHA256:") || literal.starts_with("MD5:") || literal.starts_with("AAAA");
  const bool hardware = literal.size() == 17 && std::count(literal.begin(), literal.end(), ':') == 5 &&
                        literal.find('.') == std::string::npos && literal[2] == ':' && literal[14] == ':';
  if (fingerprint) {
    prefix = literal.starts_with("AAAA") ? "KEY-" : "SHA256:key-";
  } else if (hardware) {
    prefix = "02:00:00:00:";  // locally administered
  } else {
    boost::system::error_code error;
    const auto parsed = boost::asio::ip::make_address(literal, error);
    const bool ends_a_phrase = literal.ends_with(':') || literal.ends_with('.');  // "fd00::1: no route"
    if (error && ends_a_phrase) return address(literal.substr(0, literal.size() - 1)) + literal.back();
    if (error) return literal;  // a time of day, for instance
    prefix = kind_of(parsed);
    if (prefix.empty()) return literal;
  }
  const std::string key = hardware ? lower(literal) : literal;
  const auto [known, is_new] = seen_.try_emplace(key);
  if (is_new) {
    const unsigned number = ++counts_[prefix];
    known->second = prefix + (hardware ? last_two_bytes(number) : std::to_string(number));
  }
  return known->second;
}

}  // namespace holdfast::doctor
