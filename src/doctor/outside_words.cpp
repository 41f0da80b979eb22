#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include "doctor/outside.hpp"
#include "doctor/sshd_words.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/time.hpp"

namespace holdfast::doctor {
namespace {

/// MARK, PORT and HEX, which is the port in hexadecimal, are replaced. A lease's record counts only while the very sshd
/// that it names runs (src/relay/lease.sh). The sshd above us is asked how soon it lets go of a dead session of the
/// user that listens: as whoever this is, then as root if no password is asked for.
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
  ss -Hltnp "sport = :$p" 2>/dev/null | sed -n 's/^[^ ]* *[^ ]* *[^ ]* *\([^ ]*\):[0-9]* .*(("\([^"]*\)".*/\1 \2/p' |
    while read -r address program; do echo "${m}program $address $program"; done
  u=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$2 ~ /:HEX$/ && $4 == "0A" { print $8; exit }')
fi
if [ "${u:-}" ]; then
  name=$(getent passwd "$u" 2>/dev/null)
  name=${name%%:*}
SSHD
  sshd_says "${name:-$u}" | sed -n "s/^client/${m}sshd client/p"
  echo "${m}version $("$sshd" -V 2>&1 | grep -o 'OpenSSH_[^ ,]*' | head -n 1)"
  echo "${m}retries $(cat /proc/sys/net/ipv4/tcp_retries2 2>/dev/null)"
fi
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
for f in "${HOME:-}"/.holdfast/$p@*; do
  [ -f "$f" ] && [ -r "$f" ] || continue
  born=$(sed 's/.*) //' "/proc/${f##*@}/stat" 2>/dev/null | cut -d ' ' -f 20)
  t=$(dd if="$f" bs=256 count=1 2>/dev/null)
  case $t in "1 ${boot:-?} ${born:-?} "*) echo "${m}lease $t" ;; esac
done
echo "${m}done"
)sh";

void replace(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// Parses a few digits; none if it is anything else.
std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() && text.size() < 10;
  return good ? std::optional{value} : std::nullopt;
}

/// How long after a packet that nobody acknowledges Linux gives a connection up, at the latest: the time that
/// tcp_retries2 stands for (Documentation/networking/ip-sysctl.rst), and one more wait.
std::chrono::seconds given_up_after(unsigned retries) {
  constexpr double first = 0.2;
  constexpr double longest = 120;
  constexpr unsigned doubled = 9;  // then each is the longest
  const double sum = first * ((2U << std::min(retries, doubled)) - 1) +
                     longest * (std::min(retries, 255U) - std::min(retries, doubled));
  return std::chrono::ceil<std::chrono::seconds>(std::chrono::duration<double>{sum + longest});
}

struct Bound {
  std::chrono::seconds after{};
  std::string by{};
};

/// The lease's bound: the longest, if each record says one.
std::optional<Bound> bound_by_lease(const SeenAtRelay& seen) {
  const auto after = guard_of(seen);
  if (!after) return std::nullopt;
  return Bound{*after, "its lease ends it after " + to_text(*after) + " without a sign of life"};
}

std::optional<Bound> bound_by_sshd(const SeenAtRelay& seen) {
  if (seen.alive_interval.value_or(0) == 0 || seen.alive_count.value_or(0) == 0) return std::nullopt;
  const bool doubles = asks_at_twice_the_interval(seen.version);
  const std::chrono::seconds after{std::int64_t{*seen.alive_interval} * (*seen.alive_count + 1) * (doubles ? 2 : 1)};
  return Bound{after, "ClientAliveInterval " + std::to_string(*seen.alive_interval) + " and ClientAliveCountMax " +
                          std::to_string(*seen.alive_count) + (doubles ? ", and twice that in " + seen.version : "") +
                          "; a connection to it may add one interval"};
}

}  // namespace

std::optional<std::chrono::seconds> guard_of(const SeenAtRelay& seen) {
  if (seen.guards.empty() || *std::min_element(seen.guards.begin(), seen.guards.end()) == 0) return std::nullopt;
  const std::chrono::seconds longest{*std::max_element(seen.guards.begin(), seen.guards.end())};
  constexpr std::chrono::hours never{10'000};  // a device without heartbeats has no guard
  return longest > never ? std::nullopt : std::optional{longest};
}

std::string when_free(const SeenAtRelay& seen) {
  std::vector<Bound> bounds;
  if (auto lease = bound_by_lease(seen)) bounds.push_back(std::move(*lease));
  if (auto sshd = bound_by_sshd(seen)) bounds.push_back(std::move(*sshd));
  if (seen.tcp_retries)
    bounds.push_back({given_up_after(*seen.tcp_retries),
                      "the kernel gives up what this look had sent to it: "
                      "tcp_retries2 " +
                          std::to_string(*seen.tcp_retries)});
  const std::string unseen =
      seen.alive_interval ? ""
                          : "ClientAliveInterval x (ClientAliveCountMax + 1) unless either "
                            "is 0, twice that in OpenSSH 9.2 to 9.4: as root there, sshd -T | grep -i clientalive";
  if (bounds.empty())
    return "When the relay ends it can't be seen from here. " +
           (unseen.empty() ? "Its sshd asks no session for a sign of life: its kernel ends it."
                           : "Its sshd does after " + unseen + ".");
  const Bound& first = *std::min_element(
      bounds.begin(), bounds.end(), [](const Bound& left, const Bound& right) { return left.after < right.after; });
  return "If it is dead, the relay ends it within " + to_text(first.after) + " from now (" + first.by +
         (unseen.empty() ? ")." : "; sooner if sshd is set to: " + unseen + ").");
}

std::string outside_script(std::uint16_t port) {
  std::array<char, 8> hexadecimal{};
  std::snprintf(hexadecimal.data(), hexadecimal.size(), "%04X", port);
  std::string text{script};
  replace(text, "SSHD\n", sshd_says);
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
    if (what == "program") {
      SeenAtRelay::Program program;
      words >> program.address;
      std::getline(words >> std::ws, program.name);
      if (!program.name.empty()) seen.programs.push_back(std::move(program));
    }
    if (what == "lease") {  // "1 BOOT BORN [RUN SILENCE] DEVICE ."
      std::vector<std::string> record;
      for (std::string word; words >> word;) record.push_back(word);
      if (record.size() < 5 || record.back() != ".") continue;
      seen.devices.push_back(record[record.size() - 2]);
      seen.guards.push_back(record.size() == 7 ? number(record[4]).value_or(0) : 0);
    }
    if (what == "sshd") {
      std::string keyword;
      std::string value;
      words >> keyword >> value;
      if (keyword == "clientaliveinterval") seen.alive_interval = number(value);
      if (keyword == "clientalivecountmax") seen.alive_count = number(value);
    }
    if (what == "version") words >> seen.version;
    if (what == "retries") {
      std::string value;
      words >> value;
      seen.tcp_retries = number(value);
    }
  }
  return seen;
}

}  // namespace holdfast::doctor
