#include "lease_fixture.hpp"

#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <system_error>

#include "relay/script.hpp"
#include "support/skip.hpp"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

bool installed(const std::string& program) {
  return run({{"sh", "-c", "command -v " + program}}).status.code == 0;
}

/// Ours, and a number that a child inherits.
std::pair<int, Socket> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  Socket ours(ends[0]);
  const int theirs = ::fcntl(ends[1], F_DUPFD, 100);
  ::close(ends[1]);
  return {theirs, std::move(ours)};
}

Command on_socket(Command command, int fd) {
  const std::string n = std::to_string(fd);
  std::vector<std::string> argv{"bash", "-c", "exec \"$@\" <&" + n + " >&" + n + " " + n + ">&-", "bash"};
  argv.insert(argv.end(), command.argv.begin(), command.argv.end());
  command.argv = std::move(argv);
  return command;
}

std::string content(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Fields 3 and on of /proc/PID/stat.
std::vector<std::string> fields(pid_t pid) {
  const std::string stat = content("/proc/" + std::to_string(pid) + "/stat");
  std::vector<std::string> words;
  if (const auto name_end = stat.rfind(')'); name_end != std::string::npos) {
    std::istringstream rest(stat.substr(name_end + 1));
    for (std::string word; rest >> word;) words.push_back(word);
  }
  return words;
}

}  // namespace

std::vector<std::vector<std::string>> shells() {
  std::vector<std::vector<std::string>> found;
  for (const std::vector<std::string>& shell :
       {std::vector<std::string>{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}, {"mksh"}}) {
    if (installed(shell.front())) {
      found.push_back(shell);
    } else {
      skipped(shell.front() + " is not installed");
    }
  }
  return found;
}

void with_each_shell(const std::function<void(const std::vector<std::string>&)>& body) {
  for (const auto& shell : shells()) {
    INFO("shell: " << shell.front());
    body(shell);
  }
}

Conversation::Conversation(const Command& command) : Conversation(command, socket_pair()) {}

Conversation::Conversation(const Command& command, std::pair<int, Socket> ends)
    : socket_(std::move(ends.second)), process_(on_socket(command, ends.first)) {
  ::close(ends.first);
}

std::string Conversation::line() {
  std::string line;
  try {
    line = socket_.receive_until("\n");
  } catch (const std::system_error& error) {
    // A command that ends without having read all resets its end of the pair.
    if (error.code() != std::errc::connection_reset) throw;
  }
  return line.empty() || line.back() != '\n' ? line + "(end)" : line.substr(0, line.size() - 1);
}

std::string Conversation::ask(std::string_view text) {
  send(std::string(text) + "\n");
  return line();
}

std::vector<pid_t> processes_with(const std::string& variable) {
  std::vector<pid_t> found;
  if (DIR* proc = ::opendir("/proc")) {
    while (const dirent* entry = ::readdir(proc)) {
      const pid_t pid = std::atoi(entry->d_name);
      if (pid <= 0 || !alive(pid)) continue;
      const std::string environment = '\0' + content("/proc/" + std::to_string(pid) + "/environ");
      if (environment.find('\0' + variable + '\0') != std::string::npos) found.push_back(pid);
    }
    ::closedir(proc);
  }
  return found;
}

FakeRelay::FakeRelay(std::vector<std::string> shell)
    : shell_(std::move(shell)),
      binary_(account.write("sshd", read_file(FAKE_SSHD), 0700)),
      marker_("HOLDFAST_TEST_RELAY=" + account.dir().path().string()) {}

Command FakeRelay::command(std::vector<std::string> argv) const {
  Command command = account.command(std::move(argv));
  command.env.erase("LD_PRELOAD");
  const auto equals = marker_.find('=');
  command.env[marker_.substr(0, equals)] = marker_.substr(equals + 1);
  return command;
}

std::vector<std::string> FakeRelay::script_command() const {
  std::vector<std::string> argv = shell_;
  argv.insert(argv.end(), {"-c", relay::on_one_line(relay::script())});
  return argv;
}

Command FakeRelay::session_command(const SessionOptions& options) const {
  std::vector<std::string> argv{binary_, options.name, std::to_string(options.port)};
  argv.insert(argv.end(), options.below.begin(), options.below.end());
  const auto script = script_command();
  argv.insert(argv.end(), script.begin(), script.end());
  if (!options.bound.empty()) argv.insert(argv.end(), {"relay-script", options.bound});
  return command(argv);
}

Conversation FakeRelay::session(const SessionOptions& options) const {
  return Conversation(session_command(options));
}

Conversation FakeRelay::session_in_namespace(const std::string& setup) const {
  Command inner = session_command({});
  const std::string uid = std::to_string(inner.run_as->uid);
  const std::string drop = "exec setpriv --reuid=" + uid + " --regid=" + uid + " --clear-groups \"$@\"";
  std::vector<std::string> argv{"unshare", "-m", "-p", "-f", "--mount-proc", "sh", "-ec", setup + "\n" + drop, "sh"};
  argv.insert(argv.end(), inner.argv.begin(), inner.argv.end());
  inner.argv = std::move(argv);
  inner.env["ACCOUNT"] = uid;
  inner.run_as.reset();
  return Conversation(inner);
}

Conversation FakeRelay::sshd(const std::string& name, std::uint16_t port) const {
  return Conversation(command({binary_, name, std::to_string(port), "sh", "-c", "echo $PPID; exec cat"}));
}

Conversation FakeRelay::script() const {
  return Conversation(command(script_command()));
}

std::vector<std::string> FakeRelay::records() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(records_dir(), error)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

std::string FakeRelay::record_path(const std::string& listener, pid_t pid) const {
  return records_dir() + "/" + listener + "@" + std::to_string(pid);
}

void FakeRelay::write_record(const std::string& listener, pid_t pid, std::string_view content) const {
  run_checked(command({"mkdir", "-p", "-m", "700", records_dir()}));
  account.write(fs::relative(record_path(listener, pid), account.dir().path()), content);
}

std::string FakeRelay::record(pid_t pid, const std::string& device) {
  return "1 " + boot_id() + " " + start_time(pid) + " " + device + " .\n";
}

std::string boot_id() {
  std::string id = content("/proc/sys/kernel/random/boot_id");
  return id.substr(0, id.find('\n'));
}

std::string start_time(pid_t pid) {
  const auto found = fields(pid);
  return found.size() > 19 ? found[19] : "";
}

pid_t parent_of(pid_t pid) {
  const auto found = fields(pid);
  return found.size() > 1 ? std::stoi(found[1]) : 0;
}

bool alive(pid_t pid) {
  const auto found = fields(pid);
  return !found.empty() && found[0] != "Z" && found[0] != "X";
}

}  // namespace holdfast::test
