#include "support/skip.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>

#include "support/net.hpp"
#include "support/process.hpp"

namespace holdfast::test {

void skipped(const std::string& why) {
  // A line of its own, whatever was written before.
  std::fprintf(stderr, "\nskipped: %s: %s\n", doctest::getContextOptions()->currentTest->m_name, why.c_str());
}

bool skipped_without_root() {
  if (::geteuid() == 0) return false;
  skipped("it needs root");
  return true;
}

bool skipped_without_mounts() {
  if (skipped_without_root()) return true;
  static const Finished probe = run({{"unshare", "-m", "-p", "-f", "--mount-proc", "true"}});
  if (probe.status == success) return false;
  skipped("it needs to mount: " + probe.errors.substr(0, probe.errors.find('\n')));
  return true;
}

bool skipped_without_ipv6() {
  if (has_ipv6()) return false;
  skipped("it needs ::1");
  return true;
}

}  // namespace holdfast::test
