#!/bin/sh
# Holds what the program may ask the loader for: libraries that a device keeps through an upgrade of its Debian
# (docs/decisions/0010-what-is-linked-in.md). Usage: libraries.sh PROGRAM
set -u
needed=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p')
[ -n "$needed" ] || { echo "readelf names no library that $1 needs" >&2; exit 2; }
failed=0
for library in $needed; do
  case $library in
    libssh.so.4 | libmnl.so.0) ;;
    libstdc++.so.6 | libgcc_s.so.1 | libm.so.6 | libc.so.6 | ld-linux*.so.*) ;;
    libasan.so.* | libubsan.so.*) ;;  # of a build with sanitizers, which nobody installs
    *)
      echo "$1 needs $library, which the next Debian may not have"
      failed=1
      ;;
  esac
done
exit "$failed"
