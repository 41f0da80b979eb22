#pragma once

namespace holdfast {

/// How many machines have handed on a packet that arrives with this TTL. It was sent with 64, 128 or 255.
constexpr unsigned hops_of(unsigned ttl) {
  return (ttl <= 64 ? 64U : ttl <= 128 ? 128U : 255U) - ttl;
}

}  // namespace holdfast
