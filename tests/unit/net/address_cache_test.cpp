#include "net/address_cache.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "net/state_file.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::net;
using namespace std::chrono_literals;
using holdfast::test::TempDir;
using holdfast::test::write_file;

namespace {

using Addresses = std::vector<boost::asio::ip::address>;

Addresses addresses(std::initializer_list<const char*> texts) {
  Addresses list;
  for (const char* text : texts) list.push_back(boost::asio::ip::make_address(text));
  return list;
}

const std::chrono::sys_seconds then{1700000000s};
const TimePoint start{};

/// A cache over a file, and what it said when it was opened.
struct Opened {
  explicit Opened(const std::string& path) : cache(path, [this](const std::string& line) { said.push_back(line); }) {}
  std::optional<std::string> save(TimePoint now) {
    const auto text = cache.due(now);
    return text ? cache.written(replace_file(cache.path(), *text)) : std::nullopt;
  }

  std::vector<std::string> said;
  AddressCache cache;
};

std::string file_of(const std::string& lines) {
  return "holdfast addresses 1\n" + lines;
}

}  // namespace

TEST_CASE("what was stored is there in the next process") {
  const TempDir dir;
  {
    Opened opened(dir / "addresses");
    CHECK(opened.said.empty());
    opened.cache.store("relay.example", AddressFamily::any, addresses({"2001:db8::1", "192.0.2.1"}), then);
    opened.cache.store("relay.example", AddressFamily::inet, addresses({"192.0.2.1"}), then);
    CHECK_FALSE(opened.save(start));
  }
  CHECK(test::read_file(dir / "addresses") == file_of("relay.example any 1700000000 2001:db8::1 192.0.2.1\n"
                                                      "relay.example inet 1700000000 192.0.2.1\n"));
  Opened opened(dir / "addresses");
  CHECK(opened.said.empty());
  const CachedAddresses* found = opened.cache.find("relay.example", AddressFamily::any);
  REQUIRE(found != nullptr);
  CHECK(*found == CachedAddresses{addresses({"2001:db8::1", "192.0.2.1"}), then});
  CHECK(opened.cache.find("relay.example", AddressFamily::inet6) == nullptr);
  CHECK(opened.cache.find("other.example", AddressFamily::any) == nullptr);
}

TEST_CASE("the file is written when addresses change, and not when they are only dealt in another order") {
  const TempDir dir;
  Opened opened(dir / "addresses");
  const auto written = [&](TimePoint now) {
    std::filesystem::remove(dir / "addresses");
    CHECK_FALSE(opened.save(now));
    return std::filesystem::exists(dir / "addresses");
  };
  const auto store = [&](std::initializer_list<const char*> list, std::chrono::seconds later) {
    opened.cache.store("relay.example", AddressFamily::any, addresses(list), then + later);
  };
  CHECK_FALSE(written(start));
  store({"192.0.2.1", "192.0.2.2"}, 0s);
  CHECK(written(start));
  store({"192.0.2.2", "192.0.2.1"}, 1min);
  CHECK_FALSE(written(start + 11min));
  store({"192.0.2.3"}, 12min);
  CHECK(written(start + 12min));
  CHECK(opened.cache.find("relay.example", AddressFamily::any)->addresses == addresses({"192.0.2.3"}));
}

TEST_CASE("a name server that says something else each time wears out no flash") {
  const TempDir dir;
  Opened opened(dir / "addresses");
  int writes = 0;
  for (int minute = 0; minute < 60; ++minute) {
    const std::string address = "192.0.2." + std::to_string(minute + 1);
    opened.cache.store("relay.example", AddressFamily::any, addresses({address.c_str()}), then);
    std::filesystem::remove(dir / "addresses");
    CHECK_FALSE(opened.save(start + std::chrono::minutes{minute}));
    writes += std::filesystem::exists(dir / "addresses") ? 1 : 0;
  }
  CHECK(writes == 6);
}

TEST_CASE("once a day the file is written so that the age that is told is about true") {
  const TempDir dir;
  Opened opened(dir / "addresses");
  opened.cache.store("relay.example", AddressFamily::any, addresses({"192.0.2.1"}), then);
  CHECK_FALSE(opened.save(start));
  opened.cache.store("relay.example", AddressFamily::any, addresses({"192.0.2.1"}), then + 24h);
  CHECK_FALSE(opened.save(start + 24h));
  CHECK(test::read_file(dir / "addresses").find("1700086400") != std::string::npos);
}

TEST_CASE("a file with anything wrong in it is ignored as a whole, and one line says so") {
  const std::string good = "relay.example any 1700000000 192.0.2.1\n";
  for (const std::string& text :
       {std::string("garbage\n"), std::string(300000, 'x'), std::string("\0\xff\x00\n", 4),
        "holdfast addresses 2\n" + good, file_of(good + good), file_of(good + "cut.example any 17"),
        file_of(good + "cut.example any 1700000000 192.0.2.1"), file_of(good + "cut.example any 1700000000\n"),
        file_of(good + "no.example any 1700000000 192.0.2.999\n"),
        file_of(good + "no.example any 1700000000 evil.example\n"),
        file_of(good + "no.example inet 1700000000 2001:db8::1\n"),
        file_of(good + "no.example both 1700000000 192.0.2.1\n"), file_of(good + "no.example any -5 192.0.2.1\n"),
        file_of(good + "no.example any 99999999999999999999 192.0.2.1\n"), file_of(good + "\n"),
        file_of(good + "bell\a.example any 1700000000 192.0.2.1\n"),
        file_of(good + std::string(256, 'n') + " any 1700000000 192.0.2.1\n")}) {
    const TempDir dir;
    write_file(dir / "addresses", text);
    Opened opened(dir / "addresses");
    CAPTURE(text.substr(0, 200));
    REQUIRE(opened.said.size() == 1);
    CHECK(opened.said[0].find(dir / "addresses") != std::string::npos);
    CHECK(opened.cache.find("relay.example", AddressFamily::any) == nullptr);
    // And it is replaced by a good one as soon as there is something to keep.
    opened.cache.store("relay.example", AddressFamily::any, addresses({"192.0.2.2"}), then);
    CHECK_FALSE(opened.save(start));
    CHECK(test::read_file(dir / "addresses") == file_of("relay.example any 1700000000 192.0.2.2\n"));
  }
}

TEST_CASE("what is no regular file is ignored at once, and never followed") {
  const TempDir dir;
  write_file(dir / "elsewhere", file_of("relay.example any 1700000000 192.0.2.1\n"));
  std::filesystem::create_symlink(dir / "elsewhere", dir / "link");
  std::filesystem::create_directory(dir / "directory");
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  for (const char* name : {"link", "directory", "fifo"}) {
    Opened opened(dir / name);
    CAPTURE(name);
    CHECK(opened.said.size() == 1);
    CHECK(opened.cache.find("relay.example", AddressFamily::any) == nullptr);
  }
}

TEST_CASE("a file that can't be written is said once") {
  const TempDir dir;
  Opened opened(dir / "missing/addresses");
  CHECK(opened.said.empty());
  opened.cache.store("relay.example", AddressFamily::any, addresses({"192.0.2.1"}), then);
  const auto said = opened.save(start);
  REQUIRE(said);
  CHECK(said->find("missing/addresses") != std::string::npos);
  CHECK_FALSE(opened.save(start + 1h));
  std::filesystem::create_directory(dir / "missing");
  CHECK_FALSE(opened.save(start + 2h));
  CHECK(std::filesystem::exists(dir / "missing/addresses"));
}

TEST_CASE("a leftover of a write that was cut does not stand in the way, nor is it followed") {
  const TempDir dir;
  write_file(dir / "victim", "mine");
  std::filesystem::create_symlink(dir / "victim", dir / "addresses.new");
  Opened opened(dir / "addresses");
  opened.cache.store("relay.example", AddressFamily::any, addresses({"192.0.2.1"}), then);
  CHECK_FALSE(opened.save(start));
  CHECK(test::read_file(dir / "victim") == "mine");
  CHECK(std::filesystem::exists(dir / "addresses"));
  CHECK_FALSE(std::filesystem::exists(dir / "addresses.new"));
}

TEST_CASE("the number of names and of addresses is bounded: the ones seen longest ago go") {
  const TempDir dir;
  Opened opened(dir / "addresses");
  for (int name = 0; name < 300; ++name) {
    opened.cache.store("relay" + std::to_string(name), AddressFamily::any, addresses({"192.0.2.1"}),
                       then + std::chrono::seconds{name});
  }
  CHECK(opened.cache.find("relay99", AddressFamily::any) == nullptr);
  CHECK(opened.cache.find("relay100", AddressFamily::any) != nullptr);
  Addresses many;
  for (unsigned last = 0; last < 100; ++last) many.push_back(boost::asio::ip::address_v4(last));
  opened.cache.store("many", AddressFamily::any, many, then);
  CHECK(opened.cache.find("many", AddressFamily::any)->addresses.size() == 16);
  CHECK_FALSE(opened.save(start));
  CHECK(Opened(dir / "addresses").said.empty());
}

TEST_CASE("without a path it remembers in memory only") {
  Opened opened("");
  opened.cache.store("relay.example", AddressFamily::any, addresses({"192.0.2.1"}), then);
  CHECK_FALSE(opened.save(start));
  CHECK(opened.cache.find("relay.example", AddressFamily::any) != nullptr);
}

TEST_CASE("while the file is being written nothing else is due, and what came meanwhile is due afterwards") {
  const TempDir dir;
  Opened opened(dir / "addresses");
  opened.cache.store("relay.example", AddressFamily::any, addresses({"192.0.2.1"}), then);
  const auto first = opened.cache.due(start);
  REQUIRE(first);
  opened.cache.store("other.example", AddressFamily::any, addresses({"192.0.2.2"}), then);
  CHECK_FALSE(opened.cache.due(start + 1h));
  CHECK_FALSE(opened.cache.written(0));
  const auto second = opened.cache.due(start + 1h);
  REQUIRE(second);
  CHECK(second->find("other.example") != std::string::npos);
}

TEST_CASE("what could not be written is due again") {
  const TempDir dir;
  Opened opened(dir / "addresses");
  opened.cache.store("relay.example", AddressFamily::any, addresses({"192.0.2.1"}), then);
  REQUIRE(opened.cache.due(start));
  CHECK(opened.cache.written(EIO));
  CHECK_FALSE(opened.cache.due(start + 1min));
  CHECK(opened.cache.due(start + 1h));
}

TEST_CASE("of a relay's name the addresses are kept where its key was right, and none that DNS has given up") {
  AddressCache cache("", {});
  const auto right_at = [&](const char* address, const Addresses& said) {
    cache.proved("relay.example", AddressFamily::any, boost::asio::ip::make_address(address), said, then);
    return cache.find("relay.example", AddressFamily::any)->addresses;
  };
  const Addresses both = addresses({"2001:db8::1", "192.0.2.1"});
  CHECK(right_at("192.0.2.1", both) == addresses({"192.0.2.1"}));
  CHECK(right_at("2001:db8::1", both) == both);
  CHECK(right_at("192.0.2.1", both) == addresses({"192.0.2.1", "2001:db8::1"}));
  // A stranger has the name, and the relay is found where it was.
  CHECK(right_at("192.0.2.1", addresses({"198.51.100.7"})) == addresses({"192.0.2.1", "2001:db8::1"}));
  CHECK(right_at("198.51.100.9", addresses({"198.51.100.9", "2001:db8::1"})) ==
        addresses({"198.51.100.9", "2001:db8::1"}));
}
