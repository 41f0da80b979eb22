#include "cli/init/relay.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <iterator>
#include <sstream>

#include "cli/service_user.hpp"
#include "holdfast/public_key.hpp"
#include "setup/files.hpp"
#include "setup/host_key.hpp"
#include "setup/login.hpp"

namespace holdfast::cli::steps {
namespace {

constexpr std::chrono::seconds patience{15};

/// "ed25519" of "ssh-ed25519": how its file on the relay is called.
std::string host_key_file(const std::string& type) {
  const std::string kind = type.starts_with("ecdsa") ? "ecdsa" : type == "ssh-rsa" ? "rsa" : "ed25519";
  return "/etc/ssh/ssh_host_" + kind + "_key.pub";
}

/// Looks for a word of a line of ssh-keygen's: "256 SHA256:... root@relay (ED25519)".
bool has_word(const std::string& line, const std::string& word) {
  std::istringstream words{line};
  return std::find(std::istream_iterator<std::string>{words}, {}, word) != std::istream_iterator<std::string>{};
}

void confirm(const Wish& wish, const ShownHostKey& shown) {
  std::cout << "The relay shows " << shown.type << " " << shown.fingerprint
            << "\nCompare this with what the relay itself says: ssh-keygen -lf " << host_key_file(shown.type) << '\n';
  const std::string unsure = "nobody has said that this is the relay's host key";
  if (::isatty(STDIN_FILENO) != 1)
    throw Stopped{unsure + ": if it is, give it with --pin (or --yes, which takes any)",
                  wish.again(" --pin " + shown.fingerprint)};
  const std::string answer = ask_for("Is it the same? yes/no, or paste what the relay says", "no");
  if (answer != "yes" && !has_word(answer, shown.fingerprint)) throw Stopped{unsure};
}

ServiceUser service_user(const Wish& wish, const Plan& plan) {
  const auto user = find_service_user(plan.status_socket, true);
  if (user) return *user;
  const std::string command = variable("SUDO_USER").empty() ? "systemd-sysusers" : "sudo systemd-sysusers";
  throw Stopped{"there is no user for the service. This makes it, from what was installed: " + command,
                command + " && " + wish.again()};
}

/// Writes as the service's user: where that one may write, root must follow no link.
void add_host_key(const Wish& wish, const Plan& plan, const std::string& line) {
  std::optional<AsUser> service;
  if (wish.places.is_service()) {
    const ServiceUser user = service_user(wish, plan);
    const auto made = setup::create_folder(wish.places.state_folder, 0750);
    if (!made) throw Stopped{made.error()};
    if (*made && ::chown(wish.places.state_folder.c_str(), user.uid, user.gid) != 0)
      throw Stopped{wish.places.state_folder + " can't be given to user " + user.name};
    service.emplace(user);
  } else {
    make_folder(wish.places.state_folder, 0700);
  }
  if (const std::string why = setup::remember(plan.spec.user_known_hosts_file, line); !why.empty()) throw Stopped{why};
}

/// What became of it: "ssh-ed25519 SHA256:..., which ... holds already".
std::string know_host_key(const Wish& wish, const Plan& plan, const ShownHostKey& shown_key, bool pinned) {
  const std::string key = shown_key.type + " " + shown_key.fingerprint;
  if (!plan.spec.host_key_fingerprint.empty()) return key + ", which the configuration pins (host_key_fingerprint)";
  if (shown_key.line.empty()) return key + ", which " + plan.spec.user_known_hosts_file + " holds already";
  if (wish.options.dry_run && wish.places.is_service()) static_cast<void>(service_user(wish, plan));
  if (wish.options.dry_run) return key + "; would add it to " + plan.spec.user_known_hosts_file;
  if (!pinned && !wish.options.yes) confirm(wish, shown_key);
  add_host_key(wish, plan, shown_key.line);
  return key + ", added to " + plan.spec.user_known_hosts_file;
}

std::string line_of_key(const Plan& plan, const std::optional<setup::Key>& key) {
  const PublicKey unmade{"ssh-ed25519", "(the key that is to be made)"};
  return setup::authorized_keys_line(plan.listeners, key ? key->public_half : unmade, host_name());
}

}  // namespace

std::string meet_relay(const Wish& wish, const Plan& plan) {
  TunnelSpec spec = plan.spec;
  spec.strict_host_key_checking = StrictHostKeyChecking::accept_new;  // who adds it is asked below
  const auto shown = setup::look_at_relay(spec, patience);
  if (!shown) throw Stopped{describe(shown.error()) + "\n" + std::string{remedy(shown.error())}};
  const std::string key = shown->type + " " + shown->fingerprint;
  const bool pinned =
      std::find(wish.options.pins.begin(), wish.options.pins.end(), shown->fingerprint) != wish.options.pins.end();
  if (!wish.options.pins.empty() && !pinned) {
    std::string pins;
    for (const std::string& pin : wish.options.pins) pins += "\n  expected " + pin;
    throw Stopped{
        "the relay's host key is not the one of --pin:\n  it shows " + key + pins +
            "\nSomeone may be in between, or the pin is of another of the relay's keys: compare on the relay with "
            "ssh-keygen -lf " +
            host_key_file(shown->type),
        wish.without_pins()};
  }
  wish.say("relay's host key", know_host_key(wish, plan, *shown, pinned));
  return shown->known_line;
}

void show_line(const Wish& wish, const Plan& plan, const std::optional<setup::Key>& key,
               const std::string& known_line) {
  const std::string place = "~/.ssh/authorized_keys of " + wish.tunnel.login.user + " on " + wish.tunnel.login.host;
  const bool shared = plan.tunnels_of_key > 1;
  wish.say("the relay's line", "for " + place +
                                   (shared ? ", in place of the line of this key that is there: it is for all " +
                                                 std::to_string(plan.tunnels_of_key) + " tunnels of the key"
                                           : "") +
                                   "; docs/relay.md has one that can run nothing but the lease\n  " +
                                   line_of_key(plan, key));
  if (!wish.options.install_key) return;
  if (wish.options.dry_run)
    return wish.say("on the relay", "would put the line there as " + to_string(wish.tunnel.login));
  const auto installed = setup::install_key(wish.tunnel.login, known_line,
                                            setup::install_script(plan.listeners, key->public_half, host_name()));
  if (!installed)
    throw Stopped{installed.error().why, installed.error().by_hand ? wish.without_install_key() : wish.again()};
  switch (installed->how) {
    case setup::Installed::How::added:
      return wish.say("on the relay", "added the line");
    case setup::Installed::How::there:
      return wish.say("on the relay", "the line is there already");
    case setup::Installed::How::differs:
      break;
  }
  if (!setup::permits(installed->line, wish.tunnel.forward))
    throw Stopped{"the key is on the relay already, and the options of its line do not permit " +
                  listener_name(wish.tunnel.forward) +
                  ". sshd takes the first line of a key, so no other one is added: put this in its place, in " + place +
                  "\n  " + line_of_key(plan, key)};
  wish.say("on the relay", "the key is there already; its line has other options, which permit this listener");
}

}  // namespace holdfast::cli::steps
