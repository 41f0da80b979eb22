#include "migrate/translate.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <sstream>
#include <utility>

#include "config/document.hpp"
#include "config/wording.hpp"
#include "holdfast/config.hpp"
#include "holdfast/words.hpp"

namespace holdfast::migrate {
namespace {

using config::Entry;
using config::Node;

constexpr const char* service_key = "/etc/holdfast/id_ed25519";
constexpr const char* service_state = "/var/lib/holdfast";

/// A keyword of ssh_config that is another name here, with the same values.
struct Renamed {
  std::string_view ssh;
  std::string_view ours;
};
constexpr std::array renamed{
    Renamed{"serveralivecountmax", "server_alive_count_max"},
    Renamed{"tcpkeepalive", "tcp_keep_alive"},
    Renamed{"addressfamily", "address_family"},
    Renamed{"bindaddress", "bind_address"},
    Renamed{"bindinterface", "bind_interface"},
};

/// Lists of algorithms; ours has a default of its own.
constexpr std::array algorithms{
    Renamed{"ciphers", "ciphers"},
    Renamed{"kexalgorithms", "kex_algorithms"},
    Renamed{"macs", "macs"},
    Renamed{"hostkeyalgorithms", "host_key_algorithms"},
};

struct Reason {
  std::string_view ssh;
  std::string_view why;
};
/// What can't be kept, and matters.
constexpr std::array reasons{
    Reason{"localforward",
           "holdfast makes this device reachable, it does not reach out: keep `ssh -N -L ...` for that"},
    Reason{"dynamicforward",
           "holdfast makes this device reachable, it does not reach out: keep `ssh -N -D ...` for that"},
    Reason{"proxyjump", "holdfast connects to the relay directly: the device must reach it, or another relay"},
    Reason{"proxycommand", "holdfast connects to the relay directly: the device must reach it, or another relay"},
    Reason{"compression", "what goes through a tunnel is encrypted or compressed already, most of the time"},
    Reason{"forwardagent", "the relay would see the agent; who logs in through the tunnel brings an agent along"},
    Reason{"forwardx11", "there is no shell on the relay to show anything"},
    Reason{"remotecommand", "holdfast runs nothing on the relay but its lease (docs/relay.md)"},
    Reason{"localcommand", "see ExecStartPost= in a drop-in of the unit, or `holdfast health` in a monitor"},
    Reason{"permitlocalcommand", "see ExecStartPost= in a drop-in of the unit, or `holdfast health` in a monitor"},
    Reason{"tunnel", "holdfast forwards ports, not packets: use WireGuard for that"},
    Reason{"pkcs11provider", "load the key into an agent (ssh-add -s) and name that as identity_agent"},
    Reason{"hostkeyalias", "the relay is looked up in known_hosts by host_name and port: add its key under that name"},
    Reason{"verifyhostkeydns", "use host_key_fingerprint to pin the relay's key"},
    Reason{"controlmaster", "the session is holdfast's own: no other ssh shares it"},
    Reason{"controlpath", "the session is holdfast's own: no other ssh shares it"},
    Reason{"controlpersist", "the session is holdfast's own, and stays"},
    Reason{"setenv", "holdfast runs nothing on the relay that would read it"},
    Reason{"hostbasedauthentication", "holdfast logs in with a key"},
    Reason{"pubkeyauthentication", "holdfast logs in with a key: the relay's account needs one"},
};

/// What says how ssh is used by hand or by a supervisor: a daemon that holds a tunnel has no need of it.
constexpr std::array needless{
    "host",
    "sessiontype",
    "stdinnull",
    "forkafterauthentication",
    "requesttty",
    "escapechar",
    "batchmode",
    "gatewayports",
    "sendenv",
    "identitiesonly",
    "hashknownhosts",
    "connectionattempts",
    "numberofpasswordprompts",
    "passwordauthentication",
    "kbdinteractiveauthentication",
    "updatehostkeys",
    "visualhostkey",
    "clearallforwardings",
    "streamlocalbindunlink",
    "streamlocalbindmask",
    "addkeystoagent",
    "checkhostip",
    "enableescapecommandline",
    "ipqos",
    "syslogfacility",
    "xauthlocation",
    "nohostauthenticationforlocalhost",
    "ignoreunknown",
    "tunneldevice",
    "canonicalizehostname",
    "canonicaldomains",
    "canonicalizemaxdots",
    "fingerprinthash",
    "forwardx11trusted",
    "forwardx11timeout",
    "logverbose",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "proxyusefdpass",
    "warnweakcrypto",
    "obscurekeystroketiming",
};

/// autossh's own, with what does its work here.
constexpr std::array autossh_variables{
    Reason{"AUTOSSH_POLL", "server_alive_interval says how often the relay is asked"},
    Reason{"AUTOSSH_FIRST_POLL", "server_alive_interval says how often the relay is asked"},
    Reason{"AUTOSSH_PORT", "no ports are needed: the session itself is watched, and each listener is proven"},
    Reason{"AUTOSSH_GATETIME", "a first attempt that fails is tried again as any other"},
    Reason{"AUTOSSH_MAXSTART", "it never gives up"},
    Reason{"AUTOSSH_MAXLIFETIME", "it never gives up"},
    Reason{"AUTOSSH_LOGFILE", "the log is in the journal: journalctl -u holdfast"},
    Reason{"AUTOSSH_LOGLEVEL", "see log_level"},
    Reason{"AUTOSSH_DEBUG", "see log_level"},
    Reason{"AUTOSSH_PIDFILE", "systemd knows the process: systemctl status holdfast"},
    Reason{"AUTOSSH_PATH", "no ssh is run"},
    Reason{"AUTOSSH_MESSAGE", "no ports are needed: the session itself is watched, and each listener is proven"},
};

/// "[::1]" is "::1".
std::string without_brackets(const std::string& text) {
  return text.size() >= 2 && text.front() == '[' && text.back() == ']' ? text.substr(1, text.size() - 2) : text;
}

class Translator {
 public:
  explicit Translator(const Origin& origin) : origin_(origin) {}

  tl::expected<Translation, std::string> run() {
    where_to();
    identity();
    known_hosts();
    if (!forwards()) return tl::unexpected(nothing_to_hold());
    patience();
    for (const Renamed& key : renamed) {
      if (differs(key.ssh)) set(key.ours, value(key.ssh));
    }
    for (const Renamed& key : algorithms) {
      if (differs(key.ssh)) set(key.ours, value(key.ssh));
    }
    tell_what_is_left();
    Node tunnels = Node::mapping({{Node::scalar(origin_.name), Node::mapping(std::move(tunnel_))}});
    result_.yaml = config::write_document(Node::mapping({{Node::scalar("tunnels"), std::move(tunnels)}}));
    return std::move(result_);
  }

 private:
  std::vector<std::string> values(std::string_view keyword) const {
    const auto found = origin_.effective.find(std::string{keyword});
    return found == origin_.effective.end() ? std::vector<std::string>{} : found->second;
  }
  std::string value(std::string_view keyword) const {
    const auto all = values(keyword);
    return all.empty() ? "" : all.front();
  }
  bool differs(std::string_view keyword) const {
    const auto found = origin_.defaults.find(std::string{keyword});
    return values(keyword) != (found == origin_.defaults.end() ? std::vector<std::string>{} : found->second);
  }

  void set_list(std::string_view key, const std::vector<std::string>& texts) {
    if (texts.size() == 1) return set(key, texts.front());
    std::vector<Node> items;
    items.reserve(texts.size());
    for (const std::string& text : texts) items.push_back(Node::scalar(text));
    tunnel_.push_back({Node::scalar(std::string{key}), Node::list(std::move(items))});
  }
  void set(std::string_view key, const std::string& text) {
    tunnel_.push_back({Node::scalar(std::string{key}), Node::scalar(text)});
  }
  void drop(const std::string& what, std::string_view why) {
    result_.dropped.push_back(what + ": " + std::string{why});
  }

  void where_to() {
    set("host_name", value("hostname"));
    if (differs("port")) set("port", value("port"));
    set("user", value("user"));
  }

  /// With ssh_config's tokens, as far as they are known here.
  std::string expanded(const std::string& path) const {
    std::string text;
    for (std::size_t at = 0; at < path.size(); ++at) {
      const char token = path[at] == '%' && at + 1 < path.size() ? path[++at] : '\0';
      switch (token) {
        case '\0':
          text += path[at];
          break;
        case 'd':
          text += origin_.home;
          break;
        case 'h':
          text += value("hostname");
          break;
        case 'p':
          text += value("port");
          break;
        case 'r':
          text += value("user");
          break;
        case 'u':
          text += origin_.user;
          break;
        case '%':
          text += '%';
          break;
        default:
          text += std::string{"%"} + token;
      }
    }
    return text.starts_with("~/") ? origin_.home + text.substr(1) : text;
  }

  bool exists(const std::string& path) const {
    return std::find(origin_.existing.begin(), origin_.existing.end(), path) != origin_.existing.end();
  }

  std::vector<std::string> keys() const {
    std::vector<std::string> all;
    for (const std::string& key : values("identityfile")) {
      const std::string path = expanded(key);
      if (differs("identityfile") || exists(path)) all.push_back(path);
    }
    return all;
  }

  void identity() {
    const std::string agent = value("identityagent");
    if (!agent.empty() && agent != "none" && agent != "SSH_AUTH_SOCK") {
      set("identity_agent", expanded(agent));
      if (!differs("identityfile")) return;
    }
    const std::vector<std::string> named = keys();
    if (named.empty()) {
      result_.to_do.emplace_back("make a key, and put its public half on the relay: see holdfast init");
    }
    if (origin_.service_user) return identity_of_service(named);
    set_list("identity_file", named.empty() ? std::vector{origin_.home + "/.config/holdfast/id_ed25519"} : named);
    std::vector<std::string> certificates;
    for (const std::string& certificate : values("certificatefile")) certificates.push_back(expanded(certificate));
    if (!certificates.empty()) set_list("certificate_file", certificates);
  }

  /// The service gets a copy of one file from systemd, and reads no home.
  void identity_of_service(const std::vector<std::string>& named) {
    set("identity_file", "${CREDENTIALS_DIRECTORY}/id_ed25519");
    if (named.empty()) return;
    if (named.front() != service_key) {
      result_.to_do.push_back("install -m 600 " + config::shell_word(named.front()) + " " + service_key);
    }
    for (std::size_t index = 1; index < named.size(); ++index) {
      drop("IdentityFile " + named[index], "the service has one key, the first one");
    }
    if (const std::string certificate = value("certificatefile"); !certificate.empty()) {
      set("certificate_file", "${CREDENTIALS_DIRECTORY}/id_ed25519-cert.pub");
      result_.to_do.push_back(
          "install -m 644 " + config::shell_word(expanded(certificate)) + " " + service_key +
          "-cert.pub, and a drop-in of the unit with LoadCredential=id_ed25519-cert.pub:" + service_key + "-cert.pub");
    }
  }

  void known_hosts() {
    const std::string strict = value("stricthostkeychecking");
    if (strict == "true" || strict == "yes") set("strict_host_key_checking", "yes");
    if (strict == "false" || strict == "no" || strict == "off") {
      drop("StrictHostKeyChecking no", "the first key that the relay shows is remembered, and a changed one refused");
    }
    std::vector<std::string> files;
    std::istringstream given{value("userknownhostsfile")};
    for (std::string file; given >> file;) {
      if (exists(expanded(file))) files.push_back(expanded(file));
    }
    if (files.empty() || files.front() == "/dev/null") return;
    if (!origin_.service_user) return set("user_known_hosts_file", files.front());
    const std::string host = value("hostname");
    const std::string port = value("port");
    const std::string name = port == "22" ? host : "[" + host + "]:" + port;
    const std::string& user = *origin_.service_user;
    if (const std::string alias = value("hostkeyalias"); !alias.empty()) {
      result_.to_do.push_back("copy the line of " + alias + " in " + files.front() + " to " + service_state +
                              "/known_hosts, with " + name + " as its first word");
      return;
    }
    result_.to_do.push_back("install -d -o " + user + " -g " + user + " -m 750 " + service_state);
    for (const std::string& file : files) {
      result_.to_do.push_back("ssh-keygen -F " + config::shell_word(name) + " -f " + config::shell_word(file) + " >> " +
                              service_state + "/known_hosts");
    }
    result_.to_do.push_back("chown " + user + ": " + service_state + "/known_hosts");
  }

  /// "4649 [localhost]:22", "[*]:4649 [localhost]:22", "9100 /run/app.sock", "/path [localhost]:22", "1080 [socks]:0"
  bool forwards() {
    std::vector<Node> kept;
    for (const std::string& forward : values("remoteforward")) {
      const auto space = forward.find(' ');
      const std::string listen = forward.substr(0, space);
      const std::string target = space == std::string::npos ? "" : forward.substr(space + 1);
      if (listen.starts_with('/')) {
        drop("RemoteForward " + forward, "a listener is a port here; forward a port, and connect to that");
      } else if (target.empty() || target == "[socks]:0") {
        drop("RemoteForward " + listen, "this device serves no SOCKS; run a proxy here and forward its port");
      } else {
        kept.push_back(Node::scalar(listener(listen) + ":" + target_of(target)));
      }
    }
    if (kept.empty()) return false;
    // Of one forward there is nothing to keep without it. Of several ssh keeps what it can get, unless told otherwise.
    const bool some_will_do = kept.size() > 1 && value("exitonforwardfailure") == "no";
    tunnel_.push_back({Node::scalar("remote_forward"), Node::list(std::move(kept))});
    if (some_will_do) set("exit_on_forward_failure", "no");
    return true;
  }

  static std::string with_host(const std::string& host, const std::string& port) {
    return in_brackets(host) + ":" + port;
  }

  static std::string listener(const std::string& listen) {
    const auto colon = listen.rfind(':');
    if (colon == std::string::npos) return listen;
    return with_host(without_brackets(listen.substr(0, colon)), listen.substr(colon + 1));
  }

  static std::string target_of(const std::string& target) {
    if (target.starts_with('/')) return target;
    const auto colon = target.rfind(':');
    return with_host(without_brackets(target.substr(0, colon)), target.substr(colon + 1));
  }

  std::string nothing_to_hold() const {
    std::string why = "there is no -R in it that holdfast could hold";
    for (const std::string& dropped : result_.dropped) why += "\n" + dropped;
    for (const std::string_view keyword : {"localforward", "dynamicforward"}) {
      if (!values(keyword).empty()) why += "\n" + spelt(keyword) + " " + value(keyword) + ": " + reason_for(keyword);
    }
    return why;
  }

  void patience() {
    const std::string interval = value("serveraliveinterval");
    if (interval != "0" && !interval.empty()) set("server_alive_interval", interval + "s");
    const std::string timeout = value("connecttimeout");
    if (!timeout.empty() && timeout != "none" && timeout != "0") set("connect_timeout", timeout + "s");
    if (differs("loglevel")) set("log_level", log_level());
    if (!differs("rekeylimit")) return;
    std::istringstream limit{value("rekeylimit")};
    std::string bytes;
    std::string seconds;
    limit >> bytes >> seconds;
    set("rekey_limit", (bytes == "0" ? "default" : bytes) + " " + (seconds == "0" ? "none" : seconds + "s"));
  }

  std::string log_level() const {
    const std::string level = lower(value("loglevel"));
    if (level == "silent") return "quiet";  // as ssh prints it
    return level == "debug1" ? "debug" : level;
  }

  /// The spelling of ssh_config(5), for the keywords that are told of.
  static std::string spelt(std::string_view keyword) {
    for (const std::string_view known : {"LocalForward",
                                         "DynamicForward",
                                         "ProxyJump",
                                         "ProxyCommand",
                                         "Compression",
                                         "ForwardAgent",
                                         "ForwardX11",
                                         "RemoteCommand",
                                         "LocalCommand",
                                         "PermitLocalCommand",
                                         "Tunnel",
                                         "PKCS11Provider",
                                         "HostKeyAlias",
                                         "VerifyHostKeyDNS",
                                         "ControlMaster",
                                         "ControlPath",
                                         "ControlPersist",
                                         "SetEnv",
                                         "HostbasedAuthentication",
                                         "PubkeyAuthentication"}) {
      if (lower(known) == keyword) return std::string{known};
    }
    return std::string{keyword};
  }

  static std::string reason_for(std::string_view keyword) {
    for (const Reason& reason : reasons) {
      if (reason.ssh == keyword) return std::string{reason.why};
    }
    return "there is nothing like it here";
  }

  static bool is_seen_to(std::string_view keyword) {
    static constexpr std::array seen_to{"hostname",
                                        "port",
                                        "user",
                                        "identityfile",
                                        "certificatefile",
                                        "identityagent",
                                        "remoteforward",
                                        "connecttimeout",
                                        "stricthostkeychecking",
                                        "userknownhostsfile",
                                        "globalknownhostsfile",
                                        "serveraliveinterval",
                                        "rekeylimit",
                                        "exitonforwardfailure",
                                        "loglevel"};
    const auto is = [keyword](const auto& other) { return std::string_view{other} == keyword; };
    return std::any_of(seen_to.begin(), seen_to.end(), is) || std::any_of(needless.begin(), needless.end(), is) ||
           std::any_of(renamed.begin(), renamed.end(), [&](const Renamed& key) { return key.ssh == keyword; }) ||
           std::any_of(algorithms.begin(), algorithms.end(), [&](const Renamed& key) { return key.ssh == keyword; });
  }

  void tell_what_is_left() {
    for (const auto& [keyword, all] : origin_.effective) {
      if (is_seen_to(keyword) || !differs(keyword)) continue;
      for (const std::string& one : all) drop(spelt(keyword) + " " + one, reason_for(keyword));
    }
    if (!origin_.remote_command.empty()) {
      drop("the command \"" + joined(origin_.remote_command, " ") + "\"", reason_for("remotecommand"));
    }
    for (const std::string& line : origin_.left_out) result_.dropped.push_back(line);
    if (origin_.password) drop("sshpass", "holdfast logs in with a key: the relay's account needs one");
    if (origin_.monitor_port && *origin_.monitor_port != "0") {
      drop("-M " + *origin_.monitor_port,
           "no ports are needed: the session itself is watched, and each listener is proven");
    }
    for (const Reason& variable : autossh_variables) {
      const auto set = origin_.environment.find(std::string{variable.ssh});
      if (set != origin_.environment.end()) drop(set->first + "=" + set->second, variable.why);
    }
  }

  const Origin& origin_;
  std::vector<Entry> tunnel_;
  Translation result_;
};

}  // namespace

SshConfig parse_ssh_config(std::string_view printed) {
  SshConfig config;
  std::istringstream lines{std::string{printed}};
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.find(' ');
    if (space == std::string::npos) continue;
    config[lower(line.substr(0, space))].push_back(line.substr(space + 1));
  }
  return config;
}

tl::expected<Translation, std::string> translate(const Origin& origin) {
  return Translator{origin}.run();
}

}  // namespace holdfast::migrate
