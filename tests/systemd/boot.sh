#!/usr/bin/env bash
# Boots a real systemd in a container, installs holdfast there as the README says, and checks what only systemd can
# show: readiness, the credential, the sandbox, reload, the watchdog, stop, the order of a shutdown, and a reboot.
# Usage: boot.sh BUILD_FOLDER|FILE.deb [NEXT.deb]. Debian's package is installed as such, on the Debian that it was
# built for, and also upgraded and removed. With the next Debian's package beside it that Debian is upgraded, too, below
# the running daemon. Needs root. 77: this machine can't do it; the last line says why.
# shellcheck disable=SC2317  # leave_no_trace is called by the trap
set -uo pipefail
umask 022
what=$1 next=${2-}
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
skip() { echo "skipped: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip "only root can boot a container"
for tool in mmdebstrap systemd-nspawn; do
  command -v "$tool" >/dev/null || skip "$tool is missing (tools/install-packages boot)"
done
# The container's libraries have to be those that it was built with.
suite=$("$here/suite.sh" "$what") || skip "nothing says for which Debian $what is"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/holdfast-boot.XXXXXX") || exit 2 # /tmp may be small, and not be for devices
root=$work/root
group=holdfast-boot-test.$$
leave_no_trace() {
  local hierarchy
  for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    # The innermost first; a cgroup of ours is empty by now.
    find "$hierarchy/$group" -depth -type d -exec rmdir {} \; 2>/dev/null
  done
  rm -rf --one-file-system "$work"
}
trap leave_no_trace EXIT

# ---- a Debian with systemd, sshd and the libraries that holdfast links ------------------------------------------

if [ -f "$what" ]; then
  libraries=$(dpkg-deb --field "$what" Depends | sed 's/ *([^)]*)//g; s/ *|[^,]*//g; s/, */,/g')
else
  libraries=$(ldd "$what/src/holdfast" | awk '$3 ~ /^\// { print $3 }' | xargs -rn1 readlink -f |
    xargs -r dpkg-query -S 2>/dev/null | cut -d: -f1 | sort -u | paste -sd,)
fi
mapfile -t sources < <("$here/suite.sh" --sources "$suite")
mmdebstrap --mode=root --variant=minbase --dpkgopt=force-unsafe-io --aptopt='Acquire::Retries "3"' \
  --include="systemd-sysv,openssh-server,openssh-client,iproute2,procps,curl,libpam-systemd,dbus-user-session,$libraries" \
  "$suite" "$root" "${sources[@]}" >"$work/mmdebstrap.log" 2>&1 </dev/null ||
  { tail -n 5 "$work/mmdebstrap.log"; skip "mmdebstrap could not make a root"; }

printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
if [ -f "$what" ]; then
  cp "$what" "$root/root/holdfast.deb"
  "$here/next_package.sh" "$what" "$root/root/next.deb" && chroot "$root" dpkg --install /root/holdfast.deb
else
  DESTDIR=$root cmake --install "$what" --prefix /usr
fi >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
if [ -n "$next" ]; then
  cp "$next" "$root/root/next-debian.deb"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  rm -f "$root"/etc/apt/sources.list.d/*
  echo "deb http://deb.debian.org/debian $("$here/suite.sh" "$next") main" >"$root/etc/apt/sources.list"
  chroot "$root" sh -c "apt-mark auto $(tr , ' ' <<<"$libraries") && apt-get update -q && apt-get full-upgrade -qy --download-only" \
    >"$work/download.log" 2>&1 </dev/null || { tail -n 5 "$work/download.log"; skip "no packages of the next Debian can be had here"; }
fi
mkdir -p "$root/var/log/journal" "$root/var/lib/boot-test"
install -m 755 "$here/boot_inside.sh" "$root/root/boot_inside.sh"
cp "$here"/boot-*.service "$root/etc/systemd/system/"
for unit in boot-checks boot-network boot-relay; do
  systemctl --root="$root" --quiet enable "$unit.service" || exit 1
done

# ---- boot it, with a network of its own, again as often as it reboots, until it powers itself off -------

# systemd wants a cgroup2 tree that it owns. Where the machine has the old layout, the container gets the unified
# hierarchy at the usual place, and a group of its own in it.
boot() {
  local hierarchy
  for hierarchy in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    [ -d "$hierarchy" ] || continue
    mkdir -p "$hierarchy/$group" && echo "$BASHPID" >"$hierarchy/$group/cgroup.procs" || return 1
  done
  # shellcheck disable=SC2016  # expanded by the inner shell
  exec unshare --mount --propagation private sh -c '
    if [ -d /sys/fs/cgroup/unified ]; then mount -t cgroup2 none /sys/fs/cgroup || exit 1; fi
    exec systemd-nspawn --quiet --directory="$1" --register=no --keep-unit --console=pipe --resolv-conf=off \
      --private-network --boot systemd.log_target=journal' boot "$root"
}
patience=240
[ -z "$next" ] || patience=1200
rebooted=133 # what systemd-nspawn then ends with
code=$rebooted
while [ "$code" = "$rebooted" ]; do
  ( boot ) >>"$work/console.log" 2>&1 </dev/null &
  container=$!
  end=$((SECONDS + patience))
  asked=
  while kill -0 "$container" 2>/dev/null; do
    if [ "$SECONDS" -ge "$end" ] && [ -n "$asked" ]; then
      kill -KILL "$container"
    elif [ "$SECONDS" -ge "$end" ]; then
      echo "the container did not power off in time"
      asked=yes
      kill "$container" # systemd-nspawn then asks the container to halt
      end=$((SECONDS + 30))
    fi
    sleep 0.2
  done
  wait "$container"
  code=$?
done

result=$root/var/lib/boot-test
if [ ! -f "$result/log" ]; then
  tail -n 20 "$work/console.log"
  skip "systemd did not boot in a container here"
fi
cat "$result/log"

# ---- what can only be seen from outside: the reboot and the shutdown --------------------------------------------

failed=0
boots=2
[ -z "$next" ] || boots=3
[ "$(wc -l <"$result/passed")" = "$boots" ] || failed=1
looked=$(find "$result" -name 'left-when-network-stopped.*' | wc -l)
left=$(cat "$result"/left-when-network-stopped.*)
if [ -z "$left" ] && [ "$looked" = "$boots" ]; then
  echo "ok: at each reboot and shutdown holdfast had drained and ended, and its listeners were gone, before the network went"
else
  echo "FAILED: when the network went at $looked of $boots reboots and shutdowns, this was left: $left"
  failed=1
fi
[ "$failed" = 0 ] || journalctl --directory="$root/var/log/journal" --no-pager -u holdfast -u boot-relay | tail -n 60
exit "$failed"
