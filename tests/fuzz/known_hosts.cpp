#include "ssh/known_hosts.hpp"

#include <algorithm>
#include <cctype>

#include "fuzz/fuzz.hpp"

namespace {

using namespace holdfast::ssh;
using holdfast::fuzz::promise;
using holdfast::fuzz::take_line;

/// Nothing that a line of known_hosts takes for more than itself.
bool is_plain(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '.' || letter == '-' || letter == '+' || letter == '/' ||
           letter == '=';
  });
}

/// The port, and a line each of the host, the key's type and its base64; behind them the file.
void run(std::string_view input) {
  const auto port = static_cast<std::uint16_t>(holdfast::fuzz::take_byte(input));
  const std::string host{take_line(input)};
  const std::string type{take_line(input)};
  const holdfast::PublicKey key{type, std::string{take_line(input)}};
  const std::string file{input};

  const Judgement judgement = judge_host_key(file, host, port, key);
  const auto lines = std::count(file.begin(), file.end(), '\n') + 1;
  promise((judgement.line == 0) == (judgement.verdict == HostKeyVerdict::unknown), "what is known stands in a line");
  promise(judgement.line >= 0 && judgement.line <= lines, "the line that decides is one of the file's");

  std::vector<std::string> types = known_key_types(file, host, port);
  std::sort(types.begin(), types.end());
  promise(std::adjacent_find(types.begin(), types.end()) == types.end(), "a type is told once");

  if (!is_plain(host) || !is_plain(key.type) || !is_plain(key.base64)) return;
  const std::string line = known_hosts_name(host, port) + " " + key.type + " " + key.base64 + "\n";
  const HostKeyVerdict remembered = judge_host_key(line + file, host, port, key).verdict;
  const bool revoked = judgement.verdict == HostKeyVerdict::revoked;
  promise(remembered == (revoked ? HostKeyVerdict::revoked : HostKeyVerdict::known), "a key that was added is known");
  promise(judge_host_key("@revoked " + line + file, host, port, key).verdict == HostKeyVerdict::revoked,
          "a key that is revoked is not good, whatever else is there");
}

const holdfast::fuzz::Harness harness("known_hosts", run);

}  // namespace
