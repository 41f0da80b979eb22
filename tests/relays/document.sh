#!/usr/bin/env bash
# Is each row of docs/relays.md a test, each test a row, and each an entry of ctest's? The tests themselves check what a
# row says. Usage: document.sh RELAYS_PROGRAM ROW...
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2
program=$1
shift
tests=$("$program" --list-test-cases | sed '/^\[doctest\]/d; /^=*$/d' | sort) || exit 2
rows=$(sed -n 's/^| \([^|]*\) |.*/\1/p' docs/relays.md | grep -vxE 'relay|account|-+' | sort)
entries=$(printf '%s\n' "$@" | sort)
diff <(echo "$tests") <(echo "$rows") || { echo "docs/relays.md (>) has other rows than there are tests (<)"; exit 1; }
diff <(echo "$tests") <(echo "$entries") || { echo "tests/relays/CMakeLists.txt (>) has other rows than there are tests (<)"; exit 1; }
