#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast::doctor {

/// A folder for the socket by which several ssh share one login: a password is asked for once.
class SharedLogin {
 public:
  /// `login`: "user@relay", as ssh(1) takes it. `port`: 0 as ssh's own configuration says.
  SharedLogin(std::string login, std::uint16_t port);
  ~SharedLogin();
  SharedLogin(const SharedLogin&) = delete;
  SharedLogin& operator=(const SharedLogin&) = delete;

  /// Up to where the options end.
  std::vector<std::string> ssh() const;
  const std::string& folder() const { return folder_; }

  static constexpr int refused = 255;  ///< ssh(1), EXIT STATUS

 private:
  std::string login_;
  std::uint16_t port_;
  std::string folder_;
};

}  // namespace holdfast::doctor
