#include "forward/turns.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <string>

#include "forward/refusal_log.hpp"

using namespace holdfast;
using namespace holdfast::forward;
using namespace std::chrono_literals;

namespace {

/// A link that takes `room` pieces a turn, and senders that always have one.
struct Link {
  int room = 0;
  std::string served;
};

class Bulk final : public Sender {
 public:
  Bulk(Link& link, char name) : link_(link), name_(name) {}

  Served serve(std::span<std::byte>) override {
    if (link_.room == 0) return Served::full;
    --link_.room;
    link_.served += name_;
    return --left == 0 ? Served::all : Served::some;
  }

  int left = 1000;

 private:
  Link& link_;
  char name_;
};

}  // namespace

TEST_CASE("senders on a full link take turns") {
  boost::asio::io_context loop;
  const auto turns = std::make_shared<Turns>(loop.get_executor());
  Link link;
  const auto a = std::make_shared<Bulk>(link, 'a');
  const auto b = std::make_shared<Bulk>(link, 'b');
  const auto c = std::make_shared<Bulk>(link, 'c');
  for (const auto& sender : {a, b, c}) turns->join(sender);
  for (int turn = 0; turn < 6; ++turn) {
    link.room = 1;
    turns->wake();
    turns->wake();
    loop.restart();
    loop.run();
  }
  CHECK(link.served == "abcabc");
}

TEST_CASE("pieces are large only where the session takes them in almost no time") {
  Quantum quantum;
  const std::size_t least = quantum.size();
  CHECK(least == Quantum::least);
  for (int i = 0; i < 3; ++i) quantum.taken_after(2ms);
  CHECK(quantum.size() == 8 * least);
  quantum.taken_after(1ms);
  CHECK(quantum.size() == Quantum::most);
  quantum.taken_after(3ms);
  CHECK(quantum.size() == Quantum::most);
  for (int i = 0; i < 3; ++i) quantum.taken_after(5ms);
  CHECK(quantum.size() == least);
  quantum.taken_after(1s);
  CHECK(quantum.size() == least);
}

TEST_CASE("a newcomer is served after one round, and who is done or gone leaves the queue") {
  boost::asio::io_context loop;
  const auto turns = std::make_shared<Turns>(loop.get_executor());
  Link link;
  const auto run = [&](int room) {
    link.room = room;
    turns->wake();
    loop.restart();
    loop.run();
  };
  const auto a = std::make_shared<Bulk>(link, 'a');
  auto b = std::make_shared<Bulk>(link, 'b');
  const auto c = std::make_shared<Bulk>(link, 'c');
  turns->join(a);
  turns->join(b);
  run(3);
  CHECK(link.served == "aba");
  c->left = 1;
  turns->join(c);
  run(3);
  CHECK(link.served == "ababac");
  b.reset();
  run(2);
  CHECK(link.served == "ababacaa");
}

TEST_CASE("the same refusal is told once a minute, with how often it came meanwhile") {
  std::vector<std::string> lines;
  RefusalLog log([&](const std::string& line) { lines.push_back(line); });
  const Failure refused{Cause::connection_refused, "connect to", "localhost:22", ""};
  const Failure timed_out{Cause::connection_timed_out, "connect to", "localhost:22", ""};
  const TimePoint start{};
  log.add(0, refused, "refused", start);
  log.add(0, refused, "refused", start + std::chrono::seconds{1});
  log.add(0, refused, "refused", start + std::chrono::seconds{59});
  CHECK(lines.size() == 1);
  log.add(0, timed_out, "refused", start + std::chrono::seconds{59});
  log.add(1, refused, "refused", start + std::chrono::seconds{59});
  CHECK(lines.size() == 3);
  log.add(0, refused, "refused", start + std::chrono::seconds{60});
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "refused: " + describe(refused));
  CHECK(lines[3] == "refused: " + describe(refused) + " (and 2 times before)");
}
