#include "core/diagnosis/judges.hpp"

/// The path and TCP.
namespace holdfast::diagnosis {

Judgement judge(const PathFindings& found) {
  for (const PathFindings::Echo& echo : found.echoes) {
    if (!echo.from.empty() && echo.from != echo.to)
      return blame(Cause::answered_from_elsewhere, echo.to + " was asked, and " + echo.from + " answered");
  }
  for (const PathFindings::Echo& echo : found.echoes) {
    if (echo.answered > 0) return pass(Layer::path, echo.to + " answers an echo after " + seconds(echo.round_trip));
  }
  return pass(Layer::path,
              found.not_permitted.empty() ? "no echo is answered, which says nothing" : found.not_permitted);
}

Judgement judge(const TcpFindings& found) {
  for (const TcpFindings::Try& one : found.tries) {
    if (!one.failed) return pass(Layer::tcp, one.to + " takes connections, after " + seconds(one.took));
  }
  for (const TcpFindings::Try& one : found.others) {
    if (!one.failed) return blame(Cause::port_blocked, one.to + " takes connections");
  }
  if (found.tries.empty()) return {Layer::tcp, CheckResult::skip, "there was no address to try"};
  const TcpFindings::Try& first = found.tries.front();
  return blame(*first.failed, first.to + ": " + first.detail);
}

}  // namespace holdfast::diagnosis
