#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "lab/atlas/atlas.hpp"
#include "support/net.hpp"
#include "support/process.hpp"
#include "support/targets.hpp"
#include "support/temp_dir.hpp"

/// Relays, and what stands in their place, for the faults that only a session meets.
namespace holdfast::lab {

inline SiteOptions with(RelayOptions relay) {
  SiteOptions options;
  options.relay = std::move(relay);
  return options;
}

inline RelayOptions configured(std::vector<std::string> config) {
  RelayOptions relay;
  relay.config = std::move(config);
  return relay;
}

inline test::Conversation silent() {
  return [](test::Socket& socket) { socket.receive_all(); };
}

/// A key pair beside the others of this test; the private one's path.
inline std::string new_key(const test::TempDir& dir, const std::string& name, const std::string& type = "ed25519") {
  test::run_checked({.argv = {"ssh-keygen", "-q", "-t", type, "-N", "", "-C", "", "-f", dir / name}});
  return dir / name;
}

inline bool mentions(const SeenLayer& layer, const std::string& text) {
  return layer.measured.find(text) != std::string::npos ||
         std::any_of(layer.evidence.begin(), layer.evidence.end(),
                     [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

}  // namespace holdfast::lab
