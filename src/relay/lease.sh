#!/bin/sh
# The relay's side of a lease; docs/relay.md has the protocol. The tunnel account's sshd runs it beside the session that
# holds the forwards. It records who owns a listener, ends a dead predecessor that still holds one, and ends its own
# sshd when the device has been silent for too long. It needs no root, and leaves nothing behind.
#
# It is sent with each session, on one line (script.cpp joins the lines and drops the comments), so it is short, and has
# no comment behind code and no text over several lines.
#
# What it reads, from the device or from a record, is compared and checked, never evaluated.
set -uf
umask 077
export LC_ALL=C PATH="/usr/bin:/bin:$PATH"
exec 2>/dev/null
dir=${HOME-}/.holdfast own='' silence=60 bound=${1-} held=0 inbox='' run='' runs='  ' twin=other
line_end=$(printf '\n.') line_end=${line_end%.}

no() {
  echo "unsupported $1"
  exit
}

# Is process $1 an sshd of this account, and alive? Sets parent (0: it is not alive), and start: when it started, in the
# kernel's ticks. A name stands in parentheses and may itself hold any character, so all of it is compared.
is_sshd() {
  parent=0 key='' owner=''
  read -r stat <"$1/stat" || return
  rest=${stat##*) } pid=$1
  # shellcheck disable=SC2086 # the fields behind the name: state, parent, ..., start time
  set -- $rest
  # Behind a line break in the name they are missing.
  [ "${20-}" ] && [ "$1" != Z ] || return
  parent=$2
  case $stat in "$pid (sshd) $rest" | "$pid (sshd-session) $rest") ;; *) return 1 ;; esac
  until [ "$key" = Uid: ]; do read -r key owner _ || return; done <"$pid/status"
  [ "$owner" = "$uid" ] && start=${20}
}

# Ends sshd $1, started at $2, and waits until it is gone: its listeners are closed by then. Each signal follows a fresh
# look at whose number it is.
stop() {
  turn=0
  while is_sshd "$1" && [ "$start" = "$2" ]; do
    case $turn in
      0) kill "$1" ;;
      1) kill -0 "$1" || { said=denied && return 1; } ;;
      40) kill -9 "$1" ;;
      100) said=timeout && return 1 ;;
    esac
    turn=$((turn + 1))
    sleep .05 || sleep 1
  done
  said=free
}

# hello VERSION SILENCE DEVICE: whom do we run under? What the relay says of the device wins over what that says of
# itself: the name that authorized_keys gives to this script, or the key that logged in (sshd's ExposeAuthInfo).
hello() {
  [ -r "$PPID/stat" ] || no hidepid
  uid=$(id -u) own=$PPID
  until is_sshd "$own"; do
    own=$parent
    [ "$own" -gt 1 ] || no no_sshd
  done
  born=$start silence=$3 device=${bound:-$4}
  [ "$bound" ] || ! [ -r "${SSH_USER_AUTH-}" ] || device=$device+$(sha256sum <"$SSH_USER_AUTH" | dd bs=16 count=1)
  echo "holdfast 1 $own"
}

# runs NUMBER...: this run of the device's program, and the runs before it. A session of its name that none of them
# recorded is a twin's, a device that was given the same name. Who says this also understands longer answers.
runs() {
  shift
  run="$1 $silence " runs="  $* " twin=twin
  echo noted
}

# Who listens at port $1: what awk's action $2 says of each line.
listeners() {
  awk "/:$(printf %04X "$1") 0*:0000 0A/{$2}" net/tcp net/tcp6
}

# hold ADDRESS PORT: a file for each listener and sshd (f), so that nobody writes to another's. The dot tells a whole
# record from a cut one.
hold() {
  [ "$held" -lt 256 ] || { echo unsupported too_many && return; }
  f=$dir/$3@$2@$own why=no_home
  [ -d "${HOME-}" ] && why=$({
    mkdir -p "$dir" && chmod 700 "$dir" && rm -f "$f" && set -C && echo "1 $boot $born $run$device ." >"$f"
  } 2>&1) && held=$((held + 1)) && echo held ${run:+$(listeners "$3" "if(\$8==$uid&&n++<5)print\$2")} && return
  rm -f "$f"
  case $why in no_home) ;; *pace* | *uota* | *I/O*) why=disk_full ;; *ead-only*) why=read_only ;; *) why=denied ;; esac
  echo "unsupported $why"
}

# evict ADDRESS PORT: ends only what is still the very sshd of its record, and recorded by this device.
# f is the record, t its text, p its process; y is what the text says of whose it is: "DEVICE .", or from a program that
# says runs "RUN SILENCE DEVICE ."; x is that in front of this device's name. who ADDRESS PORT: the same, but ends nobody.
who() { evict "$@"; }
evict() {
  said=unknown
  set +f
  for f in "$dir/$3@$2@"*; do
    set -f
    p=${f##*@} t=''
    [ -f "$f" ] && [ ! -L "$f" ] && [ -O "$f" ] && t=$(dd if="$f" bs=256 count=1)
    if is_sshd "$p"; then
      y=${t#"1 $boot $start "} x=${y%"$device ."}
      case $t$runs in
        "1 $boot $start $x$device ."*" ${x%% *} "*) mine "$1" ;;
        "1 $boot $start $x$device . "*) other $twin ;;
        "1 $boot $start "*" . "*) other other ;;
        "1 "*" . "*) rm -f "$f" && found mismatch ;;
      esac
    else
      rm -f "$f"
      case $t in "1 "*" .") if [ "$parent" = 0 ]; then found gone; else found mismatch; fi ;; esac
    fi
  done
  set -f
  # Nobody was ended: the uid of who listens there, if anybody does.
  p=''
  case $said in [ugm]*) p=$(listeners "$3" "print\$8;exit") ;; esac
  # shellcheck disable=SC2086 # a word or none
  echo $said $p
}

# What a record shows does not hide that another one was ended, or could not be.
found() {
  case $said in [ugm]*) said=$1 ;; esac
}

# A living session of this device, maybe this very one.
mine() {
  case $1$p in
    "evict$own" | "who$own") found own ;;
    who*) other other ;;
    *) stop "$p" "$start" && rm -f "$f" ;;
  esac
}

# The device of a record, and for how many seconds its session has lived: the kernel shows times in 1/100 s. Then which
# run it is, and its guard's silence.
other() {
  read -r up _ <uptime
  y=${y% .} x=${y##* }
  found "$1 ${x%+*} $((${up%.*} - start / 100)) ${run:+${y%"$x"}}"
}

# begin keys
# keys: the public keys that the sshd above us shows to who connects. SSH_CONNECTION ends with its address and port. If
# the device seems to come from there too (a proxy), sshd may hold us against it (PerSourcePenalties): none.
keys() {
  # shellcheck disable=SC2086 # words
  set -- ${SSH_CONNECTION-}
  [ "${1-}" != "${3-}" ] || { echo keys && return; }
  # shellcheck disable=SC2046 # words
  echo keys $(ssh-keyscan -T 5 -p "${4-22}" "${3-localhost}" | awk '!/^#/&&n++<8{print $2,$3}')
}
# end keys

drop() {
  [ -e "$dir/$3@$2@$own" ] && rm -f "$dir/$3@$2@$own" && held=$((held - 1))
  echo dropped
}

# What this session recorded goes with it.
leave() {
  set +f
  rm -f "$dir"/*@"$own"
}

# A line: at most 160 of the few characters that names, addresses and numbers have. The third word is a number.
obey() {
  # shellcheck disable=SC2086 # words
  [ ${#1} -gt 160 ] || set -- $1
  case $* in *[!A-Za-z0-9.:_*\ -]*) set -- ;; esac
  case ${3-} in 0* | *[!0-9]* | ??????????*) set -- ;; esac
  # The device's own clock may be wrong: it is told the time here.
  # shellcheck disable=SC2046 # a word or none
  case "$# ${1-} $own" in
    "1 clock "?*) echo clock $(date +%s) ;;
    "4 hello "* | "3 hold "?* | "3 evict "?* | "3 who "?* | "3 drop "?* | [2-9]" runs "?* | "1 keys "?*) "$1" "$@" ;;
    *) echo error ;;
  esac
}

# The next whole line of what has come.
next() {
  case $inbox in *"$line_end"*) ;; *) return 1 ;; esac
  line=${inbox%%"$line_end"*} inbox=${inbox#*"$line_end"}
}

{ cd /proc && read -r boot <sys/kernel/random/boot_id; } || no no_proc
trap leave EXIT
trap exit HUP INT TERM PIPE
while :; do
  while next; do
    if [ "$line" ]; then obey "$line"; else echo; fi
  done
  [ ${#inbox} -le 160 ] || exit
  # dash's read has no timeout, and knows no end of a line that has none. Of one read(2) here comes what there is.
  got=$(timeout "$silence" dd bs=161 count=1; echo ".$?")
  case ${got##*.} in
    0) [ "${got%.*}" ] || exit ;;
    126 | 127) no no_timeout ;;
    124 | 143) [ "$own" ] && stop "$own" "$born"; exit ;;
    *) exit ;;
  esac
  inbox=$inbox${got%.*}
done
