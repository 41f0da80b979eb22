#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "lab/host.hpp"

namespace holdfast::lab {

/// How a name server answers.
enum class Manner {
  knows_all,  ///< every name has one IPv4 address and no IPv6 address
  honest,     ///< Lab::relay_name has, and there is no other name
  silent,
  refuses,  ///< REFUSED
  fails,    ///< SERVFAIL
  denies,   ///< NXDOMAIN
};

/// The smallest name server, at port 53 of the host.
class Resolver {
 public:
  /// `delay`: of every answer. `here`: where it listens.
  Resolver(const Host& host, const std::string& address, Manner manner = Manner::knows_all,
           std::chrono::milliseconds delay = {}, const std::string& here = "0.0.0.0");
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  unsigned questions() const { return questions_; }

 private:
  void serve();

  std::string address_;
  Manner manner_;
  std::chrono::milliseconds delay_;
  int socket_ = -1;
  std::atomic<bool> ending_ = false;
  std::atomic<unsigned> questions_ = 0;
  std::thread thread_;
};

}  // namespace holdfast::lab
