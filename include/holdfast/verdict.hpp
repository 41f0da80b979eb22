#pragma once

#include <cstddef>
#include <variant>
#include <vector>

#include "holdfast/failure.hpp"

/// What is to become of a live session. Its parts give verdicts; only the machine (tunnel.hpp) changes its phase.
namespace holdfast {

// ---- what follows once the session is gone ------------------------------------------------------------------------

struct ThenStop {
  friend bool operator==(const ThenStop&, const ThenStop&) = default;
};
struct ThenRetry {
  Failure failure;

  friend bool operator==(const ThenRetry&, const ThenRetry&) = default;
};
struct ThenFailBack {
  std::size_t relay = 0;

  friend bool operator==(const ThenFailBack&, const ThenFailBack&) = default;
};
using AfterClosing = std::variant<ThenStop, ThenRetry, ThenFailBack>;

// ---- verdicts -----------------------------------------------------------------------------------------------------

struct Stay {
  friend bool operator==(const Stay&, const Stay&) = default;
};
struct Establish {  ///< it holds what it has to
  friend bool operator==(const Establish&, const Establish&) = default;
};
struct Fail {  ///< it is dead, or not worth a polite end
  Failure failure;

  friend bool operator==(const Fail&, const Fail&) = default;
};
struct Close {  ///< politely, without waiting for connections
  AfterClosing after;

  friend bool operator==(const Close&, const Close&) = default;
};
struct Drain {  ///< give the listeners back, let connections finish, then close
  AfterClosing after;

  friend bool operator==(const Drain&, const Drain&) = default;
};
using Verdict = std::variant<Stay, Establish, Fail, Close, Drain>;

/// What a part of the session wants done, and its verdict.
template <class Action>
struct Conclusion {
  std::vector<Action> actions{};
  Verdict verdict{Stay{}};

  friend bool operator==(const Conclusion&, const Conclusion&) = default;
};

}  // namespace holdfast
