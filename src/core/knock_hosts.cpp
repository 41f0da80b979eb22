#include "holdfast/knock_hosts.hpp"

namespace holdfast {

KnockHosts::KnockHosts(const RemoteForward& forward, bool by_address) {
  if (forward.bind_address.empty() || forward.bind_address == "localhost") {
    hosts_ = {"localhost", "127.0.0.1", "::1"};
    if (by_address) index_ = 1;
  } else {
    hosts_ = {forward.bind_address};
  }
}

std::optional<KnockFailure> KnockHosts::failed(KnockFailure why, const std::string& words) {
  const bool name = !looks_like_address(current());
  if (name && why == KnockFailure::not_connected) why = KnockFailure::no_lookup;
  if (why > found_) {
    found_ = why;
    in_words_ = (name ? "can't look up " : "did not connect to ") + current() + " (" + words + ")";
    if (why == KnockFailure::nobody_listens) in_words_.clear();
  }
  const bool conclusive = name && why != KnockFailure::no_lookup;
  if (conclusive || ++index_ == hosts_.size()) return found_;
  return std::nullopt;
}

}  // namespace holdfast
