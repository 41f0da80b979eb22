#include "net/dial/banner.hpp"

namespace holdfast::net {

Banner::Found Banner::take(std::string_view bytes) {
  constexpr std::size_t most = 4096;
  text_ += bytes.substr(0, most - text_.size());
  if (text_.starts_with("SSH-") || text_.find("\nSSH-") != std::string::npos) return Found::banner;
  return text_.size() == most ? Found::none : Found::nothing_yet;
}

}  // namespace holdfast::net
