#!/usr/bin/env bash
# Runs inside the root of upgrade.sh, as root, in a network with nothing but a loopback: holdfast holds a listener on a
# relay that is this machine's own sshd, and one gets through it to that sshd again, with a megabyte.
set -euo pipefail

holdfast version
mkdir -p /run/sshd /run/holdfast
[ -f /root/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
cat >/root/holdfast.yaml <<'YAML'
status_socket: /run/holdfast/status.sock
tunnels:
  relay:
    host_name: 127.0.0.1
    user: root
    identity_file: /root/.ssh/id_ed25519
    user_known_hosts_file: /root/known_hosts
    strict_host_key_checking: accept-new
    remote_forward:
      - 4649:localhost:22
YAML
/usr/sbin/sshd
holdfast check -c /root/holdfast.yaml
holdfast run -c /root/holdfast.yaml &
end=$((SECONDS + 30))
until holdfast health -c /root/holdfast.yaml; do
  [ "$SECONDS" -lt "$end" ]
  sleep 0.1
done
head -c 1000000 /dev/urandom >/tmp/sent
echoed=$(ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p 4649 root@localhost \
  cat </tmp/sent | sha256sum)
[ "$echoed" = "$(sha256sum </tmp/sent)" ]
kill %1
wait %1
