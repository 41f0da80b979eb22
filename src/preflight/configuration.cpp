#include "preflight/configuration.hpp"

#include "ssh/ciphers.hpp"
#include "ssh/libssh.hpp"
#include "ssh/options.hpp"

namespace holdfast::preflight {

tl::expected<config::Loaded, config::Problems> load_configuration(const std::string& path, const config::Files& files) {
  auto loaded = config::load(path, files);
  if (!loaded) return loaded;
  config::Problems problems;
  for (const TunnelSpec& tunnel : loaded->config.tunnels) {
    if (const auto failure = ssh::try_algorithms(tunnel)) {
      problems.push_back(loaded->problem_with(tunnel.name, failure->subject, 0, failure->detail));
    }
  }
  if (!problems.empty()) return tl::unexpected(std::move(problems));
  return loaded;
}

std::vector<std::string> warnings(const config::Loaded& loaded) {
  std::vector<std::string> lines;
  for (const config::Problem& warning : loaded.warnings) lines.push_back(to_string(warning));
  if (const std::string of_libssh = ssh::report(ssh::running_libssh()).warning; !of_libssh.empty()) {
    lines.push_back(of_libssh);
  }
  for (std::string& line : ssh::cipher_warnings(loaded.config.tunnels)) lines.push_back(std::move(line));
  return lines;
}

}  // namespace holdfast::preflight
