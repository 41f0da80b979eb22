#include "holdfast/lifetime.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>

using namespace holdfast;

TEST_CASE("a guarded handler does what it does, with all its arguments, while the object lives") {
  const Lifetime lifetime;
  int sum = 0;
  std::unique_ptr<int> kept;
  auto handler = lifetime.guard([&](int number, std::unique_ptr<int> owned) {
    sum += number;
    kept = std::move(owned);
  });
  handler(1, std::make_unique<int>(7));
  CHECK(*kept == 7);
  handler(2, nullptr);
  CHECK(sum == 3);
}

TEST_CASE("a guarded handler does nothing once the object is gone") {
  std::optional<Lifetime> lifetime;
  lifetime.emplace();
  int calls = 0;
  const std::function<void()> handler = lifetime->guard([&] { ++calls; });
  const std::function<void()> copy = handler;
  handler();
  lifetime.reset();
  handler();
  copy();
  CHECK(calls == 1);
}

TEST_CASE("a handler that ends the object is not called again") {
  auto lifetime = std::make_unique<Lifetime>();
  int calls = 0;
  auto handler = lifetime->guard([&] {
    ++calls;
    lifetime.reset();
  });
  handler();
  handler();
  CHECK(calls == 1);
}

TEST_CASE("a watch expires with the object, and keeps nothing of it") {
  std::optional<Lifetime> lifetime;
  lifetime.emplace();
  const auto watch = lifetime->watch();
  CHECK(!watch.expired());
  lifetime.reset();
  CHECK(watch.expired());
}
