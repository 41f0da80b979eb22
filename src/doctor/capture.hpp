#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "holdfast/findings.hpp"

namespace holdfast::doctor {

/// `tcpdump` with the filter that shows what this relay's port answers, whoever answers.
std::string capture_command(const Findings& findings);

/// While it lives the kernel keeps what opens or resets TCP connections, up to some thousand segments: nothing of what
/// they carry. On all interfaces; needs CAP_NET_RAW.
class Capture {
 public:
  /// The error says why there is none.
  static tl::expected<std::unique_ptr<Capture>, std::string> begin();
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// Who answered each SYN to the relay, and with what TTL.
  void read_into(TcpFindings& findings);

 private:
  class Impl;
  explicit Capture(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::doctor
