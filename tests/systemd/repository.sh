#!/usr/bin/env bash
# Makes a repository of packages with the commands of docs/operations.md ("A repository for many devices"), and installs
# holdfast from it in a bare root. Usage: repository.sh FOLDER 12|13
# Needs root and the network. 77: this machine can't do it; the last line says why.
# shellcheck disable=SC2016,SC2001  # for sed and the shell inside; as sed reads best
set -uo pipefail
umask 022
packages=$(realpath "$1") debian=$2
here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
skip() { echo "skipped: $*"; exit 77; }
die() { echo "FAILED: $1"; tail -n 20 "$work/log"; exit 1; }

[ "$(id -u)" = 0 ] || skip "only root can make and enter a root"
for tool in mmdebstrap reprepro gpg; do
  command -v $tool >/dev/null || skip "$tool is missing (tools/install-packages boot repository)"
done
files=("$packages"/holdfast_*"+deb$debian"_*.deb)
[ -e "${files[0]}" ] || { echo "no package for Debian $debian is in $packages"; exit 1; }
case $debian in 12) suite=bookworm ;; 13) suite=trixie ;; *) exit 2 ;; esac

work=$(mktemp -d "${TMPDIR:-/var/tmp}/holdfast-repository.XXXXXX") || exit 2
root=$work/root
export GNUPGHOME=$work/gnupg
trap 'gpgconf --kill all; rm -rf --one-file-system "$work"' EXIT

# The block of commands of the section, with the packages that are here in place of the one that it names.
section() { sed -n '/^### A repository for many devices/,/^### Without/p' "$here/../../docs/operations.md" | sed -n '/^```/,/^```/p'; }
mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key 'packages <packages@device.example>' >"$work/log" 2>&1 || die "a key"
commands=$(section | sed -n '/^mkdir/,/^```/{/^```/!p}')
[[ $commands == *'reprepro includedeb '* ]] || die "docs/operations.md has no command that takes a package in"
{
  sed '/^reprepro /,$d' <<<"$commands"
  printf "reprepro includedeb $suite %q\n" "${files[@]}"
  sed '1,/^reprepro /d' <<<"$commands"
} >"$work/commands"
(cd "$work" && bash -e commands) >"$work/log" 2>&1 || die "the repository"
echo "ok: docs/operations.md makes a repository of ${#files[@]} packages"

mmdebstrap --quiet --mode=root --variant=minbase --dpkgopt=force-unsafe-io "$suite" "$root" >"$work/log" 2>&1 </dev/null ||
  { tail -n 5 "$work/log"; skip "mmdebstrap could not make a root"; }
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp -r "$work/repository" "$root/srv/"
cp "$work/repository/holdfast.gpg" "$root/usr/share/keyrings/"
line=$(section | sed -n 's/^echo "\(deb .*\)" > .*/\1/p')
sed "s,https://packages.example,file:/srv/repository,; s/ bookworm / $suite /" <<<"$line" >"$root/etc/apt/sources.list.d/holdfast.list"
unshare --mount --propagation private sh -c '
  mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" &&
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive chroot "$1" \
      sh -c "apt-get update && apt-get install -qy --no-install-recommends holdfast && holdfast version"' inside "$root" \
  >"$work/log" 2>&1 </dev/null || die "apt-get update && apt-get install holdfast"
echo "ok: apt installs from it: $(tail -n 1 "$work/log")"
