#include "support/holdfast.hpp"

#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <stdexcept>

#include "support/http_unix.hpp"
#include "support/keys.hpp"

namespace holdfast::test {
namespace {

std::set<const Holdfast*>& living() {
  static std::set<const Holdfast*> daemons;
  return daemons;
}

/// Shows what the programs said, with each check that fails.
struct LogOnFailure final : doctest::IReporter {
  explicit LogOnFailure(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override { show(); }
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& assertion) override {
    if (assertion.m_failed) {
      show();
    }
  }
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

  static void show() {
    for (const Holdfast* daemon : living()) {
      std::fprintf(stderr, "--- holdfast said:\n%s---\n", daemon->log().c_str());
    }
  }
};

REGISTER_LISTENER("log_on_failure", 1, LogOnFailure);

bool sanitizer_spoke(const std::string& log) {
  return log.find("Sanitizer") != std::string::npos || log.find("runtime error:") != std::string::npos;
}

}  // namespace

std::string holdfast_binary() {
  const char* from_environment = std::getenv("HOLDFAST_BIN");
  return from_environment != nullptr ? from_environment : HOLDFAST_BINARY;
}

Tunnel Tunnel::to(const std::string& host, std::uint16_t port, const std::string& user, std::string known_hosts,
                  std::string name) {
  Tunnel tunnel;
  tunnel.name = std::move(name);
  tunnel.known_hosts = std::move(known_hosts);
  tunnel.keys = {{"host_name", host},
                 {"port", std::to_string(port)},
                 {"user", user},
                 {"identity_file", client_key()},
                 {"strict_host_key_checking", "yes"},
                 {"connect_timeout", "5"},
                 {"log_level", "verbose"},
                 {"backoff",
                  "{network: {first: 1, cap: 1}, listener: {first: 1, cap: 1}, refused: {first: 1, cap: 1}, "
                  "penalty: {first: 1, cap: 1}}"}};
  return tunnel;
}

Tunnel& Tunnel::set(const std::string& key, const std::string& value) {
  keys[key] = value;
  return *this;
}

Tunnel& Tunnel::forward(const std::string& remote_forward) {
  forwards.push_back(remote_forward);
  return *this;
}

Holdfast::Holdfast(const std::vector<Tunnel>& tunnels, std::map<std::string, std::string> env,
                   std::vector<std::string> wrapper)
    : env_(std::move(env)), wrapper_(std::move(wrapper)) {
  write_config(tunnels);
  start();
  living().insert(this);
}

void Holdfast::start() {
  std::map<std::string, std::string> env = env_;
  env.try_emplace("STATE_DIRECTORY", dir_.path().string());
  std::vector<std::string> command = wrapper_;
  command.insert(command.end(), {holdfast_binary(), "run", "--config", config_path()});
  process_ = std::make_unique<Process>(Command{command, env});
  const bool up = wait_until([this] {
    try {
      return !process_->running() || http_request(socket_path(), "GET", "/healthz").status == 200;
    } catch (const std::exception&) {
      return false;
    }
  });
  if (!up || !process_->running()) {
    throw std::runtime_error("holdfast did not start: " + log());
  }
}

void Holdfast::crash() {
  process_->kill();
  crashed_ = true;
}

void Holdfast::crash_and_start() {
  crash();
  start();
  crashed_ = false;
}

Holdfast::~Holdfast() {
  living().erase(this);
  if (crashed_) return;
  process_->signal(SIGTERM);
  const auto status = process_->wait(30s);
  if (status != success || sanitizer_spoke(log())) {
    ADD_FAIL_CHECK_AT("holdfast", 0, "holdfast did not end well: " << log());
  }
}

void Holdfast::write_config(const std::vector<Tunnel>& tunnels) const {
  write_config_text("status_socket: " + socket_path() + "\n" + yaml_of(tunnels));
}

void Holdfast::write_drop_in(const std::string& name, const std::vector<Tunnel>& tunnels) const {
  std::filesystem::create_directories(dir_ / "conf.d");
  replace_file(dir_ / ("conf.d/" + name), yaml_of(tunnels));
}

std::string Holdfast::yaml_of(const std::vector<Tunnel>& tunnels) const {
  std::ostringstream text;
  text << "tunnels:\n";
  for (const Tunnel& tunnel : tunnels) {
    text << "  " << tunnel.name << ":\n";
    for (const auto& [key, value] : tunnel.keys) {
      text << "    " << key << ": " << value << '\n';
    }
    if (tunnel.keys.count("user_known_hosts_file") == 0) {
      const std::string path = known_hosts_file(tunnel.name);
      replace_file(path, tunnel.known_hosts);
      text << "    user_known_hosts_file: " << path << '\n';
    }
    text << "    remote_forward:\n";
    for (const std::string& forward : tunnel.forwards) {
      text << "      - '" << forward << "'\n";
    }
  }
  return text.str();
}

void Holdfast::write_config_text(const std::string& text) const {
  replace_file(config_path(), text);
}

std::string Holdfast::known_hosts_file(const std::string& tunnel) const {
  return dir_ / ("known_hosts_" + tunnel);
}

Json Holdfast::status() const {
  return Json::parse(http_request(socket_path(), "GET", "/v1/status").body);
}

Json Holdfast::tunnel(const std::string& name) const {
  const Json document = status();
  for (const Json& tunnel : document.at("tunnels")) {
    if (tunnel.at("name") == name) {
      return tunnel;
    }
  }
  return {};
}

std::string Holdfast::state(const std::string& name) const {
  const Json found = tunnel(name);
  return found.is_null() ? "" : found.at("state").get<std::string>();
}

std::string Holdfast::cause(const std::string& name) const {
  const Json found = tunnel(name);
  return found.is_null() || found.at("last_error").is_null() ? "" : found["last_error"].at("cause").get<std::string>();
}

bool Holdfast::wait_for(const std::function<bool(const Json&)>& condition, const std::string& name,
                        std::chrono::milliseconds limit) const {
  std::string missing;
  const bool came = wait_until(
      [&] {
        const Json found = tunnel(name);
        try {
          return !found.is_null() && condition(found);
        } catch (const Json::type_error& error) {  // a part is null so far: `proof`, `last_error`
          missing = error.what();
          return false;
        }
      },
      limit);
  if (!came) {
    std::fprintf(stderr, "--- the status is:\n%s\n%s\n", status().dump(2).c_str(), missing.c_str());
  }
  return came;
}

bool Holdfast::wait_for_up(const std::string& name, std::chrono::milliseconds limit) const {
  return wait_for([](const Json& tunnel) { return tunnel.at("up") == true; }, name, limit);
}

bool Holdfast::wait_for_failure(const std::string& cause, const std::string& name,
                                std::chrono::milliseconds limit) const {
  return wait_for(
      [&](const Json& tunnel) {
        return tunnel.at("up") == false && !tunnel.at("last_error").is_null() &&
               tunnel["last_error"].at("cause") == cause;
      },
      name, limit);
}

Finished Holdfast::command(std::vector<std::string> args) const {
  args.insert(args.begin(), holdfast_binary());
  args.insert(args.end(), {"--socket", socket_path()});
  return run({args});
}

}  // namespace holdfast::test
