#!/usr/bin/env bash
# Runs inside the container of boot.sh, as root, each time that it has booted. Prints a line a check.
# shellcheck disable=SC2317,SC2016  # the conditions are called by name, or evaluated later
set -uo pipefail
failed=0

# check TEXT SECONDS COMMAND...: the command must come true within this time.
check() {
  local text=$1 end=$((SECONDS + $2)) said
  shift 2
  until said=$("$@" 2>&1); do
    if [ "$SECONDS" -ge "$end" ]; then
      printf 'FAILED: %s\n%s\n' "$text" "$said"
      failed=1
      return 1
    fi
    sleep 0.1
  done
  echo "ok: $text"
}
listens() { ss -Hltn "sport = :$1" | grep -q .; }
gone() { ! listens "$1"; }
property() { systemctl show --value --property="$1" holdfast; }
is() { local found; found=$(property "$1"); [ "$found" = "$2" ] || { echo "$1 is $found"; false; }; }
is_not() { [ "$(property "$1")" != "$2" ]; }
status_text() { property StatusText | tee /dev/stderr | grep -q "$1"; }
journal_has() { journalctl --no-pager --output=cat -u holdfast | grep -q -- "$1"; }
as_nobody_in() { setpriv --reuid=nobody --regid=nogroup --groups="$1" "${@:2}"; }
denied() { [[ $(as_nobody_in nogroup holdfast health) == *'permission denied'* ]]; }

as_pi() { runuser -u pi -- env HOME=/home/pi "XDG_RUNTIME_DIR=/run/user/$(id -u pi)" "$@"; }
log_in() { ssh -o StrictHostKeyChecking=no -o BatchMode=yes -p 4649 pi@localhost true; }

# ---- after a reboot ---------------------------------------------------------------------------------------------

state=/var/lib/boot-test
rm -f "$state/then"
# end VERB: systemctl's, once a line says that this boot passed.
end() {
  [ "$failed" != 0 ] || echo passed >>"$state/passed"
  echo "$1" >"$state/then"
  exit 0
}
comes_up() {
  check "after the reboot it runs by itself" 30 is ActiveState active
  check "with its tunnel" 30 eval 'holdfast health && listens 4649'
  check "and so does the user's own" 30 listens 4700
  check "one can log in through the relay" 15 log_in
}
number_of_session() { holdfast status | sed -n 's/^ *session \([0-9]*\) .*/\1/p'; }
# The next Debian's packages were fetched before.
next_debian() {
  local pid session
  pid=$(property MainPID)
  check "the Debian is upgraded below it" 1 eval 'DEBIAN_FRONTEND=noninteractive apt-get full-upgrade -qy --no-download \
    -o Dpkg::Options::=--force-confold && DEBIAN_FRONTEND=noninteractive apt-get autoremove --purge -qy'
  check "it is the next one" 1 grep -q '^VERSION_CODENAME=trixie' /etc/os-release
  check "the daemon is the same process" 1 eval 'is MainPID "$pid" && is ActiveState active'
  check "and its tunnel is up" 1 eval 'holdfast health && listens 4649'
  systemctl restart boot-relay # as ssh.service is by its package: an old sshd can't start a new one's sessions
  check "one can log in through it" 15 log_in
  # shellcheck disable=SC2034  # eval reads it
  session=$(number_of_session)
  check "it gets a new session" 1 holdfast reconnect relay
  check "which is up" 30 eval '[ "$(number_of_session)" -gt "$session" ] && holdfast health && log_in && is MainPID "$pid"'
  check "the next Debian's package is installed" 60 dpkg --force-confold --install /root/next-debian.deb
  check "and the tunnel is back" 30 eval 'is_not MainPID "$pid" && holdfast health && log_in'
}
if [ -f "$state/rebooted" ]; then
  comes_up
  if [ -f /root/next-debian.deb ] && ! [ -f /root/next-debian.done ]; then
    next_debian
    touch /root/next-debian.done
    end reboot
  fi
  end poweroff
fi
touch "$state/rebooted"

# ---- the README's steps -----------------------------------------------------------------------------------------

# Debian's package has done that, if it is one.
if ! [ -f /root/holdfast.deb ]; then systemd-sysusers && systemd-tmpfiles --create holdfast.conf; fi || failed=1
user=$(property User)
ssh-keygen -q -t ed25519 -N '' -C device -f /etc/holdfast/id_ed25519
useradd --create-home --password '*' tunnel
useradd --create-home --password '*' pi
install -d -o tunnel -m 700 ~tunnel/.ssh
install -d -o pi -m 700 ~pi/.ssh
echo "restrict,port-forwarding,permitlisten=\"localhost:4649\",permitlisten=\"localhost:4650\" $(cat /etc/holdfast/id_ed25519.pub)" \
  >~tunnel/.ssh/authorized_keys
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519 2>/dev/null || { mkdir -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; }
cp /root/.ssh/id_ed25519.pub ~pi/.ssh/authorized_keys
cat >/etc/holdfast/holdfast.yaml <<'YAML'
tunnels:
  relay:
    host_name: 127.0.0.1
    port: 2222
    user: tunnel
    identity_file: ${CREDENTIALS_DIRECTORY}/id_ed25519
    user_known_hosts_file: /var/lib/holdfast/known_hosts
    strict_host_key_checking: accept-new
    remote_forward:
      - 4649:localhost:22
YAML
# Shorter than the unit's, so that the test need not wait a minute; a sanitizer's leak check can't run in the sandbox.
for unit in holdfast holdfast@; do
  mkdir -p "/etc/systemd/system/$unit.service.d"
  printf '[Service]\nWatchdogSec=4\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n' >"/etc/systemd/system/$unit.service.d/test.conf"
done
systemctl daemon-reload

# ---- start ------------------------------------------------------------------------------------------------------

systemctl is-enabled --quiet holdfast || touch /root/was-disabled
check "the unit is enabled and started" 1 systemctl enable --now holdfast
check "it is ready" 1 is ActiveState active
check "the relay has the listener" 15 listens 4649
check "STATUS says so" 5 status_text '1 of 1 tunnel'
check "it runs as its own user" 1 test "$(ps -o user:32= -p "$(property MainPID)")" = "$user"
check "the key in /etc is root's alone" 1 test "$(stat -c %U:%a /etc/holdfast/id_ed25519)" = root:600
check "known_hosts was written below /var/lib" 1 grep -q 127.0.0.1 /var/lib/holdfast/known_hosts
check "one can log in through the relay" 15 log_in
check "the journal has it by field" 1 eval 'journalctl -q HOLDFAST_TUNNEL=relay HOLDFAST_STATE=established | grep .'
check "health is ok for root" 5 holdfast health
check "and for a member of the group $user" 5 as_nobody_in "$user" holdfast health
check "and for nobody else" 1 denied
check "commands are for the service's user and root" 1 \
  test "$(stat -c %U:%a /run/holdfast/status.sock.control)" = "$user:600"
check "root reloads" 5 holdfast reload
check "a member of the group does not" 1 eval '! as_nobody_in "$user" holdfast reload'

# ---- reload -----------------------------------------------------------------------------------------------------

pid=$(property MainPID)
echo '      - 4650:localhost:22' >>/etc/holdfast/holdfast.yaml
check "reload works" 5 systemctl reload holdfast
check "the new listener is there" 15 listens 4650
check "by the same process" 1 is MainPID "$pid"
cp /etc/holdfast/holdfast.yaml /root/good.yaml
echo 'nonsense: true' >>/etc/holdfast/holdfast.yaml
systemctl reload holdfast
check "a bad file is refused in the log" 5 journal_has nonsense
check "and changes nothing" 1 eval 'listens 4649 && listens 4650 && is ActiveState active && is MainPID "$pid"'
cp /root/good.yaml /etc/holdfast/holdfast.yaml
check "the mended file is taken" 5 systemctl reload holdfast

# ---- what systemd is there for ----------------------------------------------------------------------------------

kill -STOP "$pid"
check "the watchdog ends a process that hangs" 20 is_not MainPID "$pid"
check "and systemd starts another" 20 eval 'is ActiveState active && is_not MainPID 0 && is NRestarts 1'
check "which holds the listeners again" 30 eval 'listens 4649 && listens 4650'
pid=$(property MainPID)
kill -KILL "$pid"
check "so it does after a crash" 20 eval 'is NRestarts 2 && is ActiveState active'
check "with the listeners" 30 eval 'listens 4649 && listens 4650'

# ---- systemd itself is upgraded ---------------------------------------------------------------------------------

pid=$(property MainPID)
check "systemd executes itself anew" 10 systemctl daemon-reexec
check "and the daemon stays" 1 eval 'is MainPID "$pid" && is ActiveState active && holdfast health'

# ---- stop -------------------------------------------------------------------------------------------------------

systemctl stop holdfast
check "once stop returns, the listeners are gone" 0 eval 'gone 4649 && gone 4650'
check "the end was orderly" 0 eval 'is Result success && is ExecMainStatus 0'

# ---- a process a tunnel -----------------------------------------------------------------------------------------

cp /var/lib/holdfast/known_hosts /root/known_hosts
name=$(cat /var/lib/holdfast/device_id)
systemctl start holdfast
check "a process of one tunnel starts" 10 systemctl start holdfast@relay
check "and that of all has ended" 1 is ActiveState inactive
check "it holds the tunnel" 15 holdfast health --only relay
check "with the listeners" 1 eval 'listens 4649 && listens 4650'
check "it keeps the device's name" 1 test "$(cat /var/lib/holdfast/device_id)" = "$name"
check "and known_hosts" 1 cmp /root/known_hosts /var/lib/holdfast/known_hosts
check "what it alone writes has a folder" 1 test -d /var/lib/holdfast/only/relay
check "reload works" 5 systemctl reload holdfast@relay
check "the process of all starts again" 15 systemctl start holdfast
check "and that of one tunnel has ended" 1 eval '[ "$(systemctl is-active holdfast@relay)" = inactive ]'
check "with its listener" 15 listens 4649

# ---- Debian's package -------------------------------------------------------------------------------------------

packaged() {
  check "it was not enabled before somebody asked for it" 1 test -f /root/was-disabled
  pid=$(property MainPID)
  check "the package is upgraded" 60 dpkg --install /root/next.deb
  check "which restarts it" 1 is_not MainPID "$pid"
  check "and the tunnel is back" 30 eval 'holdfast health && listens 4649'
  systemctl start holdfast@relay
  pid=$(systemctl show --value --property=MainPID holdfast@relay)
  check "the package is upgraded below a process of one tunnel" 60 dpkg --install /root/next.deb
  check "which restarts that" 1 eval '[ "$(systemctl show --value --property=MainPID holdfast@relay)" != "$pid" ]'
  check "and its tunnel is back" 30 holdfast health --only relay
  systemctl stop holdfast@relay boot-relay
  systemctl start holdfast
  check "journalctl says what to do about a failure" 15 eval 'journalctl -xu holdfast | grep "Subject: holdfast: connection refused"'
  systemctl start boot-relay
  check "the relay is back, and so is the tunnel" 30 eval 'holdfast health && listens 4649'
  check "the package is removed" 60 dpkg --remove holdfast
  check "with its processes and listeners" 1 eval '! pgrep -x holdfast && gone 4649'
  check "and installed again, with the configuration as it was" 60 dpkg --install /root/holdfast.deb
  check "it is enabled as it was" 1 systemctl is-enabled holdfast
  # As an installation by hand leaves it.
  useradd --system by-hand
  chown -R by-hand: /var/lib/holdfast
  check "it starts" 15 systemctl start holdfast
  check "and what another user wrote becomes its own" 1 test "$(stat -c %U /var/lib/holdfast/known_hosts)" = "$user"
  check "and the tunnel is back" 30 eval 'holdfast health && listens 4649'
}
[ ! -f /root/holdfast.deb ] || packaged

# ---- holdfast init, as root and without --------------------------------------------------------------------------------

systemctl disable --quiet --now holdfast
rm /etc/holdfast/holdfast.yaml /var/lib/holdfast/known_hosts
check "init sets the service up" 1 holdfast init --relay tunnel@127.0.0.1:2222 --yes
check "which runs now" 0 is ActiveState active
check "and at every boot" 0 systemctl --quiet is-enabled holdfast
check "known_hosts is the service's" 0 test "$(stat -c %U:%a /var/lib/holdfast/known_hosts)" = "$user:600"
check "the same again finds all done" 1 holdfast init --relay tunnel@127.0.0.1:2222

mkdir -p /etc/systemd/user/holdfast.service.d
cp /etc/systemd/system/holdfast.service.d/test.conf /etc/systemd/user/holdfast.service.d/
cp /root/.ssh/id_ed25519 ~pi/.ssh/ && chown pi: ~pi/.ssh/id_ed25519
cat /root/.ssh/id_ed25519.pub >>~tunnel/.ssh/authorized_keys
loginctl enable-linger pi
check "a user has a manager" 20 as_pi systemctl --user is-active default.target
check "init sets up that user's own service" 1 \
  as_pi holdfast init --relay tunnel@127.0.0.1:2222 --port 4700 --yes --install-key
check "the listener is there" 0 listens 4700
check "status finds the user's own" 1 eval 'as_pi holdfast status | grep -q 4700'
check "it runs at every boot" 0 as_pi systemctl --user --quiet is-enabled holdfast
check "and stops" 10 as_pi systemctl --user stop holdfast
check "with its listener" 5 gone 4700

# A visitor that outlives the network keeps holdfast draining for a while when the machine goes down: boot.sh looks at
# the order.
systemd-run --quiet --unit=visitor --property=DefaultDependencies=no \
  bash -c 'exec 3<>/dev/tcp/127.0.0.1/4649 && exec sleep infinity' || failed=1
check "a visitor is connected" 10 eval 'holdfast status | grep "1 open"'

end reboot
