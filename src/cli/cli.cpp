#include "cli/cli.hpp"

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>

#include "cli/commands.hpp"
#include "cli/completion.hpp"
#include "cli/daemon.hpp"
#include "cli/places.hpp"
#include "holdfast/version.hpp"

namespace holdfast::cli {
namespace {

constexpr const char* examples = R"(Examples:
  holdfast init                          set up the first tunnel
  holdfast check -c ./holdfast.yaml      find every mistake in a file before it is used
  holdfast run -c ./holdfast.yaml        hold its tunnels, in the foreground
  holdfast status                        what the running holdfast does, and why not more
  holdfast reconnect relay               end the session of tunnel 'relay' and open a new one

Exit status: 0 done; 1 failed; 2 bad usage or configuration. 'run' and 'health' have their own.
'holdfast COMMAND --help' says more about each command; so do holdfast(8) and holdfast.yaml(5).)";

constexpr const char* init_text = R"(Set up the first tunnel of this device, or one more, in one go.

Makes a key, takes the relay's host key, writes the tunnel's file below conf.d, says which line the relay needs (or puts
it there, with --install-key), checks all of it, starts the service, waits for the tunnel and says how to log in through
it. What is there already is left alone, so that it can be run again after a step that failed. On a terminal it asks
for what is missing.

As root it sets up the service: /etc/holdfast and /var/lib/holdfast. As another user, a service of that user's own:
~/.config/holdfast and ~/.local/state/holdfast.)";
constexpr const char* init_footer = R"(Exit status: 0 all of it is done, or was before; 1 a step failed; 2 bad usage.

Examples:
  holdfast init --relay tunnel@relay.example --dry-run
  holdfast init --relay tunnel@relay.example --port 4650 --install-key
  holdfast init --relay tunnel@relay.example:2222 --name backup --pin SHA256:...)";

constexpr const char* run_text = R"(Hold the tunnels of the configuration until SIGTERM or SIGINT, in the foreground.

A tunnel that drops is opened again, for as long as it takes. Under systemd the log goes to the journal, else to
standard error. SIGHUP reloads the configuration. The first SIGTERM or SIGINT takes the listeners down on the relay
and lets open connections finish for drain_timeout; the second ends at once.

With --only the process holds one tunnel, for relays that are not to share a process; its sockets are in the
folder only/TUNNEL beside the usual ones. The unit holdfast@TUNNEL runs it.

With --record all that happens to the tunnels is written to a new file, until that has 32 MiB, so that it can be
replayed where holdfast is developed. It names hosts, accounts, addresses and ports, and holds no key and no payload.)";
constexpr const char* run_footer =
    R"(Exit status: 0 after an orderly stop; 1 when it can't run; 2 bad usage; 78 when the configuration can't be used.

Examples:
  holdfast run
  holdfast run -c ./holdfast.yaml
  holdfast run --only relay
  holdfast run --record /var/lib/holdfast/recording)";

constexpr const char* check_text =
    R"(Read the configuration as 'run' would, with the files of conf.d beside it, and say all that is wrong with it.

Problems go to standard error, each with file, line and column. If there is none, the effective configuration, with
every default filled in, goes to standard output, and warnings to standard error. What the device can know by itself
of whether the tunnels could come up is part of it: keys, certificates, known_hosts. Run it as root or as the user
that holdfast runs as: whether that user can read the keys is part of the check.)";
constexpr const char* check_footer = R"(Exit status: 0 it can be used; 2 it can't.

Examples:
  holdfast check
  holdfast check -c ./holdfast.yaml && systemctl reload holdfast)";

constexpr const char* status_text =
    R"(Show what the running holdfast does: a row for each forward, and below each tunnel its session, its last error
with what to do about it, and when it tries again.)";
constexpr const char* status_footer =
    R"text(Exit status: 0 the status was shown, whatever it says; 1 holdfast does not answer; 2 bad usage. For a verdict on
the tunnels use 'holdfast health'.

Examples:
  holdfast status
  watch holdfast status
  holdfast status --json | jq -r '.tunnels[] | "\(.name): \(.condition)"')text";

constexpr const char* health_text =
    R"(Check the running holdfast for a monitoring system, as the Monitoring Plugins guidelines (Nagios, Icinga, ...)
say: one line on standard output, performance data behind '|', the verdict as exit status.)";
constexpr const char* health_footer = R"(Exit status:
  0 OK        every tunnel is up: its session stands, the relay holds each of its listeners, and no proof failed
  1 WARNING   a session lacks a forward, a tunnel is opening for the first time, a proof failed for the first time,
              another relay of a tunnel's list shows a host key that is not the known one, something of a tunnel was
              lost three times in ten minutes, a changed configuration can't come up, something can't be written to
              disk, or the last reload was refused
  2 CRITICAL  a tunnel is down, or does not lead to its target, or holdfast does not answer
  3 UNKNOWN   there is no tunnel, or this command was used wrongly

Examples:
  holdfast health
  holdfast health --timeout 3 --socket /run/holdfast/status.sock)";

constexpr const char* reload_text = R"(Have the running holdfast read its configuration again.

Only tunnels whose configuration changed are touched, and a changed tunnel keeps its session until the changed one has
logged in. If the new configuration has a problem, or could not come up with what is on this device, nothing changes,
and the problem is shown here and in 'holdfast status'. Only root and the user that holdfast runs as may do this.)";
constexpr const char* reload_footer = R"(Exit status: 0 reloaded; 1 refused, or holdfast does not answer; 2 bad usage.

Examples:
  holdfast check && holdfast reload)";

constexpr const char* doctor_text =
    R"(Find out which layer between this device and its relay is at fault, and what to do
next: power, modem, link, address, route, name, path, port, SSH, login, listener, target.
It disturbs nothing: a tunnel that is up stays up.)";
constexpr const char* doctor_footer =
    R"(Exit status: 0 nothing is wrong; 1 something is worth a look; 2 a layer is at fault, or bad usage.

Examples:
  holdfast doctor
  holdfast doctor relay --json > findings.json
  holdfast doctor --findings findings.json
  holdfast doctor --explain path_mtu
  holdfast doctor --nat-timeout relay
  holdfast doctor --bundle for-support.txt
  holdfast doctor --from-outside me@relay.example:4649
  holdfast doctor --relay admin@relay.example)";

constexpr const char* reconnect_text = R"(End the session of one tunnel and open a new one, at once.

Open connections may finish for drain_timeout. A tunnel that waits for its next try tries now. Only root and the user
that holdfast runs as may do this.)";
constexpr const char* reconnect_footer =
    R"(Exit status: 0 it is reconnecting; 1 there is no such tunnel, or holdfast does not answer; 2 bad usage.

Examples:
  holdfast reconnect relay)";

constexpr const char* relay_script_text =
    R"(Print the shell script that keeps the lease on a relay, to be installed there as a forced command.

Without it holdfast sends the script with each session. With it the key can run nothing else on the relay.
docs/relay.md says what it does and shows the line for authorized_keys.)";
constexpr const char* relay_script_footer = R"(Exit status: 0 printed; 1 standard output can't be written.

Examples:
  holdfast relay-script > relay-script
  holdfast relay-script | ssh relay.example 'sudo install -D -m 644 /dev/stdin /usr/local/lib/holdfast/relay-script')";

constexpr const char* import_text =
    R"(Print the YAML for a tunnel that something else holds today, and say what is not in it, and why.

Nothing is changed: not the configuration, and not what holds the tunnel. What ssh makes of its command line and of its
configuration files is asked of ssh itself (ssh -G). The YAML goes to standard output, for a file in
/etc/holdfast/conf.d; the rest to standard error.)";
constexpr const char* import_footer =
    R"(Exit status: 0 printed; 1 there is no -R to hold, or ssh is missing; 2 bad usage.

Examples:
  holdfast import autossh -- -M 0 -N -R 4649:localhost:22 tunnel@relay.example
  holdfast import autossh -- '@reboot autossh -M 0 -fN -R 4649:localhost:22 tunnel@relay.example'
  holdfast import autossh < /etc/systemd/system/autossh.service
  holdfast import ssh-config relay > /etc/holdfast/conf.d/relay.yaml
  holdfast import sidedoor)";

constexpr const char* completion_text =
    R"(Print what has a shell complete holdfast's commands and options when TAB is pressed.

Debian's package has it in place for all three. Elsewhere the shell has to source it when it starts.)";
constexpr const char* completion_footer = R"(Exit status: 0 printed; 2 bad usage.

Examples:
  holdfast completion bash > /etc/bash_completion.d/holdfast
  source <(holdfast completion zsh)      # after compinit
  holdfast completion fish > ~/.config/fish/completions/holdfast.fish)";

/// The parser, and what it parsed into.
class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(1);
    app_.footer(examples);
    app_.set_help_flag("-h,--help", "Show this help");
    app_.set_version_flag("--version", std::string{"holdfast "} + holdfast::version, "Show the version");
    app_.get_formatter()->column_width(28);
    app_.get_formatter()->label("SUBCOMMAND", "COMMAND");
    add_config(app_);
    add_socket(app_);

    add_init(add("init", "Set up a tunnel, from the key to the first login", init_text, init_footer, init));
    add_run(add("run", "Hold the tunnels of the configuration", run_text, run_footer, run));
    add_config(add("check", "Say what is wrong with a configuration", check_text, check_footer, check));
    add_status(add("status", "Show what the running holdfast does", status_text, status_footer, status));
    health_ = &add("health", "One line and an exit status for monitoring", health_text, health_footer, health);
    add_daemon(*health_);
    add_daemon(add("reload", "Have the configuration read again", reload_text, reload_footer, reload));
    add_doctor(add("doctor", "Find the layer at fault, and the next step", doctor_text, doctor_footer, doctor));
    add_reconnect(add("reconnect", "Open a tunnel's session anew", reconnect_text, reconnect_footer, reconnect));
    add_import();
    add("relay-script", "Print what a relay runs for us", relay_script_text, relay_script_footer,
        [](const Options&) { return relay_script(); });
    add("completion", "Print a shell's completion", completion_text, completion_footer,
        [](const Options& options) { return print_completion(options); })
        .add_option("SHELL", options_.shell, "Which shell's")
        ->required()
        ->type_name(completed_shells)
        ->check(shell);
    add("version", "Show the version", "Show the version.", "", [](const Options&) { return version(); });
  }

  /// What is to be done, and returns the exit status. It may outlive the command line.
  std::function<int()> parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& stop) {
      return [exit_status = stopped(stop)] { return exit_status; };
    }
    return [command = chosen_, options = options_] { return command(options); };
  }

 private:
  using Command = std::function<int(const Options&)>;

  CLI::App& add(const std::string& name, const std::string& line, const std::string& text, const std::string& footer,
                Command command) {
    CLI::App* subcommand = app_.add_subcommand(name, line);
    subcommand->group("Commands");
    subcommand->footer(footer);
    subcommand->set_help_flag("-h,--help", "Show this help");
    subcommand->preparse_callback([subcommand, text](std::size_t) { subcommand->description(text + "\n"); });
    subcommand->callback([this, command = std::move(command)] { chosen_ = command; });
    return *subcommand;
  }

  // ---- CLI11's validators: what is wrong with a value, or nothing --------------------------------------------------

  static std::string seconds(const std::string& text) {
    double value = 0;
    const bool good = CLI::detail::lexical_cast(text, value) && value >= 0.1 && value <= 3600;
    return good ? "" : "'" + text + "' is not between 0.1 and 3600 seconds";
  }

  static std::string name(const std::string& text) { return text.empty() ? "it names no tunnel" : ""; }

  static std::string shell(const std::string& text) {
    const std::string known = std::string{"|"} + completed_shells + "|";
    return known.find("|" + text + "|") != std::string::npos ? "" : "'" + text + "' is none of " + completed_shells;
  }

  static std::string port(const std::string& text) {
    int value = 0;
    const bool good = CLI::detail::lexical_cast(text, value) && value >= 1 && value <= 65535;
    return good ? "" : "'" + text + "' is not a port from 1 to 65535";
  }

  static std::string filled(const std::string& text) { return text.empty() ? "its value is empty" : ""; }

  static std::string fingerprint(const std::string& text) {
    constexpr std::size_t length = std::string_view{"SHA256:"}.size() + 43;
    const bool good = text.starts_with("SHA256:") && text.size() == length;
    return good ? ""
                : "'" + text + "' is no fingerprint: write SHA256:... as 'ssh-keygen -lf' prints it where the key is";
  }

  // ---- the subcommands -------------------------------------------------------------------------------------------

  /// Describes a command line that nothing was parsed into: a command that was given describes itself at length.
  static int print_completion(const Options& options) {
    std::cout << completion(CommandLine{}.app_, options.shell);
    return done;
  }

  void add_import() {
    import_ = &add("import", "Take over what autossh, ssh or sidedoor does", import_text, import_footer, {});
    import_->callback({});  // the choice is its subcommand's
    import_->require_subcommand(1);
    const auto of = [&](const char* name, const char* line, Command command) -> CLI::App& {
      CLI::App* from = import_->add_subcommand(name, line);
      from->set_help_flag("-h,--help", "Show this help");
      from->add_option("--name", options_.import_name, "What to call the tunnel (default: relay)")->type_name("TUNNEL");
      from->callback([this, command = std::move(command)] { chosen_ = command; });
      return *from;
    };
    of("autossh", "A command line of autossh's or ssh's, also within a crontab's or a unit's", import_command)
        .add_option("WORDS", options_.import_words, "The command line, behind --; without it, from standard input")
        ->type_name("");
    CLI::App& ssh_config = of("ssh-config", "A host of ssh_config(5)", import_ssh_config);
    ssh_config.add_option("HOST", options_.import_words, "As given to ssh")->required()->expected(1)->type_name("");
    ssh_config.add_option("-F", options_.ssh_config, "The file, as ssh's -F (default: the usual ones)")
        ->type_name("FILE");
    of("sidedoor", "The configuration of Debian's package sidedoor", import_sidedoor);
  }

  void add_init(CLI::App& command) {
    InitOptions& init = options_.init;
    const auto add = [&](const std::string& name, auto& value, const std::string& text, const std::string& type) {
      return command.add_option(name, value, text)->type_name(type);
    };
    add("--relay", init.relay, "The account on the relay, and the port of its sshd if that is not 22",
        "USER@HOST[:PORT]");
    add("--port", init.port, "Where the relay is to listen (default: 4649)", "PORT")->check(port);
    add("--name", init.name, "The tunnel's name, and its file's (default: relay)", "NAME");
    add("--target", init.target, "Where the tunnel is to lead (default: localhost:22)", "HOST:PORT");
    add("--pin", init.pins, "The fingerprint of the relay's host key; may be given several times", "SHA256:...")
        ->check(fingerprint)
        ->allow_extra_args(false);
    command.add_flag("--install-key", init.install_key, "Put the key on the relay, through a login that works already");
    command.add_flag("--dry-run", init.dry_run, "Look at everything, and write nothing");
    command.add_flag("--yes", init.yes, "Take the host key that the relay shows, without a question");
    command.add_flag("--no-start", init.no_start, "Start nothing");
    CLI::Option* config =
        add("--config-dir", init.config_dir, "Where holdfast.yaml, conf.d and the key are to be; no service", "PATH");
    CLI::Option* state =
        add("--state-dir", init.state_dir, "Where known_hosts and the sockets are to be, then", "PATH");
    config->needs(state);
    state->needs(config);
  }

  void add_run(CLI::App& command) {
    add_config(command);
    add_only(command, "Hold this tunnel alone; another process may hold each of the others");
    command.add_option("--record", options_.recording, "Write what the tunnels decide, and on what, to a new file")
        ->type_name("FILE");
  }

  void add_status(CLI::App& command) {
    command.add_flag("--json", options_.json, "Print the document of /v1/status (docs/status.md)");
    add_daemon(command);
  }

  void add_doctor(CLI::App& command) {
    command.add_option("TUNNEL", options_.tunnel,
                       "The tunnel's name; without one all, or of many those that something is wrong with");
    command.add_flag("--json", options_.json, "Print what was found, and what it comes to, as JSON");
    command
        .add_option("--from-outside", options_.outside.where,
                    "Look from the relay's side, through your own ssh: does anything listen at this port, whose is it, "
                    "does it answer")
        ->check(filled)
        ->type_name("USER@RELAY:PORT");
    command.add_option("--ssh-port", options_.outside.ssh_port, "Of the relay's sshd (default: as ssh has it)")
        ->check(port)
        ->type_name("PORT");
    command.add_option("--pin", options_.outside.pins, "The fingerprint of the device's own host key")
        ->check(fingerprint)
        ->type_name("SHA256:...");
    command
        .add_option(
            "--relay", options_.relay.where,
            "Say how a relay is set up, through your own ssh: what it does to dead and to living sessions, and "
            "what the devices' account may; and print the lines that it should have. PORT: of the tunnel's listener")
        ->check(filled)
        ->type_name("USER@RELAY[:PORT]");
    command.add_option("--account", options_.relay.account, "With --relay: the devices' account")
        ->default_str("tunnel");
    command.add_option("--key", options_.relay.key, "With --relay: the device's key, public or private")
        ->check(filled)
        ->type_name("FILE");
    command
        .add_option("--bundle", options_.bundle,
                    "Write all that somebody far away needs to help: no key, and names and addresses replaced")
        ->check(filled)
        ->type_name("FILE");
    command.add_flag("--plain", options_.plain, "With --bundle: leave names and addresses as they are");
    command
        .add_option("--explain", options_.explain,
                    "Say what a cause means and what to do, or what can be wrong with a layer, and look at "
                    "nothing")
        ->check(filled)
        ->type_name("NAME");
    command
        .add_option("--findings", options_.findings,
                    "Judge again what --json printed or --bundle wrote, and look at nothing; of TUNNEL, or of all "
                    "in it")
        ->check(filled)
        ->type_name("FILE");
    command.add_flag("--nat-timeout", options_.nat_timeout,
                     "Measure how long whatever lies between keeps an idle connection to the relay, and whether "
                     "keepalives are sent often enough; takes minutes, and no login");
    command.add_flag("--capture", options_.capture,
                     "See who answers the relay's port (needs root), and print the tcpdump command for it");
    add_daemon(command);
  }

  void add_reconnect(CLI::App& command) {
    command.add_option("TUNNEL", options_.tunnel, "The tunnel's name in the configuration")->required()->type_name("");
    add_daemon(command);
  }

  void add_config(CLI::App& command) {
    command
        .add_option("-c,--config", options_.config,
                    std::string{"The configuration (default: the user's own, or "} + service_config + ")")
        ->type_name("FILE");
  }

  void add_socket(CLI::App& command) {
    command
        .add_option("-s,--socket", options_.socket,
                    "The status socket, beside the control socket (default: status_socket.path of the configuration)")
        ->type_name("PATH");
  }

  void add_only(CLI::App& command, const std::string& text) {
    command.add_option("--only", options_.only, text)->type_name("TUNNEL")->check(name);
  }

  void add_daemon(CLI::App& command) {
    add_socket(command);
    add_config(command);
    add_only(command, "Ask the process that holds this tunnel alone ('run --only')");
    command.add_option("-t,--timeout", options_.timeout_seconds, "How long to wait for the answer (default: 10)")
        ->type_name("SECONDS")
        ->check(seconds);
  }

  std::string what_is_wrong(const CLI::ParseError& stop) const {
    const auto unexpected = app_.remaining(true);
    if (!unexpected.empty()) {
      const bool foreign = import_->parsed() && unexpected.front().starts_with('-');
      return "there is no command or option '" + unexpected.front() + "'" +
             (foreign ? " of ours: put what is to be imported behind --" : "");
    }
    if (app_.get_subcommands().empty()) return "a command is missing";
    if (import_->parsed() && import_->get_subcommands().empty()) {
      return "it is not said what to import: autossh, ssh-config or sidedoor";
    }
    return stop.what();
  }

  /// Help was asked for, or the command line is wrong.
  int stopped(const CLI::ParseError& stop) {
    if (stop.get_exit_code() == 0) return app_.exit(stop);
    const auto parsed = app_.get_subcommands();
    const std::string command = parsed.empty() ? "holdfast" : "holdfast " + parsed.front()->get_name();
    const std::string text = what_is_wrong(stop) + "; see '" + command + " --help'";
    if (health_->parsed()) {
      std::cout << "HOLDFAST UNKNOWN - " << text << '\n';
      return 3;
    }
    return complain(misused, text);
  }

  CLI::App app_{"holdfast holds reverse SSH tunnels (ssh -R) to a relay, and keeps them alive.\n", "holdfast"};
  CLI::App* health_ = nullptr;
  CLI::App* import_ = nullptr;
  Options options_;
  Command chosen_;
};

}  // namespace

int main(int argc, const char* const* argv) {
  const auto chosen = CommandLine{}.parse(argc, argv);  // all options of all commands take a daemon 130 kB
  const int exit_status = chosen();
  if (!std::cout.flush()) return complain(failed, "can't write to standard output");
  return exit_status;
}

}  // namespace holdfast::cli
