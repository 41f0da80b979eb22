#include "relay/script.hpp"

#include <doctest/doctest.h>

using namespace holdfast::relay;

TEST_CASE("comments, blank lines and indentation go") {
  CHECK(on_one_line("#!/bin/sh\n\n# why\n  a b\n\t# more\nc  \n") == "a b;c");
  CHECK(on_one_line("a") == "a");
  CHECK(on_one_line("").empty());
}

TEST_CASE("no semicolon follows a line that the shell reads on behind") {
  CHECK(on_one_line("f() {\n  a\n}\nf\n") == "f() { a;};f");
  CHECK(on_one_line("if a; then\n  b\nelse\n  c\nfi\n") == "if a;then b;else c;fi");
  CHECK(on_one_line("while a; do\n  b\ndone\n") == "while a;do b;done");
  CHECK(on_one_line("case $x in\n  a) b ;;\n  *) c ;;\nesac\n") == "case $x in a) b;;*) c;;esac");
  CHECK(on_one_line("x=$({\n  a\n} 2>&1) ||\n  b &&\nc |\nd\n") == "x=$({ a;} 2>&1)|| b&& c| d");
}

TEST_CASE("a word that only ends like a keyword does end a line") {
  CHECK(on_one_line("echo undo\nmain\necho begin\n") == "echo undo;main;echo begin");
}

TEST_CASE("blanks within quotes stay") {
  CHECK(on_one_line("echo \"a ; b && c\" ; echo 'd | e' || f") == "echo \"a ; b && c\";echo 'd | e'||f");
  CHECK(on_one_line("echo \"it's ; so\" ; a") == "echo \"it's ; so\";a");
}

TEST_CASE("a word is quoted so that neither a Bourne shell nor csh nor fish changes it") {
  CHECK(quoted("") == "''");
  CHECK(quoted("a $b \"c\" `d` #e") == "'a $b \"c\" `d` #e'");
  CHECK(quoted("it's") == "'it'\\''s'");
  CHECK(quoted("[!0-9]") == "'['\\!'0-9]'");
  CHECK(quoted("a\\b") == "'a'\\\\'b'");
}

TEST_CASE("a part that is named is left out") {
  CHECK(without("a\n# begin x\nb\n# end x\nc\n", "x") == "a\n# end x\nc\n");
  CHECK(without("a\n# begin x\nb\n", "x") == "a\n# begin x\nb\n");
  CHECK(exec_command(true).find("keys() {") != std::string::npos);
  CHECK(exec_command(false).find("keys() {") == std::string::npos);
}

TEST_CASE("the command is one line of printable ASCII, and small") {
  const std::string command = exec_command(false);
  CHECK(command.starts_with("exec /bin/sh -c '"));
  for (const char c : command) CHECK((c >= ' ' && c <= '~'));
  // Every session start sends it. The old csh takes no word over some 4000 bytes.
  CHECK(command.size() < 3800);
  CHECK(exec_command(true).size() < 4400);
  MESSAGE("the exec request's command has " << command.size() << " bytes");
}

TEST_CASE("the script is the whole file, as a forced command needs it") {
  CHECK(script().starts_with("#!/bin/sh\n"));
  CHECK(script().ends_with("done\n"));
}
