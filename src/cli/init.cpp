#include <poll.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/check.hpp"
#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "cli/places.hpp"
#include "cli/service_user.hpp"
#include "config/forward_syntax.hpp"
#include "config/load.hpp"
#include "config/tunnel.hpp"
#include "holdfast/relays.hpp"
#include "holdfast/report.hpp"
#include "setup/command.hpp"
#include "setup/files.hpp"
#include "setup/host_key.hpp"
#include "setup/key.hpp"
#include "setup/login.hpp"
#include "setup/words.hpp"
#include "status/json.hpp"

namespace holdfast::cli {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::uint16_t usual_port = 4649;
constexpr int first_unprivileged_port = 1024;
constexpr seconds patience_with_relay{15};
constexpr seconds patience_with_tunnel{30};

/// Why a step failed, and what to type next; its earlier ones stay done.
struct Stopped {
  std::string why;
  std::string next{};  ///< a command; empty: this one again
};

// One thread: NOLINTBEGIN(concurrency-mt-unsafe)
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

/// Who sits at the device, also behind sudo.
std::string user_name() {
  if (std::string user = variable("SUDO_USER"); !user.empty()) return user;
  const passwd* entry = ::getpwuid(::getuid());
  return entry != nullptr ? entry->pw_name : "USER";
}
// NOLINTEND(concurrency-mt-unsafe)

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "device";
}

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

/// Where all of it goes.
struct Places {
  enum class Kind {
    service,  ///< root's: the unit hands the key over, and another user writes the state
    user,     ///< a user's own, with a unit of the user's
    named,    ///< by --config-dir: whoever runs it there starts it
  };
  Kind kind{};
  std::string config_folder;
  std::string state_folder;

  std::string main_file() const { return config_folder + "/holdfast.yaml"; }
  std::string drop_in(const std::string& name) const { return config_folder + "/conf.d/" + name + ".yaml"; }
  std::string key() const { return config_folder + "/id_ed25519"; }
  std::string known_hosts() const { return state_folder + "/known_hosts"; }
  bool is_service() const { return kind == Kind::service; }

  /// For who starts it by hand. `only`: a tunnel; empty: all.
  std::string foreground(const std::string& only) const {
    std::string run = "holdfast run" + (only.empty() ? "" : " --only " + only);
    switch (kind) {
      case Kind::service:
        return "mkdir -p /run/holdfast" + (only.empty() ? "" : "/only/" + only) +
               " && CREDENTIALS_DIRECTORY=" + config_folder + " " + run;
      case Kind::user:
        return run;
      case Kind::named:
        return "STATE_DIRECTORY=" + setup::shell_word(state_folder) + " " + run + " -c " +
               setup::shell_word(main_file());
    }
    std::abort();
  }
};

std::optional<Places> find_places(const InitOptions& options) {
  if (!options.config_dir.empty()) {
    return Places{Places::Kind::named, std::filesystem::absolute(options.config_dir).lexically_normal(),
                  std::filesystem::absolute(options.state_dir).lexically_normal()};
  }
  if (::geteuid() == 0) {
    return Places{Places::Kind::service, std::filesystem::path{service_config}.parent_path(),
                  config::default_state_directory};
  }
  if (own_config_folder().empty()) return std::nullopt;
  return Places{Places::Kind::user, own_config_folder(), own_state_folder()};
}

/// The key that is about to be made is taken to be there.
class WithKey final : public config::Files {
 public:
  explicit WithKey(std::string key) : key_(std::move(key)) {}
  Kind private_key(const std::string& path) const override {
    return path == key_ && !exists(key_) ? Kind::good : files_.private_key(path);
  }
  Kind readable_file(const std::string& path) const override { return files_.readable_file(path); }
  std::optional<std::string> credentials_directory() const override { return files_.credentials_directory(); }
  std::string congestion_controls() const override { return {}; }

 private:
  const config::Files& files_ = config::files_outside_service();
  const std::string key_;
};

/// "ed25519" of "ssh-ed25519": how its file on the relay is called.
std::string host_key_file(const std::string& type) {
  const std::string kind = type.starts_with("ecdsa") ? "ecdsa" : type == "ssh-rsa" ? "rsa" : "ed25519";
  return "/etc/ssh/ssh_host_" + kind + "_key.pub";
}

/// Of "256 SHA256:... root@relay (ED25519)", as ssh-keygen has it.
bool has_word(const std::string& line, const std::string& word) {
  std::istringstream words{line};
  return std::find(std::istream_iterator<std::string>{words}, {}, word) != std::istream_iterator<std::string>{};
}

class Init {
 public:
  explicit Init(InitOptions options) : options_(std::move(options)) {}

  int run() {
    try {
      if (const auto wrong = understand()) return complain(misused, *wrong + "; see 'holdfast init --help'");
      plan();
      prepare_key();
      meet_relay();
      write_configuration();
      show_line();
      if (!options_.dry_run) {
        check();
        const bool runs = start();
        if (runs) wait();
      }
      tell_how_to_log_in();
      return done;
    } catch (const std::system_error& error) {
      return complain(failed, std::string{error.what()} + "\nTo go on: " + again());
    } catch (const Stopped& stopped) {
      const std::string next = stopped.next.empty() ? again() : stopped.next;
      return complain(failed, stopped.why + "\nTo go on: " + next);
    }
  }

 private:
  // ---- what is wanted ----------------------------------------------------------------------------------------------

  /// What is wrong with the command line.
  std::optional<std::string> understand() {
    const auto places = find_places(options_);
    if (!places)
      return "a system user, or one without HOME, has no place for it: run this as root, or give --config-dir and "
             "--state-dir";
    places_ = *places;
    if (options_.relay.empty()) {
      if (::isatty(STDIN_FILENO) != 1)
        return "--relay is missing, and there is no terminal to ask on: --relay USER@HOST, as tunnel@relay.example";
      options_.relay = ask_for("The account on the relay, USER@HOST", "");
      if (const auto typed = setup::parse_login(options_.relay); !typed) return "--relay: " + typed.error();
      if (!options_.port) {
        const std::string port = ask_for("The port there that leads here", std::to_string(usual_port));
        std::from_chars(port.data(), port.data() + port.size(), options_.port.emplace(0));
      }
    }
    const auto login = setup::parse_login(options_.relay);
    if (!login) return "--relay: " + login.error();
    const int port = options_.port.value_or(usual_port);
    if (port < 1 || port > 65535) return "--port: write a port from 1 to 65535";
    if (!config::is_tunnel_name(options_.name)) return "--name: " + std::string{config::tunnel_name_rule};
    const auto target = config::parse_target(options_.target);
    if (!target) return "--target: '" + options_.target + "': " + target.error() + "; write HOST:PORT, as localhost:22";
    if (port < first_unprivileged_port && login->user != "root") {
      std::cerr << "warning: --port " << port << " is below " << first_unprivileged_port
                << ": only root's account may listen there; take another one\n";
    }
    tunnel_.name = options_.name;
    tunnel_.login = *login;
    tunnel_.forward = RemoteForward{"localhost", static_cast<std::uint16_t>(port), *target};
    tunnel_.identity_file = places_.is_service() ? "${CREDENTIALS_DIRECTORY}/id_ed25519" : places_.key();
    if (places_.is_service()) tunnel_.identity_comment = "systemd's copy of " + places_.key();
    if (!places_.is_service()) tunnel_.known_hosts = places_.known_hosts();
    return std::nullopt;
  }

  static std::string ask_for(const std::string& what, const std::string& usual) {
    std::cout << what << (usual.empty() ? "" : " [" + usual + "]") << ": " << std::flush;
    std::string answer;
    std::getline(std::cin, answer);
    return answer.empty() ? usual : answer;
  }

  /// This command, with what was answered meanwhile.
  std::string again(const std::string& more = "") const { return again(options_, more); }

  std::string again(const InitOptions& options, const std::string& more = "") const {
    std::string command = variable("SUDO_USER").empty() ? "holdfast init" : "sudo holdfast init";
    const auto add = [&](const std::string& name, const std::string& value, const std::string& usual) {
      if (value != usual) command += " " + name + " " + setup::shell_word(value);
    };
    add("--relay", options.relay, "");
    add("--port", std::to_string(options.port.value_or(usual_port)), std::to_string(usual_port));
    add("--name", options.name, InitOptions{}.name);
    add("--target", options.target, InitOptions{}.target);
    for (const std::string& pin : options.pins) add("--pin", pin, "");
    add("--config-dir", options.config_dir, "");
    add("--state-dir", options.state_dir, "");
    if (options.install_key) command += " --install-key";
    if (options.yes) command += " --yes";
    if (options.no_start) command += " --no-start";
    if (options.dry_run) command += " --dry-run";
    return command + more;
  }

  std::string without_install_key() const {
    InitOptions options = options_;
    options.install_key = false;
    return again(options);
  }

  std::string without_pins() const {
    InitOptions options = options_;
    options.pins.clear();
    options.yes = false;  // this key is to be compared, not taken
    return again(options);
  }

  /// Of another tunnel beside the one that is there.
  std::string with_other_name() const {
    InitOptions options = options_;
    options.port.reset();
    options.name = InitOptions{}.name;
    return again(options, " --name OTHER --port OTHER");
  }

  /// What another name or another port mends.
  bool is_collision(const config::Problem& problem) const {
    const bool of_names = problem.key == "tunnels." + tunnel_.name && problem.message.starts_with("given twice");
    const bool of_ports =
        problem.message.starts_with("listener ") && problem.message.find(" collides with ") != std::string::npos;
    return of_names || of_ports;
  }

  void say(const std::string& step, const std::string& text) const {
    std::cout << step << ": " << (options_.dry_run ? "(dry run) " : "") << text << std::endl;
  }

  // ---- before anything is written ----------------------------------------------------------------------------------

  /// The configuration as it is going to be has to be good as a whole.
  void plan() {
    drop_in_ = setup::tunnel_yaml(tunnel_);
    const std::string file = places_.drop_in(tunnel_.name);
    std::vector<config::Source> planned{{file, drop_in_}};
    if (!exists(places_.main_file())) {
      main_ = setup::main_yaml(places_.is_service() ? "" : places_.state_folder + "/status.sock");
      planned.push_back({places_.main_file(), main_});
    }
    refuse_other_content(file);
    const auto loaded = config::load(places_.main_file(), WithKey{places_.key()}, planned);
    if (!loaded) {
      std::string problems;
      for (const config::Problem& problem : loaded.error()) problems += "\n  " + config::to_string(problem);
      throw Stopped{"with " + file + " the configuration could not be used:" + problems +
                        "\nNothing was written. Mend it first; another tunnel takes another --name and another --port",
                    is_collision(loaded.error().front()) && loaded.error().size() == 1 ? with_other_name() : ""};
    }
    status_socket_ = loaded->config.status_socket.path;
    for (const TunnelSpec& spec : loaded->config.tunnels) {
      if (spec.name == tunnel_.name) spec_ = spec;
    }
    for (const TunnelSpec& spec : loaded->config.tunnels) {
      if (!share_a_line(spec, spec_)) continue;
      ++tunnels_of_key_;
      for (const RemoteForward& forward : spec.remote_forward) {
        const auto same = [&](const RemoteForward& other) { return listener_name(other) == listener_name(forward); };
        if (std::none_of(listeners_.begin(), listeners_.end(), same)) listeners_.push_back(forward);
      }
    }
  }

  /// The same key in the same account.
  static bool share_a_line(const TunnelSpec& one, const TunnelSpec& other) {
    const auto have_one_in_common = [](const auto& left, const auto& right, auto&& same) {
      return std::any_of(left.begin(), left.end(), [&](const auto& item) {
        return std::any_of(right.begin(), right.end(), [&](const auto& candidate) { return same(item, candidate); });
      });
    };
    const auto same_relay = [](const RelaySpec& left, const RelaySpec& right) {
      return left.host_name == right.host_name && left.port == right.port;
    };
    return one.user == other.user && have_one_in_common(one.identity_file, other.identity_file, std::equal_to<>{}) &&
           have_one_in_common(relays_of(one), relays_of(other), same_relay);
  }

  void refuse_other_content(const std::string& file) {
    if (!exists(file)) return;
    drop_in_exists_ = true;
    const auto there = setup::read_file(file);
    if (!there) throw Stopped{there.error()};
    if (*there == drop_in_) return;
    throw Stopped{file + " is there already, and is not what this command would write (+):\n" +
                      setup::difference(*there, drop_in_) +
                      "Nothing was written. Edit that file, or take another --name and another --port",
                  with_other_name()};
  }

  // ---- the steps ---------------------------------------------------------------------------------------------------

  void make_folder(const std::string& path, mode_t mode) const {
    if (const auto made = setup::create_folder(path, mode); !made) throw Stopped{made.error()};
  }

  void prepare_key() {
    const std::string file = places_.key();
    const bool is_there = exists(file);
    if (options_.dry_run && !is_there) return say("key", "would make " + file);
    if (!options_.dry_run) make_folder(places_.config_folder, places_.is_service() ? 0755 : 0700);
    auto key = options_.dry_run ? setup::find_key(file) : setup::find_or_make_key(file, host_name());
    if (!key) throw Stopped{key.error()};
    key_ = std::move(*key);
    say("key",
        (key_->made ? "made " : "there already: ") + file + ", " + key_->public_half.type + " " + key_->fingerprint);
    if (!key_->note.empty()) say("key", key_->note);
  }

  void meet_relay() {
    spec_.strict_host_key_checking = StrictHostKeyChecking::accept_new;  // who adds it is asked below
    const auto shown = setup::look_at_relay(spec_, patience_with_relay);
    if (!shown) throw Stopped{describe(shown.error()) + "\n" + std::string{remedy(shown.error())}};
    const std::string key = shown->type + " " + shown->fingerprint;
    const bool pinned =
        std::find(options_.pins.begin(), options_.pins.end(), shown->fingerprint) != options_.pins.end();
    if (!options_.pins.empty() && !pinned) {
      std::string pins;
      for (const std::string& pin : options_.pins) pins += "\n  expected " + pin;
      throw Stopped{
          "the relay's host key is not the one of --pin:\n  it shows " + key + pins +
              "\nSomeone may be in between, or the pin is of another of the relay's keys: compare on the relay with "
              "ssh-keygen -lf " +
              host_key_file(shown->type),
          without_pins()};
    }
    known_line_ = shown->known_line;
    if (!spec_.host_key_fingerprint.empty())
      return say("relay's host key", key + ", which the configuration pins (host_key_fingerprint)");
    if (shown->line.empty())
      return say("relay's host key", key + ", which " + spec_.user_known_hosts_file + " holds already");
    if (options_.dry_run && places_.is_service()) static_cast<void>(service_user());
    if (options_.dry_run) return say("relay's host key", key + "; would add it to " + spec_.user_known_hosts_file);
    if (!pinned && !options_.yes) confirm(*shown);
    add_host_key(shown->line);
    say("relay's host key", key + ", added to " + spec_.user_known_hosts_file);
  }

  void confirm(const ssh::ShownHostKey& shown) const {
    std::cout << "The relay shows " << shown.type << " " << shown.fingerprint
              << "\nCompare this with what the relay itself says: ssh-keygen -lf " << host_key_file(shown.type) << '\n';
    const std::string unsure = "nobody has said that this is the relay's host key";
    if (::isatty(STDIN_FILENO) != 1)
      throw Stopped{unsure + ": if it is, give it with --pin (or --yes, which takes any)",
                    again(" --pin " + shown.fingerprint)};
    const std::string answer = ask_for("Is it the same? yes/no, or paste what the relay says", "no");
    if (answer != "yes" && !has_word(answer, shown.fingerprint)) throw Stopped{unsure};
  }

  ServiceUser service_user() const {
    const auto user = find_service_user(status_socket_, true);
    if (user) return *user;
    const std::string command = variable("SUDO_USER").empty() ? "systemd-sysusers" : "sudo systemd-sysusers";
    throw Stopped{"there is no user for the service. This makes it, from what was installed: " + command,
                  command + " && " + again()};
  }

  /// As the service's user: where that one may write, root must follow no link.
  void add_host_key(const std::string& line) {
    std::optional<AsUser> service;
    if (places_.is_service()) {
      const ServiceUser user = service_user();
      const auto made = setup::create_folder(places_.state_folder, 0750);
      if (!made) throw Stopped{made.error()};
      if (*made && ::chown(places_.state_folder.c_str(), user.uid, user.gid) != 0)
        throw Stopped{places_.state_folder + " can't be given to user " + user.name};
      service.emplace(user);
    } else {
      make_folder(places_.state_folder, 0700);
    }
    if (const std::string why = setup::remember(spec_.user_known_hosts_file, line); !why.empty()) throw Stopped{why};
  }

  void write_configuration() {
    const std::string file = places_.drop_in(tunnel_.name);
    if (drop_in_exists_ && main_.empty()) return say("configuration", "there already: " + file);
    if (options_.dry_run) {
      if (!drop_in_exists_) say("configuration", "would write " + file + ":\n" + drop_in_);
      if (!main_.empty()) say("configuration", "would write " + places_.main_file() + ":\n" + main_);
      return;
    }
    const mode_t folder_mode = places_.is_service() ? 0755 : 0700;
    make_folder(places_.config_folder + "/conf.d", folder_mode);
    // The main file last: without it nothing is read.
    write(file, drop_in_);
    if (!main_.empty()) write(places_.main_file(), main_);
    changed_ = true;
    say("configuration", "wrote " + file + (main_.empty() ? "" : " and " + places_.main_file()));
  }

  void write(const std::string& file, const std::string& text) const {
    const auto made = setup::create_file(file, text, 0644);
    if (!made) throw Stopped{made.error()};
    // Another init may have been faster.
    if (!*made && setup::read_file(file) != text)
      throw Stopped{file + " was made meanwhile by somebody else, and is not what this command would write"};
  }

  std::string line_of_key() const {
    const ssh::PublicKey unmade{"ssh-ed25519", "(the key that is to be made)"};
    return setup::authorized_keys_line(listeners_, key_ ? key_->public_half : unmade, host_name());
  }

  void show_line() {
    const std::string place = "~/.ssh/authorized_keys of " + tunnel_.login.user + " on " + tunnel_.login.host;
    const bool shared = tunnels_of_key_ > 1;
    say("the relay's line", "for " + place +
                                (shared ? ", in place of the line of this key that is there: it is for all " +
                                              std::to_string(tunnels_of_key_) + " tunnels of the key"
                                        : "") +
                                "; docs/relay.md has one that can run nothing but the lease\n  " + line_of_key());
    if (!options_.install_key) return;
    if (options_.dry_run) return say("on the relay", "would put the line there as " + to_string(tunnel_.login));
    const auto installed = setup::install_key(tunnel_.login, known_line_,
                                              setup::install_script(listeners_, key_->public_half, host_name()));
    if (!installed) throw Stopped{installed.error().why, installed.error().by_hand ? without_install_key() : again()};
    switch (installed->how) {
      case setup::Installed::How::added:
        return say("on the relay", "added the line");
      case setup::Installed::How::there:
        return say("on the relay", "the line is there already");
      case setup::Installed::How::differs:
        break;
    }
    if (!setup::permits(installed->line, tunnel_.forward))
      throw Stopped{"the key is on the relay already, and the options of its line do not permit " +
                    listener_name(tunnel_.forward) +
                    ". sshd takes the first line of a key, so no other one is added: put this in its place, in " +
                    place + "\n  " + line_of_key()};
    say("on the relay", "the key is there already; its line has other options, which permit this listener");
  }

  void check() {
    // Root sees the keys themselves.
    if (places_.is_service())
      ::setenv("CREDENTIALS_DIRECTORY", places_.config_folder.c_str(), 0);  // NOLINT(concurrency-mt-unsafe)
    if (!find_faults(places_.main_file())) throw Stopped{"'holdfast check' finds what is named above: mend it"};
    say("check", "the configuration is good");
  }

  // ---- it runs -----------------------------------------------------------------------------------------------------

  static Options asking(const std::string& socket) {
    Options options;
    options.socket = socket;
    return options;
  }

  static bool answers(const std::string& socket) { return ask(asking(socket), "/v1/status").has_value(); }

  /// Of the process that holds this tunnel, or is to hold it.
  Options of_daemon() const {
    return asking(own_process_ ? socket_of_tunnel(status_socket_, tunnel_.name) : status_socket_);
  }

  std::string only() const { return own_process_ ? tunnel_.name : ""; }
  std::string unit() const { return own_process_ ? "holdfast@" + tunnel_.name : "holdfast"; }

  /// The units conflict: to start the process of all would end those of one tunnel.
  bool is_one_process_a_tunnel() const {
    const auto tunnels = tunnels_of_own_process(status_socket_);
    return std::any_of(tunnels.begin(), tunnels.end(),
                       [&](const std::string& tunnel) { return answers(socket_of_tunnel(status_socket_, tunnel)); });
  }

  /// False: it was left to whoever runs this.
  bool start() {
    own_process_ = !answers(status_socket_) && is_one_process_a_tunnel();
    if (own_process_) say("start", "each tunnel has a process of its own here; this one's is " + unit());
    const bool runs = answers(*of_daemon().socket);
    const bool systemd = exists("/run/systemd/system") && places_.kind != Places::Kind::named;
    if (options_.no_start || (!systemd && !runs)) {
      say("start", "not by this command; in the foreground: " + places_.foreground(only()));
      return false;
    }
    if (!runs) {
      systemctl({"enable", "--now"});
      say("start", "started, now and at every boot");
    } else if (systemd && places_.is_service() && key_->made) {
      systemctl({"restart"});  // systemd hands the key over when it starts the service
      say("start", "started anew, with the new key");
    } else if (changed_ || !look()) {
      reload();
    } else {
      reconnect();
    }
    if (systemd && !places_.is_service()) warn_of_logout();
    return true;
  }

  void systemctl(const std::vector<std::string>& verb) const {
    std::vector<std::string> command{"systemctl"};
    if (!places_.is_service()) command.emplace_back("--user");
    command.insert(command.end(), verb.begin(), verb.end());
    command.push_back(unit());
    const auto ended = setup::run(command);
    if (ended && ended->exit_status == 0) return;
    throw Stopped{"systemd did not start " + unit() + ": it says why above, or journalctl" +
                  std::string{places_.is_service() ? "" : " --user"} + " -u " + unit() +
                  " does; in the foreground: " + places_.foreground(only())};
  }

  void warn_of_logout() const {
    const auto linger = setup::run({"loginctl", "show-user", user_name(), "-p", "Linger", "--value"});
    if (linger && linger->output == "no\n")
      say("start", "it ends when you log out, unless: sudo loginctl enable-linger " + user_name());
  }

  void reload() const {
    const auto response = command(of_daemon(), "/v1/reload");
    if (!response) throw Stopped{response.error().text};
    if (response->status != 200)
      throw Stopped{"the running holdfast refuses the configuration:\n" + status::error_text(response->body)};
    say("start", "it runs already, and has read the configuration again");
  }

  /// One that waits for its next try is to try now. One that only lacks a proof may have visitors.
  void reconnect() const {
    if (const auto tunnel = look(); tunnel && (!tunnel->up || has_bad_proof(*tunnel)))
      static_cast<void>(command(of_daemon(), "/v1/tunnels/" + tunnel_.name + "/reconnect"));
    say("start", "it runs already");
  }

  std::optional<TunnelReport> look() const {
    const auto response = ask(of_daemon(), "/v1/status");
    const auto report = response ? status::from_json(response->body) : tl::unexpected<std::string>("");
    if (!report) return std::nullopt;
    for (const TunnelReport& tunnel : report->tunnels) {
      if (tunnel.name == tunnel_.name) return tunnel;
    }
    return std::nullopt;
  }

  static bool has_bad_proof(const TunnelReport& tunnel) {
    return std::any_of(tunnel.forwards.begin(), tunnel.forwards.end(),
                       [](const ForwardReport& forward) { return forward.proof && is_bad(forward.proof->result); });
  }

  /// Up, and proven where the configuration has it proven.
  bool is_good(const TunnelReport& tunnel) const {
    if (!tunnel.up || has_bad_proof(tunnel)) return false;
    return spec_.verify_interval == Duration::zero() ||
           std::all_of(tunnel.forwards.begin(), tunnel.forwards.end(),
                       [](const ForwardReport& forward) { return forward.proof.has_value(); });
  }

  /// What nobody mends by waiting, as it turned out since the wait began.
  static bool is_in_vain(const TunnelReport& tunnel, Duration waited) {
    const auto is_bad_proof = [&](const ForwardReport& forward) {
      return forward.proof && forward.proof->age < waited && is_bad(forward.proof->result);
    };
    if (std::any_of(tunnel.forwards.begin(), tunnel.forwards.end(), is_bad_proof)) return true;
    if (!tunnel.last_error || tunnel.last_error->age > waited) return false;
    const Cause cause = tunnel.last_error->failure.cause;
    return cause == Cause::authentication_refused || cause == Cause::forward_refused;
  }

  void wait() {
    const auto began = steady_clock::now();
    std::optional<TunnelReport> tunnel;
    Duration waited{};
    do {
      tunnel = look();
      waited = steady_clock::now() - began;
      if (tunnel && is_good(*tunnel))
        return say("tunnel", "up: " + condition(tunnel->forwards.front()) + "; see 'holdfast status'");
      if (tunnel && is_in_vain(*tunnel, waited)) break;
      constexpr int between_looks = 100;  // ms
      ::poll(nullptr, 0, between_looks);
    } while (waited < patience_with_tunnel);
    if (!tunnel) throw Stopped{"holdfast does not answer on " + *of_daemon().socket + ": look at its log"};
    std::string why = "tunnel " + tunnel_.name + " is not as it should be: " + condition(*tunnel);
    for (const ForwardReport& forward : tunnel->forwards) {
      if (forward.proof && forward.proof->failure) return fail(why, *forward.proof->failure);
    }
    if (tunnel->last_error) return fail(why, tunnel->last_error->failure);
    throw Stopped{why};
  }

  void fail(const std::string& why, const Failure& failure) const {
    std::string text = why + "\n" + std::string{remedy(failure)};
    if (failure.cause == Cause::authentication_refused) text += "\nThe line that it needs stands above.";
    if (failure.cause == Cause::target_down) text += missing_server();
    throw Stopped{text};
  }

  // ---- the end -----------------------------------------------------------------------------------------------------

  bool leads_to_sshd() const {
    const auto* target = std::get_if<TcpTarget>(&tunnel_.forward.target);
    return target != nullptr && target->port == 22 && target->host == "localhost";
  }

  std::string missing_server() const {
    const bool missing = leads_to_sshd() && !setup::listens({"localhost", 22});
    return missing ? "\nNothing listens at port 22 of this device. An SSH server is missing: apt install openssh-server"
                   : "";
  }

  void tell_how_to_log_in() const {
    const std::string port = std::to_string(tunnel_.forward.port);
    if (!leads_to_sshd()) {
      say("reach it", "port " + port + " of localhost on " + tunnel_.login.host + " leads to " + options_.target);
      return;
    }
    const std::string login = "-p " + port + " " + user_name() + "@localhost";
    say("log in",
        "ssh -J " + to_string(tunnel_.login) + " " + login + "\n  from the relay: ssh " + login + missing_server());
  }

  InitOptions options_;
  Places places_;
  setup::NewTunnel tunnel_;
  std::string drop_in_;          ///< its text
  bool drop_in_exists_ = false;  ///< with this text
  std::string main_;             ///< the main file's text, if there is none yet
  std::string status_socket_;
  TunnelSpec spec_;
  std::vector<RemoteForward> listeners_;  ///< that the key has in this account
  int tunnels_of_key_ = 0;                ///< likewise
  std::string known_line_;                ///< of the host key that the relay showed
  std::optional<setup::Key> key_;         ///< none before it is made, in a dry run
  bool changed_ = false;                  ///< the configuration, by this run
  bool own_process_ = false;              ///< the tunnel's process holds no other
};

}  // namespace

int init(const Options& options) {
  return Init{options.init}.run();
}

}  // namespace holdfast::cli
