#include "ssh/receive_window.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <deque>

using namespace holdfast;
using namespace holdfast::ssh;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t largest = std::size_t{8} * 1024 * 1024;
constexpr std::size_t packet = 32768;
constexpr TimePoint start{std::chrono::hours{1}};

/// A relay with endless data behind a line: it sends what the window and the line allow, and grants reach it late.
class Line {
 public:
  Line(Duration round_trip, std::size_t bytes_a_millisecond) : trip_(round_trip), rate_(bytes_a_millisecond) {}

  void run(Duration period, ReceiveWindow& window) {
    for (const TimePoint end = now_ + period; now_ < end; now_ += milliseconds{1}) {
      for (; !grants_.empty() && grants_.front().first <= now_; grants_.pop_front()) allowed_ += grants_.front().second;
      std::size_t share = rate_;
      while (share > 0 && allowed_ > 0) {
        const std::size_t count = std::min({share, allowed_, packet});
        allowed_ -= count;
        share -= count;
        came += count;
        take(count, window);
      }
    }
  }

  std::size_t came = 0;

 private:
  void take(std::size_t count, ReceiveWindow& window) {
    left_ -= count;
    window.arrived(count, 0);
    if (left_ < ReceiveWindow::stock / 2) grant(ReceiveWindow::stock);  // libssh's own
    const auto wanted = std::min(window.wanted(now_, trip_), largest);
    if (wanted > window.target()) window.set_target(wanted);
    if (!window.grant_due()) return;
    grant(window.target());
    window.granted();
  }

  void grant(std::size_t size) {
    if (size <= left_) return;
    grants_.emplace_back(now_ + trip_, size - left_);
    left_ = size;
  }

  Duration trip_;
  std::size_t rate_;
  TimePoint now_ = start;
  std::size_t allowed_ = 64'000;
  std::size_t left_ = 64'000;
  std::deque<std::pair<TimePoint, std::size_t>> grants_;
};

}  // namespace

TEST_CASE("a window that the relay waits for grows to what the line holds, and the line is full") {
  ReceiveWindow window;
  Line line(milliseconds{100}, 30'000);  // 30 MB/s: 3 MB in a round trip
  line.run(std::chrono::seconds{2}, window);
  CHECK(window.target() >= 3'000'000);
  CHECK(window.target() <= 12'000'000);
  line.came = 0;
  line.run(std::chrono::seconds{1}, window);
  CHECK(line.came > 29'000'000);
}

TEST_CASE("a window grows to its bound on a line that is faster than that") {
  ReceiveWindow window;
  Line line(milliseconds{100}, 1'000'000);
  line.run(std::chrono::seconds{3}, window);
  CHECK(window.target() == largest);
  line.came = 0;
  line.run(std::chrono::seconds{1}, window);
  CHECK(line.came > 60'000'000);  // with a window of 2 MiB it would be 21
}

TEST_CASE("a window that is large enough stays as it is") {
  ReceiveWindow slow;
  Line(milliseconds{100}, 5'000).run(std::chrono::seconds{10}, slow);  // half a megabyte in a round trip
  CHECK_FALSE(slow.is_raised());
  ReceiveWindow near;
  Line(milliseconds{1}, 100'000).run(std::chrono::seconds{10}, near);
  CHECK_FALSE(near.is_raised());
}

TEST_CASE("the first step is OpenSSH's window at least") {
  ReceiveWindow window;
  window.arrived(1, 0);
  CHECK(window.wanted(start, milliseconds{10}) == 0);
  window.arrived(ReceiveWindow::stock / 2, 0);
  CHECK(window.wanted(start + milliseconds{10}, milliseconds{10}) >= ReceiveWindow::lowest_raised);
}

TEST_CASE("what came in longer than a round trip counts for its share") {
  ReceiveWindow window;
  window.wanted(start, milliseconds{10});
  window.arrived(ReceiveWindow::stock / 2, 0);
  CHECK(window.wanted(start + milliseconds{9}, milliseconds{10}) == 0);
  CHECK(window.wanted(start + milliseconds{20}, milliseconds{10}) == 0);
}

TEST_CASE("without a measured round trip nothing grows") {
  ReceiveWindow window;
  window.wanted(start, Duration::zero());
  window.arrived(100'000'000, 0);
  CHECK(window.wanted(start + milliseconds{1}, Duration::zero()) == 0);
}

TEST_CASE("a raised window is granted by eighths, and libssh's own grants are known") {
  ReceiveWindow window;
  CHECK_FALSE(window.grant_due());
  window.arrived(1, 0);  // libssh grants up to its stock
  CHECK_FALSE(window.grant_due());
  window.set_target(4'000'000);
  CHECK(window.grant_due());
  window.granted();
  CHECK_FALSE(window.grant_due());
  window.arrived(499'999, 0);
  CHECK_FALSE(window.grant_due());
  window.arrived(1, 0);
  CHECK(window.grant_due());
}
