#include "cli/init/plan.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "config/load.hpp"
#include "holdfast/relays.hpp"
#include "setup/files.hpp"

namespace holdfast::cli::steps {
namespace {

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

/// What another name or another port mends.
bool is_collision(const Wish& wish, const config::Problem& problem) {
  const bool of_names = problem.key == "tunnels." + wish.tunnel.name && problem.message.starts_with("given twice");
  const bool of_ports =
      problem.message.starts_with("listener ") && problem.message.find(" collides with ") != std::string::npos;
  return of_names || of_ports;
}

/// Both log in to one account with one key.
bool share_a_line(const TunnelSpec& one, const TunnelSpec& other) {
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

void refuse_other_content(const std::string& file, const Wish& wish, Plan& plan) {
  if (!exists(file)) return;
  plan.drop_in_exists = true;
  const auto there = setup::read_file(file);
  if (!there) throw Stopped{there.error()};
  if (*there == plan.drop_in) return;
  throw Stopped{file + " is there already, and is not what this command would write (+):\n" +
                    setup::difference(*there, plan.drop_in) +
                    "Nothing was written. Edit that file, or take another --name and another --port",
                wish.with_other_name()};
}

void write(const std::string& file, const std::string& text) {
  const auto made = setup::create_file(file, text, 0644);
  if (!made) throw Stopped{made.error()};
  // Another init may have been faster.
  if (!*made && setup::read_file(file) != text)
    throw Stopped{file + " was made meanwhile by somebody else, and is not what this command would write"};
}

/// The configuration as it is to become.
Config load_planned(const Wish& wish, const Plan& plan) {
  const std::string file = wish.places.drop_in(wish.tunnel.name);
  std::vector<config::Source> planned{{file, plan.drop_in}};
  if (!plan.main.empty()) planned.push_back({wish.places.main_file(), plan.main});
  const auto loaded = config::load(wish.places.main_file(), WithKey{wish.places.key()}, planned);
  if (loaded) return loaded->config;
  std::string problems;
  for (const config::Problem& problem : loaded.error()) problems += "\n  " + config::to_string(problem);
  throw Stopped{"with " + file + " the configuration could not be used:" + problems +
                    "\nIt was left as it is. Mend it first; another tunnel takes another --name and another --port",
                is_collision(wish, loaded.error().front()) && loaded.error().size() == 1 ? wish.with_other_name() : ""};
}

}  // namespace

Plan make_plan(const Wish& wish) {
  Plan plan;
  plan.drop_in = setup::tunnel_yaml(wish.tunnel);
  if (!exists(wish.places.main_file()))
    plan.main = setup::main_yaml(wish.places.is_service() ? "" : wish.places.state_folder + "/status.sock");
  refuse_other_content(wish.places.drop_in(wish.tunnel.name), wish, plan);
  const Config config = load_planned(wish, plan);
  plan.status_socket = config.status_socket.path;
  if (const TunnelSpec* spec = find_tunnel(config, wish.tunnel.name)) plan.spec = *spec;
  for (const TunnelSpec& spec : config.tunnels) {
    if (!share_a_line(spec, plan.spec)) continue;
    ++plan.tunnels_of_key;
    for (const RemoteForward& forward : spec.remote_forward) {
      const auto same = [&](const RemoteForward& other) { return listener_name(other) == listener_name(forward); };
      if (std::none_of(plan.listeners.begin(), plan.listeners.end(), same)) plan.listeners.push_back(forward);
    }
  }
  return plan;
}

void make_folder(const std::string& path, mode_t mode) {
  if (const auto made = setup::create_folder(path, mode); !made) throw Stopped{made.error()};
}

bool write_configuration(const Wish& wish, const Plan& plan) {
  const std::string file = wish.places.drop_in(wish.tunnel.name);
  if (plan.drop_in_exists && plan.main.empty()) {
    wish.say("configuration", "there already: " + file);
    return false;
  }
  if (wish.options.dry_run) {
    if (!plan.drop_in_exists) wish.say("configuration", "would write " + file + ":\n" + plan.drop_in);
    if (!plan.main.empty()) wish.say("configuration", "would write " + wish.places.main_file() + ":\n" + plan.main);
    return false;
  }
  const mode_t folder_mode = wish.places.is_service() ? 0755 : 0700;
  make_folder(wish.places.config_folder + "/conf.d", folder_mode);
  const setup::FolderLock turn{wish.places.config_folder};
  static_cast<void>(load_planned(wish, plan));  // another init may have been faster
  // The main file last: without it nothing is read.
  write(file, plan.drop_in);
  if (!plan.main.empty()) write(wish.places.main_file(), plan.main);
  wish.say("configuration", "wrote " + file + (plan.main.empty() ? "" : " and " + wish.places.main_file()));
  return true;
}

}  // namespace holdfast::cli::steps
