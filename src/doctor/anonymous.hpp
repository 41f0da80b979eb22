#pragma once

#include <functional>
#include <map>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::doctor {

/// Replaces names, addresses and fingerprints in text that goes to somebody else: the same one by the same word
/// everywhere. An address becomes one of the same kind (private, a carrier's NAT, public). What it replaced can't be
/// told from the text.
class Anonymous {
 public:
  struct Name {
    std::string name;
    std::string kind;  ///< "relay": it becomes "relay-1"
  };
  /// Names that mean nobody ("root", "tunnel", "localhost") are left as they are.
  explicit Anonymous(const std::vector<Name>& names);

  std::string operator()(std::string_view text);

 private:
  std::string replace_names(std::string_view text) const;
  std::string replace_matches(const std::string& text, const std::regex& pattern);
  std::string address(const std::string& literal);

  std::map<std::string, std::string, std::greater<>> names_;  ///< longer ones before those that they begin with
  std::map<std::string, std::string> seen_;
  std::map<std::string, unsigned> counts_;  ///< by prefix
};

}  // namespace holdfast::doctor
