#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <future>
#include <list>
#include <stdexcept>

#include "doctor/patient.hpp"

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

std::string why(const Finding& finding) {
  const auto* skipped = std::get_if<Skipped>(&finding);
  return skipped == nullptr ? std::string{} : skipped->why;
}

Finding wait_for(boost::asio::io_context& loop, std::function<Finding()> look) {
  Finding found = Skipped{"nobody told"};
  const doctor::Look under_way = doctor::beside(loop.get_executor(), std::move(look), [&](Finding finding) {
    found = std::move(finding);
    loop.stop();
  });
  loop.restart();
  loop.run_for(10s);
  return found;
}

}  // namespace

TEST_CASE("a look that throws is skipped, and says why") {
  boost::asio::io_context loop;
  CHECK(why(wait_for(loop, []() -> Finding { throw std::runtime_error("the bus is gone"); })) == "the bus is gone");
}

TEST_CASE("looks that a dead disk keeps are not joined by ever more, and those after them end at once") {
  boost::asio::io_context loop;
  std::promise<void> disk;
  const std::shared_future<void> back = disk.get_future().share();
  std::list<doctor::Look> hung;
  const auto hang = [back]() -> Finding {
    back.wait();
    return Skipped{};
  };
  for (int count = 0; count < 40; ++count)
    hung.push_back(doctor::beside(loop.get_executor(), hang, [](const Finding&) {}));
  const auto quick = []() -> Finding { return LinkFindings{}; };
  CHECK(why(wait_for(loop, quick)) == "earlier looks have not come back yet");
  hung.clear();  // nobody waits any more, and the disk still does not answer
  CHECK(why(wait_for(loop, quick)) == "earlier looks have not come back yet");
  disk.set_value();
  const auto end = std::chrono::steady_clock::now() + 10s;
  Finding found = Skipped{};
  while (!std::holds_alternative<LinkFindings>(found) && std::chrono::steady_clock::now() < end)
    found = wait_for(loop, quick);
  CHECK(std::holds_alternative<LinkFindings>(found));
}
