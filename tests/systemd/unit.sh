#!/usr/bin/env bash
# Installs into a staging folder and asks systemd what it thinks of the result. Usage: unit.sh BUILD_FOLDER
set -u
build=$1
fail() { printf '%s\n' "$*"; exit 1; }
command -v systemd-analyze >/dev/null || { echo "skipped: no systemd-analyze here"; exit 77; }

stage=$(mktemp -d) || exit 2
trap 'rm -rf "$stage"' EXIT
DESTDIR=$stage cmake --install "$build" --prefix /usr >"$stage.log" 2>&1 || { cat "$stage.log"; rm -f "$stage.log"; exit 1; }
rm -f "$stage.log"

# ---- everything lies where it belongs, and nothing else was put anywhere ----------------------------------------
for file in bin/holdfast lib/systemd/system/holdfast.service lib/systemd/system/holdfast@.service lib/sysusers.d/holdfast.conf lib/tmpfiles.d/holdfast.conf \
  lib/systemd/user/holdfast.service share/holdfast/holdfast.yaml share/holdfast/holdfast.schema.json \
  share/doc/holdfast/README.md share/doc/holdfast/docs/operations.md; do
  [ -f "$stage/usr/$file" ] || fail "not installed: /usr/$file"
done
[ "$(ls "$stage")" = usr ] || fail "installed outside the prefix: $(ls "$stage")"
left=$(grep -rlE '@[A-Z_]+@' "$stage/usr/lib") && fail "a placeholder was not filled in: $left"
units=("$stage"/usr/lib/systemd/system/holdfast{,@}.service)
commands=$(sed -n 's/^ExecStart=//p' "${units[@]}")
[ "$commands" = $'/usr/bin/holdfast run\n/usr/bin/holdfast run --only %i' ] || fail "these are not the prefix's commands: $commands"

# ---- systemd accepts the units without a word (it exits 0 on unknown keys) ----------------------------------------
# The program that a unit names is looked for on this machine, so the copy names the staged one.
mkdir "$stage/checked"
for unit in "${units[@]}"; do
  copy=$stage/checked/${unit##*/}
  sed "s,^ExecStart=/usr,ExecStart=$stage/usr," "$unit" >"$copy"
  said=$(systemd-analyze verify --man=no --recursive-errors=no "$copy" 2>&1) || fail "verify: $said"
  [ -z "$said" ] || fail "verify: $said"
  # ... and finds it hardened. The threshold is in tenths: exits non-zero above 1.5.
  report=$(systemd-analyze security --offline=true --no-pager --threshold=15 "$unit" 2>&1) || fail "exposure above 1.5: $report"
  printf '%s\n' "$report" | tail -n 1
done

# ... and the one for a user's manager. It can't have most of the sandbox, so there is no score for it.
copy=$stage/checked/user/holdfast.service
mkdir "${copy%/*}"
sed "s,^ExecStart=/usr,ExecStart=$stage/usr," "$stage/usr/lib/systemd/user/holdfast.service" >"$copy"
grep -q "^ExecStart=$stage/usr/bin/holdfast run$" "$copy" || fail "the user's unit runs something else: $(grep ExecStart "$copy")"
said=$(XDG_RUNTIME_DIR=$stage systemd-analyze --user verify --man=no --recursive-errors=no "$copy" 2>&1) || fail "verify: $said"
[ -z "$said" ] || fail "verify: $said"

# ---- sysusers and tmpfiles make what the unit relies on, and never touch a configuration that is there -----------
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$stage/etc"
  printf 'root:x:0:0:root:/root:/bin/sh\n' >"$stage/etc/passwd"
  printf 'root:x:0:\n' >"$stage/etc/group"
  systemd-sysusers --root="$stage" holdfast.conf || fail "systemd-sysusers failed"
  grep -q '^holdfast:x:[0-9]*:[0-9]*:[^:]*:/var/lib/holdfast:.*/nologin$' "$stage/etc/passwd" || fail "no user: $(cat "$stage/etc/passwd")"
  systemd-tmpfiles --root="$stage" --create holdfast.conf || fail "systemd-tmpfiles failed"
  [ "$(stat -c '%a %u' "$stage/etc/holdfast/holdfast.yaml")" = '644 0' ] || fail "the example was not copied to /etc/holdfast"
  echo 'mine' >"$stage/etc/holdfast/holdfast.yaml"
  systemd-tmpfiles --root="$stage" --create holdfast.conf || fail "systemd-tmpfiles failed the second time"
  [ "$(cat "$stage/etc/holdfast/holdfast.yaml")" = mine ] || fail "a configuration was overwritten"
fi
