// Preloaded into a relay that can't look localhost up, like a session with ChrootDirectory or in a container without
// /etc/hosts. There glibc says the same, or "Temporary failure in name resolution" if there is no name server either.
#include <dlfcn.h>
#include <netdb.h>

#include <cstring>

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  if (node != nullptr && std::strcmp(node, "localhost") == 0) return EAI_NONAME;
  static const auto real = reinterpret_cast<decltype(&getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return real(node, service, hints, result);
}
