#!/usr/bin/env bash
# What a newcomer does, timed: in a bare root of the Debian that a package was built for, installs it, sets a tunnel up
# with one command to a relay in another network namespace, and logs in through that relay. The relay is a stock sshd
# of the same Debian, with an account that the newcomer can log in to already (an agent). Usage: newcomer.sh FILE.deb
# Needs root and the network. 77: this machine can't do it; the last line says why.
# shellcheck disable=SC2016  # for the shells inside
set -uo pipefail
umask 022
package=$1
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
skip() { echo "skipped: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip "only root can make and enter a root"
command -v mmdebstrap >/dev/null || skip "mmdebstrap is missing (tools/install-packages boot)"
suite=$("$here/suite.sh" "$package") || skip "nothing says for which Debian $package is"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/holdfast-newcomer.XXXXXX") || exit 2
device=$work/device relay=$work/relay
net=holdfast-newcomer-$$
sshd=
leave_no_trace() {
  [ -z "$sshd" ] || { kill "$sshd" && wait "$sshd"; } 2>/dev/null
  ip netns delete "$net-device" 2>/dev/null
  ip netns delete "$net-relay" 2>/dev/null
  rm -rf --one-file-system "$work"
}
trap leave_no_trace EXIT

# inside ROOT NETWORK COMMAND...: the network is a namespace's name, or empty: the machine's.
inside() {
  local root=$1 network=()
  [ -z "$2" ] || network=(ip netns exec "$2")
  shift 2
  "${network[@]}" unshare --mount --propagation private --pid --fork --kill-child sh -c '
    root=$1
    shift
    mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" && mount -t tmpfs tmpfs "$root/run" &&
      mkdir "$root/run/sshd" &&
      exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"' \
    inside "$root" "$@"
}
die() { echo "FAILED: $1"; tail -n 30 "$work/log"; exit 1; }

# ---- the device, with an SSH server as every device that wants this, and the relay ---------------------------------

mapfile -t sources < <("$here/suite.sh" --sources "$suite")
mmdebstrap --quiet --mode=root --variant=minbase --include=openssh-server "$suite" "$device" "${sources[@]}" >"$work/log" 2>&1 </dev/null ||
  { tail -n 5 "$work/log"; skip "mmdebstrap could not make a root"; }
cp -a "$device" "$relay"
printf '127.0.0.1 localhost\n10.64.9.1 relay.example\n' >"$device/etc/hosts"
printf '127.0.0.1 localhost\n' >"$relay/etc/hosts"
for side in device relay; do
  rm "$work/$side"/etc/ssh/ssh_host_*
  chroot "$work/$side" ssh-keygen -A >"$work/log" 2>&1 || die "host keys"
done
[ -d "$device/root/.ssh" ] || mkdir -m 700 "$device/root/.ssh"
ssh-keygen -q -t ed25519 -N '' -C newcomer -f "$device/root/.ssh/mine" || exit 2
for account in "$relay:tunnel" "$device:pi"; do
  chroot "${account%:*}" useradd --create-home --password '*' --shell /bin/bash "${account#*:}" || exit 2
  home=${account%:*}/home/${account#*:}
  [ -d "$home/.ssh" ] || mkdir -m 700 "$home/.ssh"
  cp "$device/root/.ssh/mine.pub" "$home/.ssh/authorized_keys"
  chroot "${account%:*}" chown -R "${account#*:}:" "/home/${account#*:}/.ssh"
done
cp -L /etc/resolv.conf "$device/etc/resolv.conf"
install -m 644 "$package" "$device/root/holdfast.deb"
install -m 755 "$here/newcomer_inside.sh" "$device/root/newcomer_inside.sh"
pin=$(ssh-keygen -lf "$relay/etc/ssh/ssh_host_ed25519_key.pub" | cut -d' ' -f2)

{
  ip netns add "$net-relay" && ip netns add "$net-device" &&
    ip -n "$net-relay" link add eth0 type veth peer name eth0 netns "$net-device" &&
    ip -n "$net-relay" address add 10.64.9.1/24 dev eth0 && ip -n "$net-device" address add 10.64.9.2/24 dev eth0 &&
    for side in relay device; do
      ip -n "$net-$side" link set lo up && ip -n "$net-$side" link set eth0 up || exit 1
    done
} >"$work/log" 2>&1 || { tail -n 5 "$work/log"; skip "no network namespaces can be made here"; }
inside "$relay" "$net-relay" /usr/sbin/sshd -D -e >"$work/relay.log" 2>&1 </dev/null &
sshd=$!

# ---- the newcomer ---------------------------------------------------------------------------------------------------

echo "on a bare $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' "$device/etc/os-release"), $(dpkg-deb --field "$package" Version):"
took() { awk "BEGIN { printf \"  %-40s %5.1f s\\n\", \"$1\", $EPOCHREALTIME - $2 }"; }
began=$EPOCHREALTIME
inside "$device" '' apt-get update -q >"$work/log" 2>&1 </dev/null || die "apt-get update"
took "apt-get update" "$began"
began=$EPOCHREALTIME
inside "$device" '' apt-get install -qy /root/holdfast.deb >"$work/log" 2>&1 </dev/null || die "apt-get install ./holdfast_*.deb"
took "apt-get install ./holdfast_*.deb" "$began"
inside "$device" "$net-device" /root/newcomer_inside.sh "$pin" 2>"$work/log" </dev/null || die "what is named last"
