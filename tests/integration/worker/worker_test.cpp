#include "worker/worker.hpp"

#include <doctest/doctest.h>

#include <future>
#include <string>
#include <vector>

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

/// A call that does not come back until it is let go.
class Hanging {
 public:
  explicit Hanging(Worker& worker) {
    CHECK(worker.post([begun = begun_, end = end_] {
      begun->set_value();
      end->get_future().wait();
    }));
    begun_->get_future().wait();
  }
  ~Hanging() { end_->set_value(); }
  Hanging(const Hanging&) = delete;
  Hanging& operator=(const Hanging&) = delete;

 private:
  std::shared_ptr<std::promise<void>> begun_ = std::make_shared<std::promise<void>>();
  std::shared_ptr<std::promise<void>> end_ = std::make_shared<std::promise<void>>();
};

using Done = std::shared_ptr<std::vector<std::string>>;

Worker::Job noting(const Done& done, std::string name) {
  return [done, name = std::move(name)] { done->push_back(name); };
}

}  // namespace

TEST_CASE("jobs are done one after the other, in their order") {
  Worker worker{100};
  const Done done = std::make_shared<std::vector<std::string>>();
  std::vector<std::string> posted;
  for (int i = 0; i < 100; ++i) {
    posted.push_back(std::to_string(i));
    CHECK(worker.post(noting(done, posted.back())));
  }
  REQUIRE(worker.flush(10s));
  CHECK(*done == posted);
  CHECK(worker.post(noting(done, "later")));
  REQUIRE(worker.flush(10s));
  CHECK(done->back() == "later");
}

TEST_CASE("behind a call that hangs so many wait as are allowed, and nobody waits for it longer than he wants to") {
  Worker worker{2};
  const Done done = std::make_shared<std::vector<std::string>>();
  {
    const Hanging call(worker);
    CHECK(worker.post(noting(done, "a")));
    CHECK(worker.post(noting(done, "b")));
    CHECK_FALSE(worker.post(noting(done, "c")));
    CHECK_FALSE(worker.flush(1ms));
  }
  REQUIRE(worker.flush(10s));
  CHECK(*done == std::vector<std::string>{"a", "b"});
}

TEST_CASE("of those that wait under the same key the newest is done") {
  Worker worker{2};
  const Done done = std::make_shared<std::vector<std::string>>();
  {
    const Hanging call(worker);
    CHECK(worker.post(noting(done, "old"), "file"));
    CHECK(worker.post(noting(done, "other"), "other file"));
    CHECK(worker.post(noting(done, "new"), "file"));
  }
  REQUIRE(worker.flush(10s));
  CHECK(*done == std::vector<std::string>{"other", "new"});
}

TEST_CASE("what was posted is done although nobody is there any more who posted it") {
  const auto done = std::make_shared<std::promise<int>>();
  {
    Worker worker{1};
    CHECK(worker.post([done] { done->set_value(7); }));
  }
  CHECK(done->get_future().get() == 7);
}

TEST_CASE("a call is given up when it takes too long, and the next one at once while that hangs") {
  Worker worker{1};
  CHECK(within(worker, 10s, [] { return 7; }) == 7);
  const auto end = std::make_shared<std::promise<void>>();
  CHECK_FALSE(within(worker, 1ms, [end] {
                end->get_future().wait();
                return 7;
              }).has_value());
  CHECK_FALSE(within(worker, 1h, [] { return 7; }).has_value());
  end->set_value();
  REQUIRE(worker.flush(10s));
  CHECK(within(worker, 10s, [] { return 8; }) == 8);
}
