#include "relay/lease_protocol.hpp"

#include <doctest/doctest.h>

using namespace holdfast::relay;
using namespace std::chrono_literals;

TEST_CASE("lines are built exactly as docs/relay.md spells them") {
  CHECK(hello_line(20s, "gateway-7") == "hello 1 20 gateway-7\n");
  CHECK(hold_line("localhost", 4649) == "hold localhost 4649\n");
  CHECK(evict_line("::1", 65535) == "evict ::1 65535\n");
  CHECK(who_line("", 4649) == "who * 4649\n");
  CHECK(runs_line({4711, 12}) == "runs 4711 12\n");
  CHECK(drop_line("0.0.0.0", 1) == "drop 0.0.0.0 1\n");
  CHECK(beat_line == "\n");
}

TEST_CASE("an empty address is said as a star, which means the same") {
  CHECK(hold_line("", 4649) == "hold * 4649\n");
  CHECK(hold_line("*", 4649) == hold_line("", 4649));
}

TEST_CASE("what the script would not take is not built") {
  CHECK_FALSE(hello_line(0s, "device"));
  CHECK_FALSE(hello_line(-1s, "device"));
  CHECK_FALSE(hello_line(1'000'000'000s, "device"));
  CHECK(hello_line(999'999'999s, std::string(64, 'd')));
  for (const std::string device : {"", "two words", "line\nbreak", "$(id)", "a/b", "stern*", "käse"}) {
    CAPTURE(device);
    CHECK_FALSE(is_device_name(device));
    CHECK_FALSE(hello_line(20s, device));
  }
  CHECK_FALSE(is_device_name(std::string(65, 'd')));
  for (const std::string address : {"fe80::1%eth0", "../x", "/run/socket", "a b", "a\nb", "[::1]", ";id"}) {
    CAPTURE(address);
    CHECK_FALSE(hold_line(address, 4649));
    CHECK_FALSE(evict_line(address, 4649));
    CHECK_FALSE(drop_line(address, 4649));
  }
  CHECK_FALSE(hold_line(std::string(65, 'a'), 4649));
  CHECK_FALSE(hold_line("localhost", 0));
}

TEST_CASE("the longest line that can be built is one that the script takes") {
  CHECK(hello_line(999'999'999s, std::string(64, 'd'))->size() <= 160);
  CHECK(evict_line(std::string(64, 'a'), 65535)->size() <= 160);
  CHECK(runs_line(std::vector<std::uint32_t>(20, max_run)).size() <= 160);
}

TEST_CASE("each answer is understood") {
  CHECK(parse_answer("holdfast 1 4711") == Answer{answer::Greeting{1, 4711}});
  CHECK(parse_answer("unsupported no_proc") == Answer{answer::Unsupported{"no_proc"}});
  CHECK(parse_answer("") == Answer{answer::Beat{}});
  CHECK(parse_answer("held") == Answer{answer::Held{}});
  CHECK(parse_answer("held 0100007F:1229 00000000000000000000000001000000:1229") ==
        Answer{answer::Held{{"0100007F:1229", "00000000000000000000000001000000:1229"}}});
  CHECK(parse_answer("noted") == Answer{answer::Noted{}});
  CHECK(parse_answer("clock 1796006658") == Answer{answer::Clock{1796006658}});
  CHECK(parse_answer("clock 0") == Answer{answer::Clock{0}});
  CHECK(parse_answer("clock 253402300799") == Answer{answer::Clock{latest_clock}});
  CHECK(parse_answer("clock") == Answer{answer::Clock{}});
  CHECK(parse_answer("keys") == Answer{answer::Keys{}});
  CHECK(parse_answer("keys ssh-ed25519 AAAA+/= ssh-rsa BBBB") ==
        Answer{answer::Keys{{{"ssh-ed25519", "AAAA+/="}, {"ssh-rsa", "BBBB"}}}});
  CHECK(parse_answer("dropped") == Answer{answer::Dropped{}});
  CHECK(parse_answer("free") == Answer{answer::Freed{}});
  CHECK(parse_answer("own") == Answer{answer::Own{}});
  CHECK(parse_answer("other gateway-8 86400") == Answer{answer::Other{"gateway-8", 24h}});
  CHECK(parse_answer("other gateway-8 5 4711 240") == Answer{answer::Other{"gateway-8", 5s, 240s, 4711, false}});
  CHECK(parse_answer("twin gateway-7 5 4711 240") == Answer{answer::Other{"gateway-7", 5s, 240s, 4711, true}});
  CHECK(parse_answer("unknown") == Answer{answer::NotEvicted{answer::Nobody::unknown, {}}});
  CHECK(parse_answer("unknown 0") == Answer{answer::NotEvicted{answer::Nobody::unknown, 0}});
  CHECK(parse_answer("gone 1000") == Answer{answer::NotEvicted{answer::Nobody::gone, 1000}});
  CHECK(parse_answer("mismatch 4294967295") == Answer{answer::NotEvicted{answer::Nobody::mismatch, 4294967295U}});
  CHECK(parse_answer("denied") == Answer{answer::Denied{}});
  CHECK(parse_answer("timeout") == Answer{answer::TimedOut{}});
  CHECK(parse_answer("error") == Answer{answer::Error{}});
}

TEST_CASE("anything else is malformed") {
  using namespace std::string_literals;
  const std::vector<std::string> lines = {"hel",
                                          "held ",
                                          " held",
                                          "HELD",
                                          "held\r",
                                          "free 1",
                                          "held free",
                                          "holdfast",
                                          "holdfast 1",
                                          "holdfast 1 1",
                                          "holdfast 0 4711",
                                          "holdfast 2 4711",
                                          "holdfast 01 4711",
                                          "holdfast 1 04711",
                                          "holdfast 1 -5",
                                          "holdfast 1 47x",
                                          "holdfast 1 4294967296",
                                          "holdfast 1 99999999999999999999",
                                          "holdfast  1 4711",
                                          "holdfast 1 4711 x",
                                          "unsupported",
                                          "unsupported ",
                                          "unsupported No",
                                          "unsupported a b",
                                          "unsupported ../x",
                                          "unsupported " + std::string(33, 'a'),
                                          "other gateway-8",
                                          "twin gateway-8 1",
                                          "other gateway-8 1 2",
                                          "other gateway-8 1 0 240",
                                          "other gateway-8 1 1000000000 240",
                                          "twin gateway-8 1 4711 x",
                                          "twin gateway-8 1 4711 240 1",
                                          "held 0100007F",
                                          "held 0100007f:1229",
                                          "held 0100007F:12299",
                                          "held 01007F:1229",
                                          "noted 1",
                                          "clock ",
                                          "clock 01",
                                          "clock -1",
                                          "clock 1.5",
                                          "clock 253402300800",
                                          "clock %s",
                                          "clock 1 2",
                                          "keys ssh-ed25519",
                                          "keys ssh-ed25519 ",
                                          "keys ssh-ed25519 AAAA ssh-rsa",
                                          "keys ssh_rsa AAAA",
                                          "keys a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9",
                                          "other gateway-8 -1",
                                          "other gateway-8 1.5",
                                          "other gateway/8 1",
                                          "other  1",
                                          "other " + std::string(65, 'd') + " 1",
                                          "other a b 1",
                                          "unknown -",
                                          "unknown x",
                                          "unknown 4294967296",
                                          "unknown 1 2",
                                          "gone ",
                                          "\0"s,
                                          "held\0"s,
                                          "\xff\xfe",
                                          "free" + std::string(300, ' '),
                                          std::string(max_answer_bytes + 1, 'a')};
  for (const auto& line : lines) {
    CAPTURE(line);
    CHECK(parse_answer(line) == Answer{answer::Malformed{}});
  }
}

TEST_CASE("no cut, doubled or changed answer is taken for one that frees a port") {
  const std::string free = "free";
  for (std::size_t i = 0; i < free.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string changed = free;
      changed[i] = static_cast<char>(c);
      CHECK((parse_answer(changed) == Answer{answer::Freed{}}) == (changed == free));
    }
    if (i > 0) CHECK(parse_answer(free.substr(0, i)) == Answer{answer::Malformed{}});
  }
}

TEST_CASE("a stream gives the same answers in pieces of any size, and skips the login shell's noise") {
  const std::string bytes =
      "Welcome to relay\nheld\n\nYou have mail.\nholdfast 1 4711\nheld\n\n\nother b 5\nunknown 33\n";
  const std::vector<Answer> expected = {answer::Greeting{1, 4711},
                                        answer::Held{},
                                        answer::Beat{},
                                        answer::Beat{},
                                        answer::Other{"b", 5s},
                                        answer::NotEvicted{answer::Nobody::unknown, 33}};
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    CAPTURE(size);
    AnswerStream stream;
    std::vector<Answer> answers;
    for (std::size_t at = 0; at < bytes.size(); at += size) {
      for (auto& answer : stream.feed(std::string_view(bytes).substr(at, size))) answers.push_back(answer);
    }
    CHECK(answers == expected);
  }
}

TEST_CASE("a greeting that says no is heard through the noise too") {
  AnswerStream stream;
  CHECK(stream.feed("motd\nunsupported no_sshd\n") == std::vector<Answer>{answer::Unsupported{"no_sshd"}});
}

TEST_CASE("a script that went wrong is heard once and never again") {
  AnswerStream stream;
  CHECK(stream.feed("holdfast 1 4711\nfre\nfree\n") ==
        std::vector<Answer>{answer::Greeting{1, 4711}, answer::Malformed{}});
  CHECK(stream.feed("free\n").empty());
}

TEST_CASE("a line without an end and noise without an end are both cut off") {
  AnswerStream line;
  CHECK(line.feed("holdfast 1 4711\n").size() == 1);
  CHECK(line.feed(std::string(max_answer_bytes, 'x')).empty());
  CHECK(line.feed("x") == std::vector<Answer>{answer::Malformed{}});

  AnswerStream noise;
  CHECK(noise.feed(std::string(max_noise_bytes / 2, 'x') + "\n").empty());
  CHECK(noise.feed(std::string(max_noise_bytes / 2, 'y') + "\nholdfast 1 4711\n") ==
        std::vector<Answer>{answer::Malformed{}});
}
