#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "lab/host.hpp"

namespace holdfast::lab {

/// The smallest name server: says that every name has one IPv4 address and no IPv6 address. On 0.0.0.0:53 of the host.
class Resolver {
 public:
  Resolver(const Host& host, const std::string& address);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  unsigned questions() const { return questions_; }

 private:
  void serve();

  std::string address_;
  int socket_ = -1;
  std::atomic<bool> ending_ = false;
  std::atomic<unsigned> questions_ = 0;
  std::thread thread_;
};

}  // namespace holdfast::lab
