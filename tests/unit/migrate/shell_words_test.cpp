#include "migrate/shell_words.hpp"

#include <doctest/doctest.h>

using namespace holdfast::migrate;

namespace {

using Commands = std::vector<Words>;

Commands split(std::string_view line) {
  const auto commands = shell_commands(line);
  REQUIRE_MESSAGE(commands.has_value(), line);
  return *commands;
}

std::string refusal(std::string_view line) {
  const auto commands = shell_commands(line);
  REQUIRE_FALSE_MESSAGE(commands.has_value(), line);
  return commands.error();
}

}  // namespace

TEST_CASE("words are split and unquoted as a shell does") {
  CHECK(split("  ssh  -N\thost ") == Commands{{"ssh", "-N", "host"}});
  CHECK(split(R"(a 'b c' "d e" f\ g ''h "" )") == Commands{{"a", "b c", "d e", "f g", "h", ""}});
  CHECK(split(R"("say \"no\" \\ \n" '\')") == Commands{{R"(say "no" \ \n)", "\\"}});
  CHECK(split("-o\"Port 22\"") == Commands{{"-oPort 22"}});
  CHECK(split("").empty());
}

TEST_CASE("commands are told apart, and what is no part of them is left out") {
  CHECK(split("sleep 30 && ssh a; ssh b &") == Commands{{"sleep", "30"}, {"ssh", "a"}, {"ssh", "b"}});
  CHECK(split("ssh a >/dev/null 2>&1 &") == Commands{{"ssh", "a"}});
  CHECK(split("ssh a > log 2>> log -N") == Commands{{"ssh", "a", "-N"}});
  CHECK(split("ssh a # the tunnel") == Commands{{"ssh", "a"}});
  CHECK(split("ssh a#b") == Commands{{"ssh", "a#b"}});
  CHECK(split("(ssh a | logger)") == Commands{{"ssh", "a"}, {"logger"}});
}

TEST_CASE("what was set before is known") {
  CHECK(shell_commands("ssh -R ${PORT}:localhost:22 \"$USER@relay\"", {{"PORT", "4649"}, {"USER", "pi"}}).value() ==
        Commands{{"ssh", "-R", "4649:localhost:22", "pi@relay"}});
  CHECK(shell_commands("ssh $NONE $ALL\"$ALL\" a", {{"NONE", ""}, {"ALL", "-N  -p 1"}}).value() ==
        Commands{{"ssh", "-N", "-p", "1-N  -p 1", "a"}});
}

TEST_CASE("what only a running shell knows is named") {
  CHECK(refusal("ssh -R $PORT:localhost:22 a") == "$PORT is known to a running shell only: write what it stands for");
  CHECK(refusal("ssh \"${HOST}\"") == "${HOST} is known to a running shell only: write what it stands for");
  CHECK(refusal("ssh `hostname`") == "`hostname` is known to a running shell only: write what it stands for");
  CHECK(refusal("ssh $(cat /etc/relay)") == "$(cat is known to a running shell only: write what it stands for");
  CHECK(refusal("ssh 'a") == "the quote ' has no end");
  CHECK(refusal("ssh \"a") == "the quote \" has no end");
  CHECK(split("ssh '$HOST'") == Commands{{"ssh", "$HOST"}});
}
