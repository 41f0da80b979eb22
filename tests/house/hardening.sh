#!/usr/bin/env bash
# Is the binary built as a program should be that strangers talk to? Usage: hardening.sh BINARY [optimised]
# shellcheck disable=SC2317  # what expect() is given
# `optimised`: it must also have the checks of sizes that only an optimised build can have.
set -u
export LC_ALL=C
binary=$1
failed=0
expect() { # TEXT COMMAND...
  local text=$1
  shift
  "$@" && return
  echo "$binary: no $text"
  failed=1
}
headers=$(readelf --file-header --program-headers --dynamic --wide "$binary") || exit 2
symbols=$(readelf --dyn-syms --wide "$binary") || exit 2
has() { grep -qE -- "$2" <<<"$1"; }
lacks() { ! has "$@"; }

expect "position independence" has "$headers" '^ *Type: *DYN \(Position-Independent Executable'
expect "read-only relocations (RELRO)" has "$headers" '^ *GNU_RELRO'
expect "binding at start, so that RELRO covers all" has "$headers" 'FLAGS_1.*\bNOW\b'
expect "stack that can't be executed" has "$headers" '^ *GNU_STACK .* RW '
expect "stack protector" has "$symbols" '__stack_chk_fail'
expect "writable segment that can't be executed" lacks "$headers" '^ *LOAD .* RWE '
if [ "${2-}" = optimised ]; then
  expect "checks of sizes (FORTIFY)" has "$symbols" '__[a-z]+_chk@'
fi
exit "$failed"
