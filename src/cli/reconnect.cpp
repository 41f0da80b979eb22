#include <array>
#include <cctype>
#include <cstdio>
#include <iostream>

#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "status/json.hpp"

namespace holdfast::cli {
namespace {

/// RFC 3986, 2.3: all but the unreserved characters.
std::string percent_encoded(const std::string& text) {
  std::string encoded;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (std::isalnum(byte) != 0 || letter == '-' || letter == '.' || letter == '_' || letter == '~') {
      encoded += letter;
    } else {
      std::array<char, 4> escape{};
      std::snprintf(escape.data(), escape.size(), "%%%02X", static_cast<unsigned>(byte));
      encoded += escape.data();
    }
  }
  return encoded;
}

}  // namespace

int reconnect(const Options& options) {
  const std::string target = "/v1/tunnels/" + percent_encoded(options.tunnel) + "/reconnect";
  const bool either = options.only.empty() && !options.socket;  // that process of one tunnel, or that of all
  Options first = options;
  if (either) first.only = options.tunnel;
  auto response = command(first, target);
  if (!response && either && !response.error().denied) response = command(options, target);
  if (!response) return complain(response.error().exit_status, response.error().text);
  if (response->status != 202) return complain(failed, "not reconnected: " + status::error_text(response->body));
  std::cout << options.tunnel << " is reconnecting; see 'holdfast status'\n";
  return done;
}

}  // namespace holdfast::cli
