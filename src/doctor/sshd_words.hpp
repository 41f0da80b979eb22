#pragma once

#include <string_view>

namespace holdfast::doctor {

/// For a POSIX shell that an sshd runs: `sshd_says USER` prints how that sshd is set up for the user (sshd -T). It asks
/// as whoever this is; then, if $sudo is set, as root where sudo asks for no password (it tells the administrator of
/// who may not). Its title says which file it has, which is in `config`.
inline constexpr std::string_view sshd_says = R"sh(config=
q=$PPID
while [ "${q:-0}" -gt 1 ]; do
  title=$(tr '\0' ' ' <"/proc/$q/cmdline" 2>/dev/null)
  case $title in *sshd*'[listener]'*)
    case $title in *' -f '*)
      config=${title#* -f }
      config=${config%% *}
    esac
    break
  esac
  q=$(awk '/^PPid:/ {print $2}' "/proc/$q/status" 2>/dev/null)
done
sshd=$(PATH=$PATH:/usr/sbin:/usr/local/sbin; command -v sshd)
sshd_says() {
  for root in '' ${sudo:+"sudo -n"}; do
    $root "$sshd" -T ${config:+-f "$config"} -C "user=$1,host=x,addr=127.0.0.1" 2>/dev/null && return
  done
  return 1
}
)sh";

}  // namespace holdfast::doctor
