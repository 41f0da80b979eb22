#!/usr/bin/env bash
# Prints the suite of the Debian that a package of ours was built for, which its version names (tools/package). Whatever
# else was built is for what this machine runs. Usage: suite.sh FILE.deb|BUILD_FOLDER
#        suite.sh --sources SUITE   where apt has this machine's suite from, a line each; nothing for another one
set -euo pipefail
here() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release | grep .; }
if [ "$1" = --sources ]; then
  [ "$2" != "$(here)" ] || ls /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true
  exit
fi
version=
[ ! -f "$1" ] || version=$(dpkg-deb --field "$1" Version)
case $version in
  *+deb12*) echo bookworm ;;
  *+deb13*) echo trixie ;;
  *) here ;;
esac
