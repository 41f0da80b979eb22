#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast::doctor {

/// Where this machine listens at the TCP port: "127.0.0.1:22", "[::]:22". Reads /proc/net, and may take its time.
std::vector<std::string> listening_at(std::uint16_t port);

}  // namespace holdfast::doctor
