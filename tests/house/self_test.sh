#!/usr/bin/env bash
# Shows that house.sh fails: plants one offence a rule into a copy of the tree and looks for its line.
# shellcheck disable=SC2016  # backticks are Markdown's
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failed=0
table='| `src/core/` | decides | – |
| `src/config/` | reads | – |
| `src/net/` | dials | core |
| `src/main.cpp` | starts | core |'

fresh_tree() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree"/src/{core,config,net,ssh} "$work/tree/include/holdfast" "$work/tree/tests/unit"
  printf '#include <vector>\n#include "holdfast/time.hpp"\n' >"$work/tree/src/core/good.cpp"
  printf '#include <libssh/libssh.h>\n#include "net/resolver.hpp"\n#include "holdfast/time.hpp"\n// no sleep_for here\n' \
    >"$work/tree/src/ssh/good.cpp"
  printf '#include "holdfast/time.hpp"\n' | tee "$work/tree/src/net/good.cpp" >"$work/tree/src/main.cpp"
  printf '%s\n' core: config: 'net: core' 'ssh: core net' 'main.cpp: core' >"$work/tree/src/arrows.txt"
  printf '%s\n' "$table" '| `src/ssh/` | speaks | core, net |' '- tests/unit' >"$work/tree/ARCHITECTURE.md"
}

# expect RULE FILE TEXT [WHAT]: with TEXT in FILE, house.sh names this rule and WHAT (the file), and nothing else.
expect() {
  local what=${4:-$2}
  fresh_tree
  case $2 in
    */) mkdir -p "$work/tree/$2" ;;
    *) mkdir -p "$work/tree/$(dirname "$2")" && printf '%s\n' "$3" >"$work/tree/$2" ;;
  esac
  local said
  said=$("$here/house.sh" "$work/tree")
  if [ $? -ne 1 ] || [ "$(printf '%s\n' "$said" | grep -c .)" -ne 1 ] || [ "${said#"$1: $what"}" = "$said" ]; then
    printf 'planted "%s" in %s, expected one line "%s: %s...", got:\n%s\n' "$3" "$2" "$1" "$what" "$said"
    failed=1
  fi
}

fresh_tree
"$here/house.sh" "$work/tree" || { echo "a good tree was refused"; failed=1; }

expect third_party_headers_stay_in_their_folder src/net/bad.cpp '#include <libssh/libssh.h>'
expect third_party_headers_stay_in_their_folder src/main.cpp "$(printf '#include %s\n' '"holdfast/time.hpp"' '<CLI/CLI.hpp>')"
expect third_party_headers_stay_in_their_folder src/ssh/bad.hpp '#include <boost/beast/core.hpp>'
expect the_core_includes_std_only src/core/bad.cpp '#include <sys/socket.h>'
expect the_core_includes_std_only include/holdfast/bad.hpp '#include <tl/expected.hpp>'
for header in fstream filesystem thread mutex; do
  expect the_core_includes_std_only src/core/bad.cpp "#include <$header>"
done
expect includes_follow_the_arrows src/net/bad.cpp '#include "ssh/session.hpp"'
expect includes_follow_the_arrows src/main.cpp "$(printf '#include "%s"\n' holdfast/time.hpp ssh/session.hpp)"
expect no_coroutines tests/unit/bad.cpp '  co_await something();'
expect no_fixed_sleeps tests/unit/bad.cpp '  std::this_thread::sleep_for(1s);'
expect no_fixed_sleeps src/net/bad.cpp '  ::sleep(1);'
expect the_core_is_told_the_time src/core/bad.cpp '  auto now = Clock::now();'
expect each_folder_has_its_arrows src/orphan/ '' orphan
expect arrows_go_up_the_list src/arrows.txt "$(printf '%s\n' core: config: 'ssh: core net' 'net: core' 'main.cpp: core')" \
  'ssh: net'
expect no_arrow_is_idle src/net/good.cpp '' 'net: core'
expect cmake_adds_no_arrow src/net/CMakeLists.txt 'target_link_libraries(holdfast_net PUBLIC holdfast::ssh)'
expect architecture_shows_the_arrows ARCHITECTURE.md "$(printf '%s\n' "$table" '- tests/unit')" 'ssh: core, net'
expect architecture_names_each_folder tests/orphan/ ''
expect prose_wraps docs/bad.md "a line of $(printf '%0100d' 0)"
expect prose_wraps docs/bad.md "$(printf '```\nfenced %0100d\n```\n| table | %0100d\nä line of %090d\nä line of %091d' 0 0 0 0)" \
  docs/bad.md:6:
expect configuration_documents_each_key src/config/bad.cpp '    key<Number, &Spec::port>("prot"),' prot
expect diagnosis_explains_each_cause include/holdfast/cause.hpp "$(printf 'enum class Cause {\n  gremlins,\n};')" gremlins
expect security_names_tests_that_exist docs/security.md 'unit/bad_test.cpp: nobody wrote this' unit/bad_test.cpp
expect documents_name_files_that_exist docs/map.md "$(printf '| all | `src/ssh/good.cpp` |\n| none | `src/ssh/bad.cpp` |')" \
  'docs/map.md:2:src/ssh/bad.cpp'
expect the_package_builds_with_what_is_listed tools/packages 'build  libnew-dev' libnew-dev
expect the_package_has_the_programs_version debian/changelog 'holdfast (9.9) unstable; urgency=medium'
"$here/libraries.sh" "$(command -v cmake)" >/dev/null && { echo "libraries.sh finds nothing wrong with cmake"; failed=1; }
exit "$failed"
