#include "cli/check.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <optional>
#include <system_error>
#include <utility>

#include "cli/commands.hpp"
#include "cli/places.hpp"
#include "cli/service_user.hpp"
#include "config/load.hpp"
#include "preflight/configuration.hpp"
#include "preflight/device_faults.hpp"

namespace holdfast::cli {
namespace {

void refuse(const std::string& file, const config::Problems& problems) {
  for (const config::Problem& problem : problems) std::cerr << config::to_string(problem) << '\n';
  const std::size_t count = problems.size();
  std::cerr << "holdfast: " << file << " can't be used: " << count << (count == 1 ? " problem\n" : " problems\n");
}

/// systemd hands credentials to the service, whoever may read the files that they are made from.
class WithoutCredentials final : public config::Files {
 public:
  Kind private_key(const std::string& path) const override {
    return is_credential(path) ? Kind::unseen : config::system_files().private_key(path);
  }
  Kind readable_file(const std::string& path) const override {
    return is_credential(path) ? Kind::unseen : config::system_files().readable_file(path);
  }
  std::optional<std::string> credentials_directory() const override {
    return config::files_outside_service().credentials_directory();
  }
  std::string congestion_controls() const override { return {}; }

 private:
  bool is_credential(const std::string& path) const {
    return path.starts_with(credentials_directory().value_or("") + "/");
  }
};

/// What is wrong on the device with a configuration that is good in itself.
struct Findings {
  config::Problems problems;
  config::Problems warnings;

  void add(config::Problem problem, bool hopeless, const std::string& seen_by = "") {
    const std::string said = to_string(problem);
    const auto is_said = [&](const config::Problem& other) { return to_string(other) == said; };
    if (std::any_of(problems.begin(), problems.end(), is_said)) return;
    if (std::any_of(warnings.begin(), warnings.end(), is_said)) return;
    problem.message += seen_by;
    (hopeless ? problems : warnings).push_back(std::move(problem));
  }
};

/// Below /run/holdfast systemd makes it for the service.
void judge_status_socket(const config::Loaded& loaded, const std::string& file, Findings& found) {
  const std::filesystem::path path = loaded.config.status_socket.path;
  const std::string folder = path.parent_path();
  std::error_code error;
  if ((folder + "/").starts_with("/run/holdfast/") || std::filesystem::is_directory(folder, error)) return;
  found.add({file, 0, 0, "status_socket", "there is no folder " + folder + ": without it nobody can ask or reload"},
            false);
}

/// Root may read what the service may not.
void judge_as_service(const config::Loaded& loaded, const std::string& file, Findings& found) {
  if (::geteuid() != 0) return;
  const bool own_configuration = file == service_config;
  const auto user = find_service_user(loaded.config.status_socket.path, own_configuration);
  if (!user || user->uid == 0) return;
  std::optional<AsUser> service;
  try {
    service.emplace(*user);
  } catch (const std::system_error&) {
    return;  // a container's root may not become everybody
  }
  const std::string seen_by = " (for user " + user->name + ", whom holdfast runs as)";
  const WithoutCredentials files;
  // A file that is not in place yet may be out of the service's reach.
  if (own_configuration || ::faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) == 0) {
    const auto seen = preflight::load_configuration(file, files);
    if (!seen) {
      for (const config::Problem& problem : seen.error()) found.add(problem, true, seen_by);
      return;
    }
  }
  for (preflight::DeviceFault& fault : preflight::device_faults(loaded, files)) {
    found.add(std::move(fault.problem), fault.hopeless, seen_by);
  }
}

}  // namespace

std::optional<config::Loaded> find_faults(const std::string& file) {
  const auto refused = [&](const config::Problems& problems) {
    refuse(file, problems);
    return std::nullopt;
  };
  const config::Files& files = config::files_outside_service();
  auto loaded = preflight::load_configuration(file, files);
  if (!loaded) return refused(loaded.error());
  Findings found;
  for (preflight::DeviceFault& fault : preflight::device_faults(*loaded, files)) {
    found.add(std::move(fault.problem), fault.hopeless);
  }
  judge_status_socket(*loaded, file, found);
  judge_as_service(*loaded, file, found);
  if (!found.problems.empty()) return refused(found.problems);
  for (const std::string& warning : preflight::warnings(*loaded)) std::cerr << "warning: " << warning << '\n';
  for (const config::Problem& warning : found.warnings) {
    std::cerr << "warning: " << config::to_string(warning) << '\n';
  }
  return *std::move(loaded);
}

int check(const Options& options) {
  const auto loaded = find_faults(options.config.value_or(default_config()));
  if (!loaded) return misused;
  std::cout << config::to_yaml(loaded->config);
  return done;
}

}  // namespace holdfast::cli
