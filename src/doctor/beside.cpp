#include <atomic>
#include <boost/asio/post.hpp>
#include <exception>
#include <memory>
#include <utility>

#include "doctor/patient.hpp"
#include "holdfast/lifetime.hpp"
#include "net/lane.hpp"

namespace holdfast::doctor {
namespace {

/// How many calls all examinations have under way. A call that a dead disk keeps stays behind with its thread, and a
/// daemon looks for weeks.
constexpr int most_calls = 32;
std::atomic<int> calls_under_way{0};

/// Counts a call as long as it is waited for, or runs.
struct Call {
  Call() { ++calls_under_way; }
  ~Call() { --calls_under_way; }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
};

class Beside final : public net::Operation {
 public:
  Beside(const boost::asio::any_io_executor& executor, std::function<Finding()> look, const Then& then)
      : lane_(executor) {
    const auto call = [under_way = std::make_shared<Call>(), look = std::move(look), then]() -> net::Lane::Then {
      return [then, finding = found_by(look)] { then(finding); };
    };
    if (!lane_.post(call)) refused_ = at_once(executor, [then] { then(Skipped{"no thread can be had"}); });
  }

 private:
  static Finding found_by(const std::function<Finding()>& look) {
    try {
      return look();
    } catch (const std::exception& error) {  // it ends the look, and nothing else
      return Skipped{error.what()};
    }
  }

  net::Lane lane_;
  Look refused_;
};

class AtOnce final : public net::Operation {
 public:
  AtOnce(const boost::asio::any_io_executor& executor, std::function<void()> tell) {
    boost::asio::post(executor, lifetime_.guard(std::move(tell)));
  }

 private:
  Lifetime lifetime_;
};

}  // namespace

Look beside(const boost::asio::any_io_executor& executor, std::function<Finding()> look, Then then) {
  if (calls_under_way >= most_calls) {
    return at_once(executor, [then = std::move(then)] { then(Skipped{"earlier looks have not come back yet"}); });
  }
  return std::make_unique<Beside>(executor, std::move(look), then);
}

Look at_once(const boost::asio::any_io_executor& executor, std::function<void()> tell) {
  return std::make_unique<AtOnce>(executor, std::move(tell));
}

}  // namespace holdfast::doctor
