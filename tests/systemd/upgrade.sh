#!/usr/bin/env bash
# A device whose Debian 12 becomes 13: installs holdfast in a bare 12 as docs/operations.md says, takes away what only the build
# needed, upgrades, cleans up as apt proposes, and sees a tunnel come up each time. Usage: upgrade.sh BUILD_FOLDER
# Needs root and the network. 77: this machine can't do it; the last line says why.
# shellcheck disable=SC2016  # expanded by the shells inside
set -uo pipefail
build=$1
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "skipped: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip "only root can make and enter a root"
command -v mmdebstrap >/dev/null || skip "mmdebstrap is missing (tools/install-packages boot)"
grep -q '^VERSION_CODENAME=bookworm' /etc/os-release || skip "the upgrade begins with a build of Debian 12"

work=$(mktemp -d) || exit 2
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT

# inside NETWORK COMMAND...: in the root, with processes of its own; the network is the machine's or none but a loopback.
inside() {
  local new=(--mount --propagation private --pid --fork --kill-child)
  [ "$1" = machine ] || new+=(--net)
  unshare "${new[@]}" sh -c '
    [ "$1" = machine ] || ip link set lo up || exit 1
    root=$2
    shift 2
    mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" &&
      exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive \
        ASAN_OPTIONS=detect_leaks=0 chroot "$root" "$@"' inside "$1" "$root" "${@:2}"
}
failed=0
# check TEXT COMMAND...: the output is shown only if the command fails.
check() {
  local text=$1 began=$SECONDS
  shift
  if "$@" >"$work/log" 2>&1 </dev/null; then
    echo "ok: $text ($((SECONDS - began)) s)"
  else
    echo "FAILED: $text"
    tail -n 30 "$work/log"
    failed=1
  fi
}

# ---- a bare Debian 12 with what operations.md installs -------------------------------------------------------------

# Of the build packages only the libraries that the program links: they were nobody's wish but the -dev packages'.
mapfile -t libraries < <(ldd "$build/src/holdfast" | awk '$3 ~ /^\// { print $3 }' | xargs -rn1 readlink -f |
  xargs -r dpkg-query -S 2>/dev/null | cut -d: -f1 | sort -u)
mmdebstrap --quiet --mode=root --variant=minbase --include="$(IFS=, && echo "openssh-server,openssh-client,${libraries[*]}")" \
  bookworm "$root" >"$work/log" 2>&1 </dev/null || { tail -n 5 "$work/log"; skip "mmdebstrap could not make a root"; }
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
install -m 755 "$here/upgrade_inside.sh" "$root/root/upgrade_inside.sh"
DESTDIR=$root cmake --install "$build" --prefix /usr >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
inside none apt-mark auto "${libraries[@]}" >/dev/null
mark=$(grep -m 1 '^apt-mark manual ' "$here/../../docs/operations.md") || { echo "FAILED: operations.md marks nothing as wanted"; exit 1; }
check "the '$mark' of operations.md" inside none sh -c "$mark"
# A sanitizer's libraries are the test's, not a device's.
printf '%s\n' "${libraries[@]}" | grep 'san[0-9]' | xargs -r -I{} chroot "$root" apt-mark manual {} >/dev/null

# ---- the build packages go, then the Debian ---------------------------------------------------------------------

check "apt autoremove" inside none apt-get autoremove --purge -qy
check "a tunnel comes up on Debian 12" inside none /root/upgrade_inside.sh
sed -i 's/bookworm/trixie/' "$root/etc/apt/sources.list"
inside machine apt-get update -q >"$work/log" 2>&1 || { tail -n 5 "$work/log"; skip "no packages of Debian 13 can be had here"; }
check "apt full-upgrade" inside machine apt-get full-upgrade -qy -o Dpkg::Options::=--force-confold
check "apt autoremove" inside machine apt-get autoremove --purge -qy
check "this is Debian 13" grep -q '^VERSION_CODENAME=trixie' "$root/etc/os-release"
check "a tunnel comes up on Debian 13" inside none /root/upgrade_inside.sh
exit "$failed"
