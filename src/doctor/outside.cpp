#include "doctor/outside.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include "doctor/shared_login.hpp"
#include "holdfast/config.hpp"
#include "holdfast/time.hpp"
#include "setup/command.hpp"
#include "ssh/host_key_look.hpp"

namespace holdfast::doctor {
namespace {

/// A connection to the listener through the login, as a socket of ours (ssh -W).
class Through {
 public:
  Through(const SharedLogin& login, const Outside& outside, const std::string& address)
      : errors_(login.folder() + "/errors") {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
      throw std::system_error(errno, std::generic_category(), "socketpair");
    ours_ = ends[0];
    auto words = login.ssh();
    words.insert(words.end(), {"-o", "ClearAllForwardings=no", "-W",
                               in_brackets(address) + ":" + std::to_string(outside.port), "--", outside.login});
    posix_spawn_file_actions_t files{};
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, ends[1], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, errors_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const int failed = ::posix_spawnp(&child_, arguments[0], &files, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    ::close(ends[1]);
    if (failed != 0) child_ = -1;
  }
  ~Through() {
    ::close(ours_);
    if (child_ < 0) return;
    ::kill(child_, SIGTERM);
    while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Through(const Through&) = delete;
  Through& operator=(const Through&) = delete;

  int socket() const { return ours_; }
  /// Ends our side: a service that waits to be spoken to ends its own then.
  void say_nothing() const { ::shutdown(ours_, SHUT_WR); }
  std::string errors() const {
    std::ifstream file(errors_);
    return {std::istreambuf_iterator<char>{file}, {}};
  }

  /// Its first line or what of it came, without reading it away; none: nothing came within `patience`. Empty: it was
  /// closed.
  std::optional<std::string> first_line(std::chrono::seconds patience) const {
    const TimePoint end = Clock::now() + patience;
    std::array<char, 256> bytes{};
    while (true) {
      const ssize_t got = ::recv(ours_, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
      if (got == 0) return std::string{};
      if (got > 0) {
        std::string text(bytes.data(), static_cast<std::size_t>(got));
        if (const auto line = text.find('\n'); line != std::string::npos)
          return text.substr(0, text.find_last_not_of("\r\n", line) + 1);
        if (text.size() == bytes.size() || Clock::now() >= end) return text;
      }
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
      if (left <= 0) return std::nullopt;
      pollfd ready{ours_, POLLIN, 0};
      if (got > 0) {
        ::poll(nullptr, 0, 50);  // part of it has come: that it is ready says nothing
      } else {
        ::poll(&ready, 1, static_cast<int>(left));
      }
    }
  }

 private:
  std::string errors_;
  int ours_ = -1;
  pid_t child_ = -1;
};

std::string at(const SeenAtRelay::Listener& listener, std::uint16_t port) {
  return in_brackets(listener.address) + ":" + std::to_string(port) + " of user " + listener.user;
}

bool is_openssh(const SeenAtRelay& seen) {
  return seen.version.starts_with("OpenSSH_");
}

StepFindings failed(Failure failure) {
  StepFindings step;
  step.failure = std::move(failure);
  return step;
}

StepFindings passed(std::string measured) {
  StepFindings step;
  step.measured = std::move(measured);
  return step;
}

/// Where to connect for it, as the relay sees it.
std::string door(const SeenAtRelay& seen) {
  for (const auto& listener : seen.listeners) {
    if (listener.address == "127.0.0.1" || listener.address == "0.0.0.0" || listener.address == "::")
      return "127.0.0.1";
  }
  return seen.listeners.empty() ? "localhost" : seen.listeners.front().address;
}

StepFindings listener_of(const SeenAtRelay& seen, std::uint16_t port) {
  StepFindings step;
  for (const auto& listener : seen.listeners) step.measured += (step.measured.empty() ? "" : ", ") + at(listener, port);
  // Of another kind of SSH server on the relay nothing is known, nor of what a container's proxy leads to.
  const auto is_at_door = [at_door = door(seen)](const std::string& address) {
    return address == at_door || address == "[" + at_door + "]" || address == "0.0.0.0" || address == "*" ||
           address == "[::]";
  };
  const auto stranger = std::find_if(seen.programs.begin(), seen.programs.end(), [&](const auto& program) {
    const bool may_be_ours =
        program.name.starts_with("sshd") || program.name == "dropbear" || program.name == "docker-proxy";
    return is_openssh(seen) && is_at_door(program.address) && !may_be_ours;
  });
  if (stranger != seen.programs.end())
    step.failure = Failure{Cause::listener_held_live, "look who has", "port " + std::to_string(port) + " at the relay",
                           stranger->name + " has it, and not sshd",
                           "Stop that program on the relay, or give the tunnel another port."};
  if (!seen.listeners.empty()) return step;
  step.failure = Failure{Cause::no_listener, "look for", "port " + std::to_string(port) + " at the relay", ""};
  return step;
}

/// What ssh wrote last.
std::string last_line(std::string text) {
  text.resize(text.find_last_not_of(" \r\n") + 1);
  return text.substr(text.rfind('\n') + 1);
}

/// ssh has one exit status for all of it.
std::pair<Layer, Cause> why_not(const std::string& said) {
  const bool is_silent =
      said.find("Connection to ") != std::string::npos && said.find("timed out") != std::string::npos;
  if (is_silent) return {Layer::banner, Cause::no_banner};  // "ssh: connect to host" is TCP's
  const std::array<std::pair<const char*, Cause>, 11> words{
      {{"Temporary failure in name resolution", Cause::resolver_unavailable},
       {"Could not resolve hostname", Cause::name_not_found},
       {"banner line contains", Cause::protocol_mismatch},
       {"Bad remote protocol", Cause::protocol_mismatch},
       {"Connection refused", Cause::connection_refused},
       {"timed out", Cause::connection_timed_out},
       {"No route to host", Cause::unreachable},
       {"Network is unreachable", Cause::unreachable},
       {"IDENTIFICATION HAS CHANGED", Cause::host_key_changed},
       {"Host key verification failed", Cause::host_key_unknown},
       {"Permission denied", Cause::authentication_refused}}};
  for (const auto& [text, cause] : words) {
    if (said.find(text) == std::string::npos) continue;
    const Layer layer = facts_of(cause).layer;
    return {layer == Layer::route ? Layer::tcp : layer, cause};
  }
  return {Layer::banner, Cause::no_banner};
}

class Visit {
 public:
  Visit(const Outside& outside, const std::function<void(Layer, Finding)>& tell)
      : outside_(outside), tell_(tell), login_(outside.login, outside.ssh_port) {}

  void run() {
    std::vector<std::string> words{"sh", "-c", "exec \"$@\" 2>&1", "sh"};  // ssh says why it did not get in
    const auto ssh = login_.ssh();
    words.insert(words.end(), ssh.begin(), ssh.end());
    words.insert(words.end(), {"--", outside_.login, "exec sh -s"});
    const auto ended = setup::run(words, outside_script(outside_.port));
    if (!ended) {
      return skip_all(Layer::authentication,
                      failed({Cause::local_error, "run", "ssh", std::generic_category().message(ended.error()),
                              "Install ssh on this machine: apt install openssh-client."}));
    }
    const SeenAtRelay seen = read_outside(ended->output);
    if (!seen.ran && ended->exit_status == SharedLogin::refused) {
      const auto [layer, cause] = why_not(ended->output);
      return skip_all(layer, failed({cause, "log in to", outside_.login, last_line(ended->output), remedy_for(cause)}));
    }
    tell_(Layer::authentication, passed("as " + outside_.login));
    if (!seen.listed) {
      tell_(Layer::listener, Skipped{"the account at the relay runs no shell, or sees no /proc/net/tcp"});
      tell_(Layer::lease, Skipped{"likewise"});
    } else {
      tell_(Layer::listener, listener_of(seen, outside_.port));
      if (seen.listeners.empty()) {
        for (const Layer layer : {Layer::lease, Layer::proof, Layer::target}) tell_(layer, Skipped{"nobody listens"});
        return;
      }
      tell_(Layer::lease, lease_of(seen));
    }
    look_through(seen);
  }

 private:
  /// That it is the relay which can't be reached, whatever the device does, is worth saying.
  std::string remedy_for(Cause cause) const {
    const std::string port = outside_.ssh_port == 0 ? "" : "-p " + std::to_string(outside_.ssh_port) + " ";
    const std::string by_hand = "log in to the relay by hand first: ssh " + port + outside_.login + ".";
    if (facts_of(cause).layer == Layer::host_key)
      return "Your own ssh does not take the relay's host key. Compare it with the relay's own first (on the relay: "
             "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then " +
             by_hand;
    if (cause == Cause::authentication_refused)
      return "The relay is there, and takes no key or password of yours: " + by_hand;
    return "The relay itself can't be reached from here, whatever the device does: " + by_hand;
  }

  static Finding lease_of(const SeenAtRelay& seen) {
    if (seen.devices.empty())
      return Skipped{"user " + seen.user + " sees no lease record: only the tunnel's own account does"};
    StepFindings step = passed("held by device " + seen.devices.front());
    for (std::size_t index = 1; index < seen.devices.size(); ++index)
      step.evidence.push_back("and by device " + seen.devices[index]);
    return step;
  }

  void skip_all(Layer layer, Finding finding) {
    tell_(layer, std::move(finding));
    if (layer != Layer::authentication) tell_(Layer::authentication, Skipped{"the relay is not reached"});
    for (const Layer above : {Layer::listener, Layer::lease, Layer::proof, Layer::target})
      tell_(above, Skipped{"there is no login at the relay"});
  }

  void look_through(const SeenAtRelay& seen) {
    const std::string where = door(seen) + ":" + std::to_string(outside_.port);
    const Through through{login_, outside_, door(seen)};
    const auto line = through.first_line(outside_.patience);
    if (!line) return nothing_came(seen, where);
    if (line->empty()) return closed(where, through.errors());
    tell_(Layer::proof, passed(where + " answers"));
    const bool by_sshd = line->starts_with("Exceeded MaxStartups") || line->starts_with("Not allowed at this time");
    if (by_sshd)
      return tell_(Layer::target, failed({Cause::target_unexpected, "read from", where, "it says: " + *line,
                                          "The device's sshd takes nobody for now: look again in a minute, and at "
                                          "MaxStartups and PerSourcePenalties there."}));
    if (!line->starts_with("SSH-")) return no_ssh("it says: " + *line, Cause::target_unexpected, where);
    tell_(Layer::target, host_key_through(through, *line));
  }

  /// Where a host key was named, what shows none is not the device that is meant.
  void no_ssh(const std::string& what, Cause otherwise, const std::string& where) {
    const bool is_meant = outside_.pins.empty();
    tell_(Layer::target, failed({is_meant ? otherwise : Cause::device_key_unexpected, "read from", where,
                                 what + (is_meant ? "" : ", and shows no host key")}));
  }

  enum class Answer { none, an_end, words };

  /// To the end of our side alone. Soon, that is: holdfast takes 10 s to give up a target that does not answer.
  Answer answer_to_our_end(const SeenAtRelay& seen) const {
    const Through through{login_, outside_, door(seen)};
    through.say_nothing();
    const auto said = through.first_line(outside_.short_patience);
    if (!said || through.errors().find("open failed") != std::string::npos) return Answer::none;
    return said->empty() ? Answer::an_end : Answer::words;
  }

  /// A living service that waits to be spoken to ends the connection when we do, each time. A device that is gone does
  /// nothing. A session that is let go of just then ends it once. Others than OpenSSH may end both sides by themselves.
  void nothing_came(const SeenAtRelay& seen, const std::string& where) {
    const std::string longest = std::to_string(outside_.patience.count()) + " s";
    const bool may_tell = is_openssh(seen);
    Answer answer = may_tell ? answer_to_our_end(seen) : Answer::none;
    if (answer != Answer::none) answer = answer_to_our_end(seen);
    if (answer != Answer::none) {
      tell_(Layer::proof, passed(where + " takes the connection, and ends it when we do"));
      if (answer == Answer::words) return tell_(Layer::target, Skipped{"it answered late: look again"});
      if (!outside_.pins.empty())
        return no_ssh("it says nothing until it is spoken to", Cause::target_unexpected, where);
      return tell_(Layer::target,
                   passed("it says nothing until it is spoken to, as HTTP does: look at the service itself"));
    }
    const std::string what = "nothing came within " + longest + (may_tell ? ", and no end when we ended" : "");
    const auto guard = guard_of(seen);
    if (!guard) {
      tell_(Layer::proof, failed({Cause::listener_held_stale, "connect to", where, what,
                                  "The relay still holds the listener of a session whose device does not answer: look "
                                  "at the device's power and signal. " +
                                      when_free(seen) + " With a lease holdfast evicts it as soon as it is back."}));
      return tell_(Layer::target, Skipped{"nothing comes through the listener"});
    }
    const std::string again = "look again in " + to_text(*guard) +
                              ": if the device went a moment ago, its lease and the listener are gone then";
    tell_(Layer::proof, passed(where + " takes the connection, and the lease of device " + seen.devices.front() +
                               " stands: it gave a sign of life in the last " + to_text(*guard)));
    if (!may_tell) return tell_(Layer::target, Skipped{what + ": the service may wait to be spoken to; " + again});
    tell_(
        Layer::target,
        failed({Cause::target_hangs, "read from", where, what,
                "First " + again + ". If both are still there, the service hangs: restart it, and look at its log."}));
  }

  void closed(const std::string& where, const std::string& errors) {
    const bool prohibited = errors.find("administratively prohibited") != std::string::npos;
    const bool refused = errors.find("open failed") != std::string::npos;
    if (prohibited) {
      tell_(Layer::proof, Skipped{"this account may not connect to " + where + " (AllowTcpForwarding, permitopen)"});
    } else if (refused) {
      tell_(Layer::proof, failed({Cause::no_listener, "connect to", where, errors.substr(0, errors.find('\n'))}));
    } else {
      tell_(Layer::proof, passed(where + " takes the connection"));
      return tell_(Layer::target,
                   failed({Cause::target_down, "read from", where, "it is closed at once",
                           "The tunnel stands, and its target on the device does not answer: start what it "
                           "leads to there (systemctl status ssh)."}));
    }
    tell_(Layer::target, Skipped{"no connection came through"});
  }

  /// Is it the device, or something in between?
  StepFindings host_key_through(const Through& through, const std::string& banner) const {
    TunnelSpec spec;
    spec.host_name = "localhost";
    spec.user = "nobody";  // who does not log in
    spec.port = outside_.port;
    spec.user_known_hosts_file = outside_.known_hosts.empty() ? "/dev/null" : outside_.known_hosts;
    spec.host_key_fingerprint = outside_.pins;
    const auto shown = ssh::look_at_host_key(through.socket(), spec, outside_.patience);
    if (!shown) {
      Failure failure = shown.error();
      if (is_wrong_host_key(failure.cause)) {
        const std::string why = failure.detail.substr(0, failure.detail.find("; if the pinned"));
        failure = {Cause::device_key_unexpected, "look at the host key behind", "the listener", why};
      } else if (failure.cause == Cause::phase_timed_out) {
        failure = {Cause::target_hangs, "exchange keys with", "the SSH server behind the listener",
                   "it greets, and then says nothing more"};
      }
      StepFindings step = failed(std::move(failure));
      step.evidence.push_back(banner);
      return step;
    }
    const char* const known = !outside_.pins.empty() ? ", which is the key that --pin names"
                              : shown->line.empty()  ? ", which is the known key"
                                                     : ", which is not known here: compare it with the device's own";
    return passed(banner + ", " + shown->type + " " + shown->fingerprint + known);
  }

  const Outside& outside_;
  const std::function<void(Layer, Finding)>& tell_;
  SharedLogin login_;
};

}  // namespace

void look_from_outside(const Outside& outside, const std::function<void(Layer, Finding)>& tell) {
  Visit{outside, tell}.run();
}

}  // namespace holdfast::doctor
