#include "ssh/receive_window.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>

using namespace holdfast;
using namespace holdfast::ssh;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t largest = std::size_t{8} * 1024 * 1024;
constexpr std::size_t packet = 32768;
constexpr TimePoint start{std::chrono::hours{1}};
constexpr std::size_t first_window = 32'000;

/// A relay with endless data behind a line: it sends what the window and the line allow, and grants reach it late.
class Line {
 public:
  Line(Duration round_trip, std::size_t bytes_a_millisecond) : trip_(round_trip), rate_(bytes_a_millisecond) {}

  /// `take(now, count)` is what becomes of a packet that came; it returns what is granted then.
  template <typename Take>
  void run(Duration period, Take take) {
    for (const TimePoint end = now_ + period; now_ < end; now_ += milliseconds{1}) {
      for (; !grants_.empty() && grants_.front().first <= now_; grants_.pop_front()) allowed_ += grants_.front().second;
      std::size_t share = rate_;
      while (share > 0 && allowed_ > 0) {
        const std::size_t count = std::min({share, allowed_, packet});
        allowed_ -= count;
        share -= count;
        came += count;
        if (const std::size_t granted = take(now_, count); granted > 0) grants_.emplace_back(now_ + trip_, granted);
      }
    }
  }

  std::size_t came = 0;

 private:
  Duration trip_;
  std::size_t rate_;
  TimePoint now_ = start;
  std::size_t allowed_ = first_window;
  std::deque<std::pair<TimePoint, std::size_t>> grants_;
};

/// libssh 0.10 with a window that is raised.
struct Libssh10 {
  std::size_t operator()(TimePoint now, std::size_t count) {
    const std::size_t before = left -= count;
    window.arrived(count, 0);
    if (left < ReceiveWindow::stock / 2) left = ReceiveWindow::stock;
    const auto wanted = std::min(window.wanted(now, round_trip), largest);
    if (wanted > window.target()) window.set_target(wanted);
    if (window.grant_due()) {
      left = std::max(left, window.target());
      window.granted();
    }
    return left - before;
  }

  Duration round_trip;
  ReceiveWindow window{};
  std::size_t left = first_window;
};

/// libssh 0.11, of which is taken what comes, or by shares.
struct Libssh11 {
  std::size_t operator()(TimePoint, std::size_t count) {
    std::size_t granted = 0;
    left -= count;
    for (std::size_t held = count; held > 0;) {
      const std::size_t share = by_shares ? window.share(held) : held;
      window.taken(share);
      held -= share;
      const std::size_t more = FixedWindow::size - left - held;
      if (more < FixedWindow::half) continue;
      left += more;
      granted += more;
    }
    return granted;
  }

  bool by_shares = true;
  FixedWindow window{};
  std::size_t left = first_window;
};

}  // namespace

TEST_CASE("a window that the relay waits for grows to what the line holds, and the line is full") {
  Libssh10 libssh{milliseconds{100}};
  Line line(milliseconds{100}, 30'000);  // 30 MB/s: 3 MB in a round trip
  line.run(std::chrono::seconds{2}, std::ref(libssh));
  CHECK(libssh.window.target() >= 3'000'000);
  CHECK(libssh.window.target() <= 12'000'000);
  line.came = 0;
  line.run(std::chrono::seconds{1}, std::ref(libssh));
  CHECK(line.came > 29'000'000);
}

TEST_CASE("a window grows to its bound on a line that is faster than that") {
  Libssh10 libssh{milliseconds{100}};
  Line line(milliseconds{100}, 1'000'000);
  line.run(std::chrono::seconds{3}, std::ref(libssh));
  CHECK(libssh.window.target() == largest);
  line.came = 0;
  line.run(std::chrono::seconds{1}, std::ref(libssh));
  CHECK(line.came > 60'000'000);  // with a window of 2 MiB it would be 21
}

TEST_CASE("a window that is large enough stays as it is") {
  Libssh10 slow{milliseconds{100}};
  Line(milliseconds{100}, 5'000).run(std::chrono::seconds{10}, std::ref(slow));  // half a megabyte in a round trip
  CHECK_FALSE(slow.window.is_raised());
  Libssh10 near{milliseconds{1}};
  Line(milliseconds{1}, 100'000).run(std::chrono::seconds{10}, std::ref(near));
  CHECK_FALSE(near.window.is_raised());
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

TEST_CASE("a fixed window that is taken by shares is all granted in each round trip") {
  const auto windows_a_second = [](bool by_shares, std::size_t bytes_a_millisecond) {
    Libssh11 libssh{by_shares};
    Line line(milliseconds{100}, bytes_a_millisecond);
    line.run(std::chrono::seconds{1}, std::ref(libssh));
    line.came = 0;
    line.run(std::chrono::seconds{1}, std::ref(libssh));
    return static_cast<double>(line.came) / FixedWindow::size;
  };
  CHECK(windows_a_second(true, 1'000'000) > 9);
  CHECK(windows_a_second(false, 1'000'000) < 6);
  // A line that holds one window has to wait for the second half's grant.
  CHECK(windows_a_second(true, 20'000) > 6);
  CHECK(windows_a_second(false, 20'000) < 6);
}

TEST_CASE("a share ends where a fixed window is granted anew") {
  constexpr std::size_t half = FixedWindow::half;
  FixedWindow window;
  window.taken(0);
  CHECK(window.share(32'000) == 32'000);
  window.taken(1);  // the first grant
  CHECK(window.share(100) == 100);
  CHECK(window.share(FixedWindow::size) == half);
  window.taken(half - 1);
  CHECK(window.share(100) == 1);
  window.taken(1);
  CHECK(window.share(FixedWindow::size) == half);
  window.taken(half + 5);  // is granted all at once
  CHECK(window.share(FixedWindow::size) == half);
}
