#include "config/duration.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace holdfast::config;
using namespace std::chrono_literals;

TEST_CASE("durations are read as sshd_config's time formats") {
  CHECK(parse_duration("0") == 0s);
  CHECK(parse_duration("90") == 90s);
  CHECK(parse_duration("600") == 10min);
  CHECK(parse_duration("10m") == 10min);
  CHECK(parse_duration("1h30m") == 90min);
  CHECK(parse_duration("1H30M") == 90min);
  CHECK(parse_duration("1w2d3h4m5s") == 168h + 48h + 3h + 4min + 5s);
  CHECK(parse_duration("5s4m") == 4min + 5s);
  CHECK(parse_duration("1m30") == 90s);
  CHECK(parse_duration("1m1m") == 2min);
  CHECK(parse_duration("400d") == 400 * 24h);
}

TEST_CASE("what is no duration is refused with the reason") {
  const auto error = [](std::string_view text) { return parse_duration(text).error(); };
  for (const char* const text : {"", "m", "1x", "1.5m", " 1", "1 ", "1 m", "+1", "0x10", "1ms", "1mm", "1m-3s1"}) {
    CAPTURE(text);
    REQUIRE_FALSE(parse_duration(text));
  }
  CHECK(error("soon") == "is not a duration such as 90, 1m30s or 2h");
  CHECK(error("1ms") == "is not a duration such as 90, 1m30s or 2h");
  CHECK(error("-1") == "must not be negative");
  CHECK(error("1m-3s") == "must not be negative");
}

TEST_CASE("a duration that overflows is refused, in one part and in the sum") {
  for (const char* const text : {"401d", "9223372036854775807", "9223372036854775808", "9223372036854775807w",
                                 "99999999999999999999999", "400d1s", "300d300d"}) {
    CAPTURE(text);
    REQUIRE_FALSE(parse_duration(text));
    CHECK(parse_duration(text).error() == "is too large");
  }
}

TEST_CASE("a written duration reads back the same") {
  CHECK(format_duration(0s) == "0");
  CHECK(format_duration(59s) == "59s");
  CHECK(format_duration(60s) == "1m");
  CHECK(format_duration(90s) == "1m30s");
  CHECK(format_duration(694861s) == "1w1d1h1m1s");
  for (std::int64_t seconds = 0; seconds < 2'000'000; seconds = seconds * 7 / 5 + 1)
    CHECK(parse_duration(format_duration(std::chrono::seconds{seconds})) == std::chrono::seconds{seconds});
}

TEST_CASE("sizes are bytes with K, M or G, and read back the same") {
  CHECK(parse_size("16") == 16U);
  CHECK(parse_size("64k") == 65536U);
  CHECK(parse_size("512M") == 512U << 20U);
  CHECK(parse_size("1G") == 1U << 30U);
  for (const char* const text : {"", "G", "1T", "1GB", "-1", "1G1M", "1.5G", "99999999999G", "18446744073709551616"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_size(text));
  }
  for (const std::uint64_t size : {1ULL, 1000ULL, 65536ULL, 65537ULL, 1ULL << 30U, 3ULL << 30U, 1536ULL << 20U})
    CHECK(parse_size(format_size(size)) == size);
  CHECK(format_size(1536ULL << 20U) == "1536M");
}
