#pragma once

#include <cstddef>
#include <unordered_map>

#include "holdfast/time.hpp"

namespace holdfast::forward {

/// What the connections of one tunnel hold for targets that read more slowly than their visitors send, and which of
/// them goes when that is too much. Windows alone don't bound it, because every connection has one.
class Buffers {
 public:
  class Holder {
   public:
    /// Lets go of all it holds, and is forgotten.
    virtual void give_up() = 0;

   protected:
    ~Holder() = default;
  };

  explicit Buffers(std::size_t most) : most_(most) {}

  /// How much it holds now. While all together hold too much, the one with the largest product of bytes and of time
  /// since it last delivered any gives up. That may be this one.
  void note(Holder& holder, std::size_t bytes, TimePoint now);
  void forget(const Holder& holder);
  std::size_t total() const { return total_; }

 private:
  struct Share {
    Holder* holder = nullptr;
    std::size_t bytes = 0;
    TimePoint stalled_since;
  };

  Holder* worst(TimePoint now) const;

  std::size_t most_;
  std::size_t total_ = 0;
  std::unordered_map<const Holder*, Share> holders_;
};

}  // namespace holdfast::forward
