#include "net/dial/banner.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using holdfast::net::Banner;

namespace {

/// What is found in the end when it comes `size` bytes at a time.
Banner::Found found_in(std::string_view text, std::size_t size) {
  Banner banner;
  Banner::Found found = Banner::Found::nothing_yet;
  for (; !text.empty() && found == Banner::Found::nothing_yet; text.remove_prefix(std::min(size, text.size()))) {
    found = banner.take(text.substr(0, size));
  }
  return found;
}

}  // namespace

TEST_CASE("a banner is found at the begin of a line, in whatever pieces it comes") {
  for (const std::size_t size : {1, 3, 512, 10000}) {
    CAPTURE(size);
    CHECK(found_in("SSH-2.0-OpenSSH_9.2\r\n", size) == Banner::Found::banner);
    CHECK(found_in("Welcome\r\nSSH-2.0-OpenSSH_9.2\r\n", size) == Banner::Found::banner);
    CHECK(found_in("no SSH-2.0 here\r\n", size) == Banner::Found::nothing_yet);
  }
}

TEST_CASE("4 KiB without a banner hold none, in whatever pieces they come") {
  const std::string most(4091, 'x');
  for (const std::size_t size : {1, 3, 512, 10000}) {
    CAPTURE(size);
    CHECK(found_in(most + "x\nSSH-2.0-late", size) == Banner::Found::none);
    CHECK(found_in(most + "\nSSH-2.0-in_time", size) == Banner::Found::banner);
    CHECK(found_in(most + "xxxx", size) == Banner::Found::nothing_yet);
    CHECK(found_in(most + "xxxxx", size) == Banner::Found::none);
  }
}

TEST_CASE("a penalty is known by sshd's words") {
  Banner banner;
  banner.take("Not allowed at ");
  CHECK_FALSE(banner.is_penalty());
  banner.take("this time\r\n");
  CHECK(banner.is_penalty());
}
