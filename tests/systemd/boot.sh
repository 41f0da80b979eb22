#!/usr/bin/env bash
# Boots a real systemd in a container, installs holdfast there as the README says, and checks what only systemd can
# show: readiness, the credential, the sandbox, reload, the watchdog, stop, and the order of a shutdown.
# Usage: boot.sh BUILD_FOLDER|FILE.deb. Debian's package is installed as such, and also upgraded and removed. Needs root.
# 77: this machine can't do it; the last line says why.
# shellcheck disable=SC2317  # leave_no_trace is called by the trap
set -uo pipefail
umask 022
what=$1
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
skip() { echo "skipped: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip "only root can boot a container"
for tool in mmdebstrap systemd-nspawn; do
  command -v "$tool" >/dev/null || skip "$tool is missing (tools/install-packages boot)"
done
# The container's libraries have to be this machine's.
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
[ -n "$suite" ] || skip "/etc/os-release names no suite of Debian"

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
sources=(/etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list)
mapfile -t sources < <(ls "${sources[@]}" 2>/dev/null)
mmdebstrap --mode=root --variant=minbase --aptopt='Acquire::Retries "3"' \
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
mkdir -p "$root/var/log/journal" "$root/var/lib/boot-test"
install -m 755 "$here/boot_inside.sh" "$root/root/boot_inside.sh"
cp "$here"/boot-*.service "$root/etc/systemd/system/"
for unit in boot-checks boot-network boot-relay; do
  systemctl --root="$root" --quiet enable "$unit.service" || exit 1
done

# ---- boot it, with a network of its own, until it powers itself off ---------------------------------------------

# systemd wants a cgroup2 tree that it owns. Where the machine has the old layout, the container gets the unified
# hierarchy at the usual place, and a group of its own in it.
boot() {
  local hierarchy
  for hierarchy in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    [ -d "$hierarchy" ] || continue
    mkdir "$hierarchy/$group" && echo "$BASHPID" >"$hierarchy/$group/cgroup.procs" || return 1
  done
  # shellcheck disable=SC2016  # expanded by the inner shell
  exec unshare --mount --propagation private sh -c '
    if [ -d /sys/fs/cgroup/unified ]; then mount -t cgroup2 none /sys/fs/cgroup || exit 1; fi
    exec systemd-nspawn --quiet --directory="$1" --register=no --keep-unit --console=pipe --resolv-conf=off \
      --private-network --boot systemd.log_target=journal' boot "$root"
}
( boot ) >"$work/console.log" 2>&1 </dev/null &
container=$!
end=$((SECONDS + 240))
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

result=$root/var/lib/boot-test
if [ ! -f "$result/log" ]; then
  tail -n 20 "$work/console.log"
  skip "systemd did not boot in a container here"
fi
cat "$result/log"

# ---- what can only be seen from outside: the shutdown -----------------------------------------------------------

failed=0
[ -f "$result/passed" ] || failed=1
left=$(cat "$result/left-when-network-stopped" 2>&1) || left="nobody looked"
if [ -z "$left" ]; then
  echo "ok: at shutdown holdfast had drained and ended, and its listeners were gone, before the network went"
else
  echo "FAILED: when the network went at shutdown, this was left: $left"
  failed=1
fi
[ "$failed" = 0 ] || journalctl --directory="$root/var/log/journal" --no-pager -u holdfast -u boot-relay | tail -n 60
exit "$failed"
