#!/usr/bin/env bash
# Installs, upgrades, removes and purges Debian's package in a bare root of the Debian that it was built for, as
# piuparts does, and sees a tunnel come up; a program for another architecture runs under qemu, and all else is this
# machine's. boot.sh does the same under systemd. Usage: package.sh FILE.deb
# Needs root and the network. 77: this machine can't do it; the last line says why.
# shellcheck disable=SC2016,SC2317  # for dpkg and the shells inside; the conditions are called by name
set -uo pipefail
umask 022
package=$1
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
skip() { echo "skipped: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip "only root can make and enter a root"
command -v mmdebstrap >/dev/null || skip "mmdebstrap is missing (tools/install-packages boot)"
suite=$("$here/suite.sh" "$package") || skip "nothing says for which Debian $package is"
arch=$(dpkg-deb --field "$package" Architecture) native=$(dpkg --print-architecture)
name=holdfast:$arch
architectures=$native
mapfile -t from < <("$here/suite.sh" --sources "$suite")
if [ "$arch" != "$native" ]; then
  case $arch in arm64) qemu='qemu-aarch64-static' ;; armhf) qemu='qemu-arm-static' ;; *) skip "no emulator is known for $arch" ;; esac
  qemu=$(command -v "$qemu") || skip "$qemu is missing (tools/install-packages foreign)"
  # A library has to have one version in both architectures, and the lists of updates are not everywhere in step.
  architectures+=,$arch
  from=("deb http://deb.debian.org/debian $suite main")
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/holdfast-package.XXXXXX") || exit 2
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT

failed=0
# check TEXT COMMAND...: what it says is shown only if it fails.
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
not() { ! "$@"; }
inside() {
  unshare --mount --propagation private --pid --fork --kill-child sh -c '
    root=$1
    shift
    mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" &&
      exec env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"' \
    inside "$root" "$@"
}
status() { [ "$(inside dpkg-query -W -f '${db:Status-Status}' "$name")" = "$1" ]; }
# All that is there, but for what apt and dpkg keep for themselves; the user's entry is in files that any package may change.
tree() {
  (cd "$root" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache -o -path ./var/log -o \
    -path ./root -o -path ./proc -o -path ./dev -o -path ./tmp -o -path ./run \) -prune -o -print | sort)
}
# Each picture of the documents lies where they say, as it is.
pictures() {
  local folder=$root/usr/share/doc/holdfast file picture shown=0
  while IFS=: read -r file picture; do
    shown=$((shown + 1))
    [ -s "$(dirname "$file")/$picture" ] || { echo "$file: $picture"; return 1; }
  done < <(grep -roE --include='*.md' '!\[[^]]*\]\([^)]*\)' "$folder" | sed 's/:.*](\(.*\))$/:\1/')
  [ "$shown" -gt 0 ]
}

# ---- a bare Debian, and a next version of the package -----------------------------------------------------------

mmdebstrap --quiet --mode=root --variant=minbase --dpkgopt=force-unsafe-io --architectures="$architectures" \
  --include=openssh-server,openssh-client,systemd,iproute2 "$suite" "$root" "${from[@]}" >"$work/log" 2>&1 </dev/null ||
  { tail -n 5 "$work/log"; skip "mmdebstrap could not make a root"; }
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
install -m 755 "$here/upgrade_inside.sh" "$root/root/upgrade_inside.sh"
install -m 644 "$package" "$root/root/holdfast.deb"
"$here/next_package.sh" "$package" "$root/root/next.deb" || exit 2
if [ "$arch" != "$native" ]; then
  install -m 755 "$qemu" "$root/usr/local/bin/qemu"
  printf '#!/bin/sh\nexec qemu /usr/bin/holdfast "$@"\n' >"$root/usr/local/bin/holdfast"
  chmod 755 "$root/usr/local/bin/holdfast"
fi

inside apt-get update -q >"$work/log" 2>&1 </dev/null || { tail -n 5 "$work/log"; skip "no packages can be had here"; }

# The libraries that it needs are there before: what a purge leaves of holdfast itself is to be seen.
mapfile -t needed < <(inside apt-get install -s --no-install-recommends /root/holdfast.deb |
  sed -n 's/^Inst \([^ ]*\).*/\1/p' | grep -vxE "holdfast(:$arch)?")
check "what it depends on can be had" inside apt-get install -qy --no-install-recommends "${needed[@]}"
tree >"$work/before"

# ---- installed ----------------------------------------------------------------------------------------------------

yaml=$root/etc/holdfast/holdfast.yaml
check "it installs" inside apt-get install -qy --no-install-recommends /root/holdfast.deb
check "and is configured" status installed
check "it has a user of its own" grep -q '^_holdfast:x:[0-9]*:[0-9]*:.*:/var/lib/holdfast:/usr/sbin/nologin$' "$root/etc/passwd"
check "the configuration is dpkg's" eval "inside dpkg-query -W -f '\${Conffiles}' $name | grep -q /etc/holdfast/holdfast.yaml"
check "nobody else's: tmpfiles knows none" not grep -rqs holdfast.yaml "$root/usr/lib/tmpfiles.d"
check "the schema lies where the configuration says" test -f "$root$(sed -n 's/^# yaml-language-server: $schema=//p' "$yaml")"
check "it has the units, root's and the user's" eval "inside dpkg -L $name | grep -cE '/lib/systemd/(system/holdfast@?|user/holdfast)[.]service$' | grep -qx 3"
check "the documents have the pictures that they show" pictures
check "none is enabled yet" not sh -c 'find "$1/etc/systemd" -name "holdfast*" | grep .' sh "$root"
check "all of it is as it was packed" inside dpkg --verify "$name"
check "a tunnel comes up" inside unshare --net sh -c 'ip link set lo up && /root/upgrade_inside.sh'

# ---- upgraded -----------------------------------------------------------------------------------------------------

echo '# mine' >>"$yaml"
echo 'key' >"$root/etc/holdfast/id_ed25519"
mkdir -p "$root/var/lib/holdfast"
echo 'hosts' >"$root/var/lib/holdfast/known_hosts"
check "it upgrades, and asks nothing" inside apt-get install -qy --no-install-recommends /root/next.deb
check "to the next version" eval "inside dpkg-query -W -f '\${Version}' $name | grep -q next"
check "the changed configuration stays" grep -qxF '# mine' "$yaml"

# ---- removed, and purged --------------------------------------------------------------------------------------------

check "it is removed" inside apt-get remove -qy "$name"
check "and its configuration stays" status config-files
check "as it was changed" grep -qxF '# mine' "$yaml"
check "so does what the service wrote" grep -qxF hosts "$root/var/lib/holdfast/known_hosts"
check "and the program is gone" not test -e "$root/usr/bin/holdfast"
check "it is purged" inside apt-get purge -qy "$name"
check "the configuration is gone" not test -e "$yaml"
check "and what the service wrote" not test -e "$root/var/lib/holdfast"
check "the key, which no package made, is not" grep -qxF key "$root/etc/holdfast/id_ed25519"
rm -r "$root/etc/holdfast"
tree >"$work/after"
check "nothing else is left" diff "$work/before" "$work/after"

# ---- over an installation by hand -----------------------------------------------------------------------------------

mkdir -p "$root/etc/holdfast"
echo '# by hand' >"$yaml"
check "it installs where one was installed by hand, and keeps its configuration" \
  inside apt-get install -qy --no-install-recommends -o Dpkg::Options::=--force-confold /root/holdfast.deb
check "unchanged" grep -qxF '# by hand' "$yaml"
exit "$failed"
