#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::test {

/// Message numbers (RFC 4250, 4.1.2; RFC 8731 for the curve25519 exchange).
namespace msg {
inline constexpr std::uint8_t disconnect = 1;
inline constexpr std::uint8_t ignore = 2;
inline constexpr std::uint8_t unimplemented = 3;
inline constexpr std::uint8_t debug = 4;
inline constexpr std::uint8_t service_request = 5;
inline constexpr std::uint8_t service_accept = 6;
inline constexpr std::uint8_t kexinit = 20;
inline constexpr std::uint8_t newkeys = 21;
inline constexpr std::uint8_t kex_ecdh_init = 30;
inline constexpr std::uint8_t kex_ecdh_reply = 31;
inline constexpr std::uint8_t userauth_request = 50;
inline constexpr std::uint8_t userauth_failure = 51;
inline constexpr std::uint8_t userauth_success = 52;
inline constexpr std::uint8_t userauth_pk_ok = 60;
inline constexpr std::uint8_t global_request = 80;
inline constexpr std::uint8_t request_success = 81;
inline constexpr std::uint8_t request_failure = 82;
inline constexpr std::uint8_t channel_open = 90;
inline constexpr std::uint8_t channel_open_confirmation = 91;
inline constexpr std::uint8_t channel_open_failure = 92;
inline constexpr std::uint8_t channel_window_adjust = 93;
inline constexpr std::uint8_t channel_data = 94;
inline constexpr std::uint8_t channel_extended_data = 95;
inline constexpr std::uint8_t channel_eof = 96;
inline constexpr std::uint8_t channel_close = 97;
inline constexpr std::uint8_t channel_request = 98;
inline constexpr std::uint8_t channel_success = 99;
inline constexpr std::uint8_t channel_failure = 100;
}  // namespace msg

/// Puts RFC 4251's data types one behind the other.
class Writer {
 public:
  Writer() = default;
  explicit Writer(std::uint8_t message) { byte(message); }

  Writer& byte(std::uint8_t value);
  Writer& boolean(bool value) { return byte(value ? 1 : 0); }
  Writer& uint32(std::uint32_t value);
  Writer& string(std::string_view value);
  Writer& mpint(std::string_view magnitude);  ///< of a number that is not negative, most significant byte first
  Writer& raw(std::string_view bytes);

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// Takes them apart again. Throws std::runtime_error where there is too little.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t byte();
  bool boolean() { return byte() != 0; }
  std::uint32_t uint32();
  std::string_view string();
  std::string_view raw(std::size_t count);
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// The payload of a packet as it came.
struct Packet {
  std::string payload;

  std::uint8_t type() const { return static_cast<std::uint8_t>(payload.at(0)); }
  Reader body() const { return Reader(std::string_view(payload).substr(1)); }
};

/// "zlib,none" holds "none".
bool list_has(std::string_view names, std::string_view name);

}  // namespace holdfast::test
