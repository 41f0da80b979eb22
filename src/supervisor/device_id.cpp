#include "supervisor/device_id.hpp"

#include <unistd.h>

#include <array>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string_view>
#include <system_error>

#include "net/state_file.hpp"
#include "ssh/identity.hpp"
#include "supervisor/kept_name.hpp"
#include "worker/worker.hpp"

namespace holdfast::supervisor {
namespace {

constexpr std::size_t most_of_the_host_name = 48;
constexpr std::string_view no_board = "-";

/// FNV-1a, 32 bits: spreads, hides nothing that 32 of 128 bits could tell. Names that are kept hang on it.
std::uint32_t hash(std::string_view text) {
  std::uint32_t value = 2166136261U;
  for (const char letter : text) value = (value ^ static_cast<unsigned char>(letter)) * 16777619U;
  return value;
}

std::string digits(std::uint32_t value) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", value);
  return text.data();
}

std::string first_word_of(const char* file) {
  std::string word;
  std::ifstream{file} >> word;
  return word.substr(0, word.find('\0'));  // the device tree ends its texts with one
}

std::string new_name(const DeviceTraits& traits, std::uint32_t random) {
  std::string name = traits.host_name.substr(0, most_of_the_host_name);
  for (char& letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0 && letter != '.' && letter != '-') letter = '_';
  }
  const std::string lasting = traits.machine_id + traits.board_serial;
  return (name.empty() ? "device" : name) + "-" + digits(lasting.empty() ? random : hash(lasting));
}

/// Empty if no file holds the key, or the disk does not answer.
std::string name_by_key(const TunnelSpec& spec) {
  Worker worker{1};
  const auto key =
      within(worker, std::chrono::seconds{1}, [spec] { return ssh::login_key(spec); }).value_or(std::nullopt);
  return key ? "key-" + digits(hash(*key)) : "";
}

std::string board_of(const DeviceTraits& traits) {
  return traits.board_serial.empty() ? std::string{no_board} : digits(hash(traits.board_serial));
}

}  // namespace

DeviceTraits DeviceTraits::of_this_machine() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::string machine = first_word_of("/etc/machine-id");
  if (machine == "uninitialized") machine.clear();  // machine-id(5): an image before its first boot
  return {host.data(), first_word_of("/sys/firmware/devicetree/base/serial-number"), machine};
}

DeviceId::DeviceId(const std::string& file, const DeviceTraits& traits, std::uint32_t random,
                   const std::function<void(const std::string&)>& say)
    : name_(new_name(traits, random)) {
  const auto text = net::read_file(file);
  const auto kept = text ? parse_kept_name(*text) : std::nullopt;
  kept_before_ = kept_ = kept && kept->board == board_of(traits);
  if (kept_) {
    name_ = kept->name;
    return;
  }
  if (text && !kept) say("the device's name in " + file + " is damaged, or not holdfast's: it is made anew");
  const int error = net::replace_file_soon(file, format_kept_name({name_, board_of(traits)}));
  // Another process of this device may have kept it at the same moment.
  const auto now = net::read_file(file);
  const auto ours = now ? parse_kept_name(*now) : std::nullopt;
  kept_ = ours && ours->board == board_of(traits);
  if (kept_) name_ = ours->name;
  if (!kept_) {
    say("the device's name can't be kept in " + file + ": " + std::generic_category().message(error) +
        "; its login key names it, unless device_id does");
  }
}

DeviceNames DeviceId::of(const TunnelSpec& spec) const {
  if (!spec.device_id.empty()) return {spec.device_id, ""};
  if (kept_) return {name_, kept_before_ ? "" : name_by_key(spec)};
  const std::string by_key = name_by_key(spec);
  return {by_key.empty() ? name_ : by_key, ""};
}

}  // namespace holdfast::supervisor
