#include "holdfast/data_usage.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

std::chrono::sys_seconds at(int year, unsigned month, unsigned day, std::chrono::seconds time = 12h) {
  return std::chrono::sys_days{std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(day)} + time;
}

}  // namespace

TEST_CASE("bytes are those of a day and of a month, and both end") {
  DataUsage usage;
  usage.count(100, at(2026, 11, 29));
  usage.count(20, at(2026, 11, 29, 23h));
  CHECK(usage.today == 120);
  usage.count(3, at(2026, 11, 30));
  CHECK(usage.today == 3);
  CHECK(usage.month == 123);
  usage.count(4, at(2026, 12, 1, 0h));
  CHECK(usage.today == 4);
  CHECK(usage.month == 4);
  usage.count(5, at(2027, 12, 1));
  CHECK(usage.month == 5);
}

TEST_CASE("what passed before the clock was set belongs to the day on which it was") {
  DataUsage usage;
  usage.count(100, at(2026, 11, 29));
  usage.count(7, at(1970, 1, 1));
  usage.count(8, at(1970, 1, 1));
  CHECK(usage.today == 100);
  CHECK(usage.undated == 15);
  SUBCASE("the same") {
    usage.count(0, at(2026, 11, 29));
    CHECK(usage.today == 115);
  }
  SUBCASE("another") {
    usage.count(0, at(2026, 11, 30));
    CHECK(usage.today == 15);
    CHECK(usage.month == 115);
  }
  CHECK(usage.undated == 0);
}

TEST_CASE("a clock that is set back a little changes nothing, and one that was years ahead is not believed for ever") {
  DataUsage usage;
  usage.count(100, at(2026, 12, 1, 1h));
  usage.count(1, at(2026, 11, 30, 23h));
  CHECK(usage.today == 101);
  usage.count(1, at(2031, 5, 1));
  CHECK(usage.month == 1);
  usage.count(1, at(2026, 12, 2));
  CHECK(usage.month == 1);
  CHECK(usage.day == std::chrono::floor<std::chrono::days>(at(2026, 12, 2)));
}

TEST_CASE("a clock that is set back by two days begins a day anew, by one it does not") {
  DataUsage usage;
  usage.count(100, at(2026, 12, 10));
  usage.count(1, at(2026, 12, 9));
  CHECK(usage.today == 101);
  usage.count(1, at(2026, 12, 8));
  CHECK(usage.today == 1);
  CHECK(usage.month == 102);
}

TEST_CASE("a clock before 2020 was not set") {
  DataUsage usage;
  usage.count(1, at(2019, 12, 31));
  CHECK(usage.undated == 1);
  usage.count(1, at(2020, 1, 1));
  CHECK(usage.today == 2);
  DataUsages usages{{"removed", {}}};
  forget_others(usages, {}, at(2019, 12, 31));
  CHECK(usages.size() == 1);
  forget_others(usages, {}, at(2020, 1, 1));
  CHECK(usages.empty());
}

TEST_CASE("a file of more than ten thousand tunnels is none of ours") {
  DataUsages usages;
  for (int number = 0; number < 10'000; ++number) usages["relay-" + std::to_string(number)];
  CHECK(parse_usages(format_usages(usages)) == usages);
  usages["one-more"];
  CHECK_FALSE(parse_usages(format_usages(usages)));
}

TEST_CASE("the file reads back as what was written") {
  DataUsage usage;
  usage.count(100, at(2026, 11, 29));
  usage.count(18'000'000'000'000'000'000U, at(1970, 1, 1));
  const DataUsages usages{{"relay", usage}, {"relay-2", {}}};
  CHECK(parse_usages(format_usages(usages)) == usages);
  CHECK(parse_usages("holdfast data usage 1\n") == DataUsages{});
}

TEST_CASE("a count that is full stays full, and its file is read again") {
  DataUsages usages = parse_usages("holdfast data usage 1\nrelay 20786 0 18446744073709551615 0\n").value();
  DataUsage& usage = usages.at("relay");
  usage.count(1000, at(2026, 11, 29));
  CHECK(usage.month == UINT64_MAX);
  CHECK(projected_month(usage, 1, at(2026, 11, 29)) == UINT64_MAX);
  CHECK(parse_usages(format_usages(usages)) == usages);
}

TEST_CASE("a file that is damaged is not read") {
  for (const char* const text :
       {"", "holdfast data usage 2\n", "holdfast data usage 1\nrelay\n", "holdfast data usage 1\nrelay 20000 1 2\n",
        "holdfast data usage 1\nrelay 20000 1 2 3 4\n", "holdfast data usage 1\nrelay 20000 1 -2 3\n",
        "holdfast data usage 1", "holdfast data usage 1\nrelay 20000 1 2 30",
        "holdfast data usage 1\nrelay \t-786 1 2 0\n", "holdfast data usage 1\nrelay 20000 1 2 +3\n",
        "holdfast data usage 1\nrelay -1 1 2 0\n", "holdfast data usage 1\nrelay 20000 1 2 0\n\n",
        "holdfast data usage 1\nrelay 20000 2 1 0\n", "holdfast data usage 1\nrelay x 1 2 0\n",
        "holdfast data usage 1\nrelay 1 1 99999999999999999999999 0\n",
        "holdfast data usage 1\nrelay 1 1 1 0\nrelay 1 1 1 0\n"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_usages(text));
  }
}

TEST_CASE("an hour in which nothing at all was sent at first is idle from its beginning") {
  IdleCost idle;
  const TimePoint now{1h};
  idle.sample(now, 1000, 1, true);
  idle.sample(now + 30min, 1000, 1, true);
  idle.sample(now + 80min, 5000, 1, true);
  CHECK(idle.bytes_per_hour() == 3000);
}

TEST_CASE("the idle cost is that of the time since somebody last used the tunnel, an hour at least") {
  IdleCost idle;
  TimePoint now{1h};
  idle.sample(now, 1000, 1, true);
  idle.sample(now + 59min, 2000, 1, true);
  CHECK_FALSE(idle.bytes_per_hour());
  idle.sample(now + 2h, 21000, 1, true);
  CHECK(idle.bytes_per_hour() == 10000);
  now += 2h;
  idle.sample(now + 10min, 1'000'000, 1, false);  // somebody is connected
  idle.sample(now + 20min, 2'000'000, 2, true);   // somebody was
  idle.sample(now + 79min, 2'000'900, 2, true);
  CHECK(idle.bytes_per_hour() == 10000);
  idle.sample(now + 80min, 2'001'000, 2, true);
  CHECK(idle.bytes_per_hour() == 1000);
}

TEST_CASE("a counter of the kernel's that fell is no growth, and starts the idle time anew") {
  CHECK(growth(100, 150) == 50);
  CHECK(growth(100, 100) == 0);
  CHECK(growth(100, 0) == 0);
  IdleCost idle;
  idle.sample(TimePoint{1h}, 5000, 1, true);
  idle.sample(TimePoint{3h}, 0, 1, true);
  CHECK_FALSE(idle.bytes_per_hour());
  idle.sample(TimePoint{4h}, 700, 1, true);
  CHECK(idle.bytes_per_hour() == 700);
}

TEST_CASE("a tunnel that is no longer configured is forgotten once its month is over") {
  DataUsages usages;
  for (const char* name : {"kept", "removed"}) usages[name].count(1000, at(2026, 11, 30));
  const auto names_at = [&](std::chrono::sys_seconds now) {
    forget_others(usages, {"kept"}, now);
    return usages.size();
  };
  CHECK(names_at(at(2026, 11, 30, 23h)) == 2);
  CHECK(names_at(at(2026, 10, 31)) == 2);
  CHECK(names_at(at(1970, 1, 1)) == 2);
  CHECK(names_at(at(2026, 12, 1)) == 1);
  CHECK(usages.contains("kept"));
}

TEST_CASE("a month is projected from what it cost so far and the idle hours that are left of it") {
  DataUsage usage;
  usage.count(5000, at(2026, 11, 30));
  CHECK(projected_month(usage, 100, at(2026, 11, 30, 14h)) == 6000);
  CHECK(projected_month(usage, 100, at(2026, 12, 31, 23h)) == 5100);
  CHECK(projected_month(usage, 100, at(2026, 11, 30, 23h + 30min)) == 5000);
}

TEST_CASE("of two files that counted the same tunnel the one that went on for longer is right") {
  DataUsages ours = parse_usages("holdfast data usage 1\na 20786 5 50 0\nb 20786 5 50 0\nc 20786 5 50 0\n").value();
  const DataUsages other =
      parse_usages("holdfast data usage 1\na 20787 1 51 0\nb 20785 9 45 0\nc 20786 6 51 0\nd 20786 1 1 0\n").value();
  take_later(ours, other);
  CHECK(format_usages(ours) ==
        "holdfast data usage 1\na 20787 1 51 0\nb 20786 5 50 0\nc 20786 6 51 0\nd 20786 1 1 0\n");
  const DataUsages before = ours;
  take_later(ours, parse_usages("holdfast data usage 1\na 20787 2 51 0\n").value());
  CHECK(ours == before);  // neither is later
}
