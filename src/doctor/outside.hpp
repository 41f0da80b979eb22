#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/findings.hpp"

/// What can be seen of a tunnel from its relay, or from anywhere that one can log in there from.
namespace holdfast::doctor {

struct Outside {
  std::string login;                 ///< "user@relay", as ssh(1) takes it
  std::uint16_t ssh_port = 0;        ///< of the relay's sshd; 0: as ssh's own configuration says
  std::uint16_t port = 0;            ///< where the tunnel's listener should be, on the relay
  std::string known_hosts;           ///< where the device's host key may be known; empty: nowhere
  std::vector<std::string> pins{};   ///< else "SHA256:..." of it
  std::chrono::seconds patience{5};  ///< for an answer through the listener
  std::chrono::seconds short_patience{3};
};

/// Does anything listen, on which addresses, whose is it, does it answer, and is that the device? Logs in at the relay
/// with the ssh of whoever runs this, which may ask for a password on the terminal, and says there why it can't. `tell`
/// is called for each layer once: authentication, listener, lease, proof and target. Blocks.
void look_from_outside(const Outside& outside, const std::function<void(Layer, Finding)>& tell);

inline constexpr std::array outside_layers{Layer::authentication, Layer::listener, Layer::lease, Layer::proof,
                                           Layer::target};

// ---- pure -----------------------------------------------------------------------------------------------------------

/// What a POSIX shell on the relay is to run; each line of what it prints begins with outside_mark.
std::string outside_script(std::uint16_t port);
inline constexpr std::string_view outside_mark = "holdfast-outside: ";

struct SeenAtRelay {
  bool ran = false;     ///< a shell ran the script
  bool listed = false;  ///< it could see who listens
  struct Listener {
    std::string address;  ///< "127.0.0.1", "::"
    std::string user;     ///< whose; a number if it has no name there
  };
  std::vector<Listener> listeners{};
  /// That listens, where whoever looks may see it.
  struct Program {
    std::string address;  ///< as ss(8) has it: "127.0.0.1", "*", "[::1]"
    std::string name;     ///< "sshd", "sshd-session"
  };
  std::vector<Program> programs{};
  std::vector<std::string> devices{};  ///< by the lease records of the account, whose session is there
  std::vector<unsigned> guards{};      ///< of each: after so many seconds of silence its session is ended; 0: not told
  /// What the relay's sshd does for the user that listens, as far as it may be asked.
  std::optional<unsigned> alive_interval{};  ///< ClientAliveInterval, in seconds
  std::optional<unsigned> alive_count{};     ///< ClientAliveCountMax
  std::string version{};                     ///< "OpenSSH_9.2p1"
  std::optional<unsigned> tcp_retries{};     ///< of the relay's kernel: tcp_retries2
  std::string user{};                        ///< who logged in
};
/// Whatever else the account's own files print.
SeenAtRelay read_outside(const std::string& output);

/// After how long a silence its lease ends the session; none if a lease does not, or is not seen.
std::optional<std::chrono::seconds> guard_of(const SeenAtRelay& seen);

/// When a dead session's listener will be free, after somebody has just connected to it; where that can't be known,
/// what decides it, and how it is seen.
std::string when_free(const SeenAtRelay& seen);

/// "127.0.0.1" of /proc/net/tcp's "0100007F", likewise of tcp6; empty if it is none.
std::string address_of_proc(const std::string& hexadecimal);

}  // namespace holdfast::doctor
