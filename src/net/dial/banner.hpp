#pragma once

#include <string>
#include <string_view>

namespace holdfast::net {

/// What a relay says before SSH begins (RFC 4253, 4.2), as it comes in. No I/O.
class Banner {
 public:
  /// `none`: the first 4 KiB hold no line that begins with "SSH-". Either of the last two is final.
  enum class Found { nothing_yet, banner, none };

  /// In whatever pieces the bytes come.
  Found take(std::string_view bytes);

  /// What sshd says to whom it takes no connection from for now (sshd.c, drop_connection).
  static constexpr std::string_view penalty = "Not allowed at this time";
  bool is_penalty() const { return text_.starts_with(penalty); }

 private:
  std::string text_;
};

}  // namespace holdfast::net
