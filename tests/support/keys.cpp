#include "support/keys.hpp"

#include <filesystem>
#include <mutex>

#include "support/process.hpp"
#include "support/temp_dir.hpp"

namespace holdfast::test {
namespace {

const char* type_name(KeyType type) {
  switch (type) {
    case KeyType::ed25519:
      return "ed25519";
    case KeyType::ecdsa:
      return "ecdsa";
    case KeyType::rsa:
      return "rsa";
  }
  return "";
}

const TempDir& key_dir() {
  static const TempDir dir;
  return dir;
}

std::string make_once(const std::string& name, KeyType type, const std::string& passphrase = "") {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::string path = key_dir() / name;
  if (!std::filesystem::exists(path)) {
    Command keygen{{"ssh-keygen", "-q", "-t", type_name(type), "-N", passphrase, "-C", name, "-f", path}};
    if (type == KeyType::rsa) {
      keygen.argv.insert(keygen.argv.end(), {"-b", "2048"});
    }
    run_checked(keygen);
  }
  return path;
}

}  // namespace

std::string client_key(KeyType type) {
  return make_once(std::string("client_") + type_name(type), type);
}

std::string stranger_key() {
  return make_once("stranger", KeyType::ed25519);
}

std::string encrypted_key() {
  return make_once("encrypted", KeyType::ed25519, "secret");
}

std::string ca_key() {
  return make_once("ca", KeyType::ed25519);
}

std::string host_key(KeyType type, int set) {
  return make_once("host_" + std::to_string(set) + "_" + type_name(type), type);
}

std::string public_key(const std::string& private_key) {
  const std::string line = read_file(private_key + ".pub");
  return line.substr(0, line.find_first_of(" \n", line.find(' ') + 1));
}

std::string fingerprint(const std::string& private_key) {
  const std::string line = run_checked({{"ssh-keygen", "-lf", private_key}});
  const auto begin = line.find("SHA256:");
  return line.substr(begin, line.find(' ', begin) - begin);
}

std::vector<std::string> all_client_public_keys() {
  return {public_key(client_key(KeyType::ed25519)), public_key(client_key(KeyType::ecdsa)),
          public_key(client_key(KeyType::rsa)), public_key(encrypted_key())};
}

std::string sign_certificate(const std::string& private_key, const std::string& principal) {
  run_checked({{"ssh-keygen", "-q", "-s", ca_key(), "-I", "test", "-n", principal, private_key + ".pub"}});
  return private_key + "-cert.pub";
}

}  // namespace holdfast::test
