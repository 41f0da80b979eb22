// Preloaded: DNS as a test wants it. The file NAMES_FILE holds the addresses of relay.example, one a line; without any
// the name server does not answer.
#include <dlfcn.h>
#include <netdb.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  static const auto real = reinterpret_cast<decltype(&getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (node == nullptr || std::strcmp(node, "relay.example") != 0) return real(node, service, hints, result);
  std::ifstream file(std::getenv("NAMES_FILE"));
  addrinfo** next = result;
  *next = nullptr;
  for (std::string address; file >> address;) {
    if (const int error = real(address.c_str(), service, hints, next); error != 0) return error;
    while (*next != nullptr) next = &(*next)->ai_next;
  }
  return *result == nullptr ? EAI_AGAIN : 0;
}
