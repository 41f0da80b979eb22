#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/diagnosis.hpp"

using namespace holdfast;

namespace {

constexpr std::int64_t now = 1764444000;  // 2025-11-29

/// A device that lacks nothing.
DeviceFindings device() {
  DeviceFindings found;
  found.clock = now;
  found.at_least = now - 86400;
  found.clock_synchronized = true;
  found.under_voltage = false;
  found.under_voltage_before = false;
  DeviceFindings::Place place;
  place.path = "/var/lib/holdfast";
  place.free_bytes = 1 << 30;
  place.free_files = 1000;
  found.places = {place};
  found.descriptors_used = 20;
  found.descriptors_limit = 1024;
  found.memory_total = std::uint64_t{512} << 20;
  found.memory_available = std::uint64_t{200} << 20;
  return found;
}

template <typename Change>
Judgement judged(const Change& change) {
  DeviceFindings found = device();
  change(found);
  return judge(Layer::device, found);
}

bool mentions(const Judgement& judgement, const std::string& words) {
  return judgement.measured.find(words) != std::string::npos ||
         std::any_of(judgement.evidence.begin(), judgement.evidence.end(),
                     [&](const std::string& line) { return line.find(words) != std::string::npos; });
}

}  // namespace

TEST_CASE("a device that lacks nothing passes, and says what it has") {
  const Judgement judgement = judged([](DeviceFindings&) {});
  CHECK(judgement.result == CheckResult::pass);
  CHECK_FALSE(judgement.cause);
  CHECK(judgement.measured == "200 MB of 512 MB of memory are available");
  CHECK(mentions(judgement, "/var/lib/holdfast has 1024 MB of room"));
  CHECK(mentions(judgement, "it is 2025-11-29 by this device's clock"));
  CHECK(mentions(judged([](DeviceFindings& found) { found.clock = 1760054400; }), "it is 2025-10-10 by"));
  CHECK(mentions(judged([](DeviceFindings& found) { found.clock = 1757376000; }), "it is 2025-09-09 by"));
}

TEST_CASE("how far the clocks are apart is told in the unit that people would use") {
  const auto said = [](std::int64_t off) {
    return judged([off](DeviceFindings& found) {
      found.clock_synchronized.reset();
      found.relay_clock = found.clock + off;
    });
  };
  CHECK_FALSE(said(300).cause);
  const std::vector<std::pair<std::int64_t, std::string>> spans{{301, "5 min behind"},     {7199, "119 min behind"},
                                                                {7200, "2 h behind"},      {172799, "47 h behind"},
                                                                {172800, "2 days behind"}, {-301, "5 min ahead of"}};
  for (const auto& span : spans) {
    CAPTURE(span.second);
    CHECK(said(span.first).cause == Cause::clock_wrong);
    CHECK(mentions(said(span.first), span.second + " the relay's"));
  }
}

TEST_CASE("a clock may be at the earliest time that it can be, and no earlier") {
  const auto at = [](std::int64_t clock) {
    return judged([clock](DeviceFindings& found) {
      found.at_least = now;
      found.clock = clock;
    });
  };
  CHECK_FALSE(at(now).cause);
  CHECK(at(now - 1).cause == Cause::clock_wrong);
}

TEST_CASE("a disk is full below 64 KiB, a process out of descriptors when a look would take the last") {
  CHECK_FALSE(judged([](DeviceFindings& found) { found.places.front().free_bytes = 65536; }).cause);
  CHECK(judged([](DeviceFindings& found) { found.places.front().free_bytes = 65535; }).cause == Cause::disk_full);
  CHECK_FALSE(judged([](DeviceFindings& found) { found.descriptors_used = 1020; }).cause);
  CHECK(judged([](DeviceFindings& found) { found.descriptors_used = 1021; }).cause == Cause::local_error);
  CHECK(judged([](DeviceFindings& found) { found.descriptors_limit = 1; }).cause == Cause::local_error);
  CHECK(judged([](DeviceFindings& found) {
          found.memory_total = 1;
          found.memory_available = 1;
        }).cause == Cause::memory_low);
}

TEST_CASE("what could not be found out is no fault") {
  const Judgement judgement = judged([](DeviceFindings& found) {
    found = {};
    found.clock = now;
  });
  CHECK(judgement.result == CheckResult::pass);
  CHECK_FALSE(judgement.cause);
}

TEST_CASE("the voltage, now and before") {
  const Judgement sags = judged([](DeviceFindings& found) { found.under_voltage = true; });
  CHECK(sags.result == CheckResult::warn);
  CHECK(sags.cause == Cause::under_voltage);
  CHECK(sags.measured == "the voltage is too low now");
  const Judgement sagged = judged([](DeviceFindings& found) { found.under_voltage_before = true; });
  CHECK(sagged.cause == Cause::under_voltage);
  CHECK(sagged.measured == "the voltage was too low since the boot");
}

TEST_CASE("a clock can't be before the program was made, nor before 2020") {
  const Judgement built = judged([](DeviceFindings& found) { found.clock = *found.at_least - 1; });
  CHECK(built.result == CheckResult::warn);
  CHECK(built.cause == Cause::clock_wrong);
  CHECK(built.measured == "it is 2025-11-28 by this device's clock, and it can't be before 2025-11-28");
  const Judgement old = judged([](DeviceFindings& found) {
    found.clock = 3600;
    found.at_least.reset();
  });
  CHECK(old.cause == Cause::clock_wrong);
  CHECK(old.measured == "it is 1970-01-01 by this device's clock, and it can't be before 2020-01-01");
}

TEST_CASE("a clock is wrong beside the relay's from five minutes on") {
  const auto off = [](std::int64_t seconds) {
    return judged([&](DeviceFindings& found) {
      found.clock_synchronized = false;
      found.relay_clock = now - seconds;
    });
  };
  CHECK_FALSE(off(300).cause);
  CHECK_FALSE(off(-300).cause);
  CHECK(off(301).cause == Cause::clock_wrong);
  CHECK(mentions(off(301), "5 min ahead of the relay's"));
  CHECK(mentions(off(-86400 * 3), "3 days behind the relay's"));
}

TEST_CASE("of a clock that NTP sets and the relay's the relay's is wrong") {
  const Judgement judgement = judged([](DeviceFindings& found) {
    found.clock_synchronized = true;
    found.relay_clock = now - 301;
  });
  CHECK_FALSE(judgement.cause);
}

TEST_CASE("a certificate that is not good yet fails, for no login succeeds with it") {
  const Judgement early = judged([](DeviceFindings& found) {
    found.certificates.push_back({"/etc/holdfast/id-cert.pub", now + 86400, now + 2 * 86400});
  });
  CHECK(early.result == CheckResult::fail);
  CHECK(early.cause == Cause::clock_wrong);
  CHECK(mentions(early, "/etc/holdfast/id-cert.pub is good from 2025-11-30 on"));
  const Judgement good = judged([](DeviceFindings& found) { found.certificates.push_back({"a", now, now + 1}); });
  CHECK(good.result == CheckResult::pass);
}

TEST_CASE("such a clock explains the login that fails") {
  DeviceFindings found = device();
  found.certificates.push_back({"a", now + 1, now + 2});
  StepFindings step;
  step.failure = Failure{Cause::certificate_expired, "authenticate to", "relay:22", "not yet valid"};
  const Diagnosis diagnosis = diagnose({{Layer::device, found}, {Layer::authentication, step}});
  CHECK(diagnosis.answer == Layer::device);
  CHECK(diagnosis.judgements.back().hidden_by == Layer::device);
  const Diagnosis in = diagnose({{Layer::device, found}, {Layer::authentication, StepFindings{}}});
  CHECK(in.judgements.front().result == CheckResult::warn);
}

TEST_CASE("a clock that nobody sets is said, and is no fault") {
  const Judgement judgement = judged([](DeviceFindings& found) { found.clock_synchronized = false; });
  CHECK(judgement.result == CheckResult::pass);
  CHECK_FALSE(judgement.cause);
  CHECK(mentions(judgement, "it is 2025-11-29 by this device's clock, and nothing sets it"));
  const Judgement unknown = judged([](DeviceFindings& found) { found.clock_synchronized.reset(); });
  CHECK_FALSE(mentions(unknown, "nothing sets it"));
}

TEST_CASE("no room, no inode, no writes") {
  const auto place = [](auto change) { return judged([&](DeviceFindings& found) { change(found.places.front()); }); };
  const Judgement full = place([](DeviceFindings::Place& it) { it.free_bytes = 4096; });
  CHECK(full.result == CheckResult::warn);
  CHECK(full.cause == Cause::disk_full);
  CHECK(full.measured == "/var/lib/holdfast has no room left");
  const Judgement files = place([](DeviceFindings::Place& it) { it.free_files = 0; });
  CHECK(files.cause == Cause::disk_full);
  CHECK(files.next_step.find("inodes") != std::string::npos);
  const Judgement read_only = place([](DeviceFindings::Place& it) {
    it.read_only = true;
    it.free_bytes = 0;  // as a squashfs says
  });
  CHECK(read_only.cause == Cause::disk_read_only);
  const Judgement unseen = place([](DeviceFindings::Place& it) {
    it = {"/var/lib/holdfast", 0, 0, false, "Permission denied"};
  });
  CHECK(unseen.result == CheckResult::pass);
  CHECK(mentions(unseen, "/var/lib/holdfast: Permission denied"));
}

TEST_CASE("no descriptor left is an error, and comes before what only warns") {
  const auto used = [](std::uint64_t count) {
    return judged([&](DeviceFindings& found) {
      found.descriptors_used = count;
      found.under_voltage = true;
    });
  };
  CHECK(used(1020).cause == Cause::under_voltage);
  const Judgement none = used(1021);
  CHECK(none.result == CheckResult::fail);
  CHECK(none.cause == Cause::local_error);
  CHECK(none.measured == "1021 descriptors of 1024 are open: no connection can be made");
  CHECK(mentions(none, "the voltage is too low now"));
}

TEST_CASE("how little memory is too little depends on the machine") {
  const auto memory = [](std::uint64_t available, std::uint64_t total) {
    return judged([&](DeviceFindings& found) {
      found.memory_available = available << 20;
      found.memory_total = total << 20;
    });
  };
  CHECK(memory(15, 512).cause == Cause::memory_low);
  CHECK_FALSE(memory(16, 512).cause);
  CHECK(memory(7, 64).cause == Cause::memory_low);
  CHECK_FALSE(memory(8, 64).cause);
  CHECK(memory(63, 65536).cause == Cause::memory_low);
  CHECK_FALSE(memory(64, 65536).cause);
}
