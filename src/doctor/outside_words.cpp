#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "doctor/outside.hpp"

namespace holdfast::doctor {
namespace {

/// MARK, PORT and HEX, which is the port in hexadecimal, are replaced.
constexpr std::string_view script = R"sh(m='MARK' p=PORT
echo "${m}user $(id -un)"
if [ -r /proc/net/tcp ]; then
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r n l r s a b c u x; do
    case $l$s in *:HEX0A)
      name=$(getent passwd "$u" 2>/dev/null)
      name=${name%%:*}
      echo "${m}listens ${l%:*} ${name:-$u}"
    esac
  done
  echo "${m}listed"
fi
for f in "${HOME:-}"/.holdfast/$p@*; do
  [ -f "$f" ] && [ -r "$f" ] && echo "${m}lease $(dd if="$f" bs=256 count=1 2>/dev/null)"
done
echo "${m}done"
)sh";

void replace(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

}  // namespace

std::string outside_script(std::uint16_t port) {
  std::array<char, 8> hexadecimal{};
  std::snprintf(hexadecimal.data(), hexadecimal.size(), "%04X", port);
  std::string text{script};
  replace(text, "HEX", hexadecimal.data());
  replace(text, "PORT", std::to_string(port));
  replace(text, "MARK", outside_mark);
  return text;
}

std::string address_of_proc(const std::string& hexadecimal) {
  std::array<std::uint32_t, 4> words{};
  const std::size_t count = hexadecimal.size() / 8;
  if (hexadecimal.size() % 8 != 0 || (count != 1 && count != 4)) return {};
  for (std::size_t at = 0; at < count; ++at) {
    const char* begin = hexadecimal.data() + at * 8;
    const auto parsed = std::from_chars(begin, begin + 8, words.at(at), 16);  // each as the relay's processor has it
    if (parsed.ec != std::errc{} || parsed.ptr != begin + 8) return {};
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(count == 1 ? AF_INET : AF_INET6, words.data(), text.data(), text.size());
  return text.data();
}

SeenAtRelay read_outside(const std::string& output) {
  SeenAtRelay seen;
  std::istringstream lines{output};
  for (std::string line; std::getline(lines, line);) {
    const auto mark = line.find(outside_mark);
    if (mark == std::string::npos) continue;
    std::istringstream words{line.substr(mark + outside_mark.size())};
    std::string what;
    words >> what;
    if (what == "user") words >> seen.user;
    if (what == "listed") seen.listed = true;
    if (what == "done") seen.ran = true;
    if (what == "listens") {
      SeenAtRelay::Listener listener;
      std::string address;
      words >> address >> listener.user;
      listener.address = address_of_proc(address);
      if (!listener.address.empty()) seen.listeners.push_back(std::move(listener));
    }
    if (what == "lease") {  // "1 BOOT BORN [RUN SILENCE] DEVICE ."
      std::vector<std::string> record;
      for (std::string word; words >> word;) record.push_back(word);
      if (record.size() >= 5 && record.back() == ".") seen.devices.push_back(record[record.size() - 2]);
    }
  }
  return seen;
}

}  // namespace holdfast::doctor
