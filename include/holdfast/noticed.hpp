#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/happening.hpp"
#include "holdfast/listeners.hpp"
#include "holdfast/proof.hpp"

namespace holdfast {

/// What was noticed of one session's listeners and proofs, so that what is new is told, and not what goes on.
class Noticed {
 public:
  explicit Noticed(std::size_t count) : listeners_(count), proofs_(count) {}

  /// Each that came to be held, or to be refused for another reason than before. `server`: what the relay says it is.
  std::vector<Happening> listeners(const TunnelSpec& spec, const ForwardTable& forwards, std::string_view server = {});
  /// Each result that is another than before.
  std::vector<ProofChanged> proofs(const ForwardTable& forwards, const Proofs& proofs);

  friend bool operator==(const Noticed&, const Noticed&) = default;

 private:
  /// Held, or why it was refused, and whether the lease was asked about it.
  struct Listener {
    std::optional<Refusal> refusal{};
    bool lease_said = false;

    friend bool operator==(const Listener&, const Listener&) = default;
  };

  std::vector<std::optional<Listener>> listeners_;
  std::vector<std::optional<ProofResult>> proofs_;
};

}  // namespace holdfast
