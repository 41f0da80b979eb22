#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "holdfast/tunnel.hpp"

/// The core's events, actions and phases in the simulation's own words. A new alternative of theirs is first met here,
/// by the compiler.
namespace holdfast::simulation {

enum class Did {
  dial,
  connect,
  open_session,
  authenticate,
  request_forward,
  knock,
  end_knock,
  identify,
  evict,
  prove,
  end_proof,
  cancel_forward,
  open_lease,
  end_lease,
  record_lease,
  heartbeat,
  keepalive,
  look,
  end_look,
  await_idle,
  drain,
  close,
  park,
  reset_parked,
  drop,
  tell,
};

struct Deed {
  Did did{};
  std::size_t index = 0;                ///< the forward, or the relay of a look
  std::string host{};                   ///< of a knock or a proof
  Duration guard{};                     ///< of a lease
  const Happening* news = nullptr;      ///< of a tell
  const AddressOrder* order = nullptr;  ///< of a connect
  bool listen_ahead = false;            ///< of a login
};
Deed deed_of(const TunnelAction& action);

enum class Stage { idle, opening, standing_by, requesting, established, draining, closing, backing_off, stopped };
Stage stage_of(const Phase& phase);
inline bool is_live(Stage stage) {
  return stage == Stage::standing_by || stage == Stage::requesting || stage == Stage::established;
}

/// "StopRequested{}", "ForwardAnswered{0, 4649}": as it stands in a unit test.
std::string code_of(const TunnelEvent& event);
/// The same of what OfSession holds.
std::string code_of(const SessionEvent& event);
std::string code_of(const std::string& text);
std::string code_of(Duration duration);

}  // namespace holdfast::simulation
