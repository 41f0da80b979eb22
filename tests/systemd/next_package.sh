#!/usr/bin/env bash
# Writes the same Debian package again, with a higher version. Usage: next_package.sh FILE.deb NEXT.deb
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dpkg-deb --raw-extract "$1" "$work/package"
sed -i 's/^Version: .*/&+next/' "$work/package/DEBIAN/control"
dpkg-deb --root-owner-group -Zgzip --build "$work/package" "$2" >/dev/null
