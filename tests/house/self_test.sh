#!/usr/bin/env bash
# Shows that house.sh fails: plants one offence a rule into a copy of the tree and looks for its line.
set -u
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
failed=0

fresh_tree() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree/src/core" "$work/tree/src/ssh" "$work/tree/src/net" "$work/tree/include/holdfast" \
    "$work/tree/tests/unit"
  printf '#include <vector>\n#include "holdfast/time.hpp"\n' >"$work/tree/src/core/good.cpp"
  printf '#include <libssh/libssh.h>\n#include "net/resolver.hpp"\n// no sleep_for here\n' >"$work/tree/src/ssh/good.cpp"
  printf 'core ssh net config unit\n' >"$work/tree/ARCHITECTURE.md"
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
expect third_party_headers_stay_in_their_folder src/main.cpp '#include <CLI/CLI.hpp>'
expect third_party_headers_stay_in_their_folder src/ssh/bad.hpp '#include <boost/beast/core.hpp>'
expect the_core_includes_std_only src/core/bad.cpp '#include <sys/socket.h>'
expect the_core_includes_std_only include/holdfast/bad.hpp '#include <tl/expected.hpp>'
expect includes_follow_the_arrows src/net/bad.cpp '#include "ssh/session.hpp"'
expect includes_follow_the_arrows src/main.cpp '#include "supervisor/supervisor.hpp"'
expect no_coroutines tests/unit/bad.cpp '  co_await something();'
expect no_fixed_sleeps tests/unit/bad.cpp '  std::this_thread::sleep_for(1s);'
expect no_fixed_sleeps src/net/bad.cpp '  ::sleep(1);'
expect the_core_is_told_the_time src/core/bad.cpp '  auto now = Clock::now();'
expect architecture_names_each_folder src/orphan/ ''
expect configuration_documents_each_key src/config/bad.cpp '    key<Number, &Spec::port>("prot"),' prot
expect diagnosis_explains_each_cause include/holdfast/cause.hpp "$(printf 'enum class Cause {\n  gremlins,\n};')" gremlins
expect security_names_tests_that_exist docs/security.md 'unit/bad_test.cpp: nobody wrote this' unit/bad_test.cpp
expect the_package_builds_with_what_is_listed tools/packages 'build  libnew-dev' libnew-dev
expect the_package_has_the_programs_version debian/changelog 'holdfast (9.9) unstable; urgency=medium'
"$here/libraries.sh" "$(command -v cmake)" >/dev/null && { echo "libraries.sh finds nothing wrong with cmake"; failed=1; }
exit "$failed"
