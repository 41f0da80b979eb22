#pragma once

#include <memory>
#include <utility>

namespace holdfast {

/// What ends with an object that nobody shares, and is its last member. Handlers stay behind in a loop when the object
/// goes: they ask this first. Where the object is shared, weak_from_this() does.
class Lifetime {
 public:
  Lifetime() = default;
  Lifetime(const Lifetime&) = delete;  // handlers point to where the object is
  Lifetime& operator=(const Lifetime&) = delete;

  /// Does what `handler` does, and nothing once the object is gone. Any arguments; what `handler` returns is dropped.
  template <typename Handler>
  auto guard(Handler handler) const {
    return [watch = watch(), handler = std::move(handler)](auto&&... arguments) mutable -> void {
      if (!watch.expired()) handler(std::forward<decltype(arguments)>(arguments)...);
    };
  }

  /// For whoever makes a call in which the object may go: it did if this has expired.
  std::weak_ptr<const void> watch() const { return token_; }

 private:
  std::shared_ptr<const char> token_ = std::make_shared<const char>();
};

}  // namespace holdfast
