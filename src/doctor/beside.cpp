#include <atomic>
#include <boost/asio/post.hpp>
#include <utility>

#include "doctor/patient.hpp"
#include "net/disk.hpp"

namespace holdfast::doctor {
namespace {

/// Of all examinations: a call that a dead disk keeps stays behind with its thread, and a daemon looks for weeks.
std::atomic<unsigned> calls_under_way{0};
constexpr unsigned most_calls = 32;

class Beside final : public net::Operation {
 public:
  Beside(const boost::asio::any_io_executor& executor, std::function<Finding()> look, Then then) : lane_(executor) {
    const auto call = [look = std::move(look), then = std::move(then)]() -> net::Disk::Then {
      Finding finding = look();
      --calls_under_way;
      return [then, finding = std::move(finding)] { then(finding); };
    };
    ++calls_under_way;
    lane_.read(call);
  }

 private:
  net::Disk lane_;  // a thread of its own
};

class AtOnce final : public net::Operation {
 public:
  AtOnce(const boost::asio::any_io_executor& executor, std::function<void()> tell) {
    boost::asio::post(executor, [alive = std::weak_ptr<char>{alive_}, tell = std::move(tell)] {
      if (!alive.expired()) tell();
    });
  }

 private:
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace

Look beside(const boost::asio::any_io_executor& executor, std::function<Finding()> look, Then then) {
  if (calls_under_way >= most_calls) {
    return at_once(executor, [then = std::move(then)] { then(Skipped{"earlier looks have not come back yet"}); });
  }
  return std::make_unique<Beside>(executor, std::move(look), std::move(then));
}

Look at_once(const boost::asio::any_io_executor& executor, std::function<void()> tell) {
  return std::make_unique<AtOnce>(executor, std::move(tell));
}

}  // namespace holdfast::doctor
