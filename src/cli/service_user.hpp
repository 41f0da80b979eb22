#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace holdfast::cli {

/// Whom the service runs as, as far as this device shows it.
struct ServiceUser {
  std::string name;  ///< or its number
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

/// The user of the process that answers on the status socket. If none answers, for the service's own configuration:
/// whom the state directory belongs to, "_holdfast" or "holdfast". None if it can't be told.
std::optional<ServiceUser> find_service_user(const std::string& status_socket, bool own_configuration);

/// While it lives, this process, which is root's, may read and write what that user may, and no more. Throws
/// std::system_error where root may not become somebody else.
class AsUser {
 public:
  explicit AsUser(const ServiceUser& user);
  ~AsUser();
  AsUser(const AsUser&) = delete;
  AsUser& operator=(const AsUser&) = delete;

 private:
  std::vector<gid_t> groups_;
  gid_t gid_;
};

}  // namespace holdfast::cli
