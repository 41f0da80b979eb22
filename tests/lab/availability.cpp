// Ends the test program with ctest's skip code where there can be no lab, before any test runs.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

#include "lab/lab.hpp"

namespace {

struct Availability : doctest::IReporter {
  explicit Availability(const doctest::ContextOptions&) {}

  void test_run_start() override {
    if (const auto why = holdfast::lab::Lab::unavailable()) {
      std::printf("skipped: %s\n", why->c_str());
      std::fflush(stdout);
      std::_Exit(77);
    }
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

}  // namespace

REGISTER_LISTENER("availability", 1, Availability);
