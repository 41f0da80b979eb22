#include "doctor/shared_login.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "setup/command.hpp"

namespace holdfast::doctor {

SharedLogin::SharedLogin(std::string login, std::uint16_t port)
    : login_(std::move(login)),
      port_(port),
      folder_((std::filesystem::temp_directory_path() / "holdfast-doctor-XXXXXX").string()) {
  if (::mkdtemp(folder_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), folder_);
}

SharedLogin::~SharedLogin() {
  auto bye = ssh();
  bye.insert(bye.end(), {"-q", "-O", "exit", "--", login_});
  std::error_code ignored;
  if (std::filesystem::exists(folder_ + "/login", ignored)) static_cast<void>(setup::run(bye));
  std::filesystem::remove_all(folder_, ignored);
}

std::vector<std::string> SharedLogin::ssh() const {
  std::vector<std::string> words{"ssh", "-T", "-a", "-x"};
  if (port_ != 0) words.insert(words.end(), {"-p", std::to_string(port_)});
  for (const std::string& option :
       {std::string{"ConnectTimeout=10"}, std::string{"ClearAllForwardings=yes"}, std::string{"ControlMaster=auto"},
        std::string{"ControlPersist=60"}, "ControlPath=\"" + folder_ + "/login\""})
    words.insert(words.end(), {"-o", option});
  return words;
}

}  // namespace holdfast::doctor
