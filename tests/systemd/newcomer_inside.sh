#!/usr/bin/env bash
# Runs inside the root of newcomer.sh, as root. Usage: newcomer_inside.sh FINGERPRINT, of the relay's host key
set -euo pipefail

/usr/sbin/sshd
eval "$(ssh-agent)" >/dev/null
ssh-add -q /root/.ssh/mine

took() { awk "BEGIN { printf \"  %-40s %5.1f s\\n\", \"$1\", $EPOCHREALTIME - $2 }"; }
began=$EPOCHREALTIME
holdfast init --relay tunnel@relay.example --install-key --pin "$1" >/root/init.log 2>&1 || { cat /root/init.log >&2; exit 1; }
took "holdfast init ... --install-key" "$began"

# There is no systemd in this root: init says how to run it without.
began=$EPOCHREALTIME
command=$(sed -n 's/^start: .*in the foreground: //p' /root/init.log)
sh -c "$command" >/root/holdfast.log 2>&1 &
end=$((SECONDS + 30))
until holdfast health >/root/health.log; do
  [ "$SECONDS" -lt "$end" ] || { cat /root/init.log /root/holdfast.log /root/health.log >&2; exit 1; }
  sleep 0.1
done
took "until the tunnel is up" "$began"

# For the jump, too.
printf 'BatchMode yes\nStrictHostKeyChecking accept-new\n' >/root/.ssh/config
began=$EPOCHREALTIME
where=$(ssh -J tunnel@relay.example -p 4649 pi@localhost 'cat /etc/holdfast/id_ed25519.pub; whoami')
took "ssh -J tunnel@relay.example -p 4649 pi@..." "$began"
[ "$where" = "$(cat /etc/holdfast/id_ed25519.pub)"$'\npi' ] || { echo "somewhere else: $where" >&2; exit 1; }
