#pragma once

#include <doctest/doctest.h>

#include <regex>
#include <string>
#include <vector>

#include "support/keys.hpp"
#include "support/process.hpp"
#include "support/sshd.hpp"
#include "support/temp_dir.hpp"

namespace holdfast::test {

/// A maintainer's laptop, whose ssh logs in at the relay without a question.
struct Laptop {
  explicit Laptop(const Sshd& relay) {
    write_file(dir / "known", relay.known_hosts());
    write_file(dir / "config", "Host relay.test\n  HostName " + relay.host() + "\n  Port " +
                                   std::to_string(relay.port()) + "\n  User " + relay.user() + "\n  HostKeyAlias [" +
                                   relay.host() + "]:" + std::to_string(relay.port()) + "\n  UserKnownHostsFile " +
                                   (dir / "known") + "\n  IdentityFile " + client_key() +
                                   "\n  IdentitiesOnly yes\n  BatchMode yes\n");
    write_file(dir / "ssh", "#!/bin/sh\nexec /usr/bin/ssh -F " + (dir / "config") + " \"$@\"\n", 0755);
  }

  Finished doctor(const std::vector<std::string>& arguments) const {
    Command command{.argv = {HOLDFAST_BINARY, "doctor"},
                    .env = {{"PATH", dir.path().string() + ":/usr/bin:/bin"}, {"HOME", dir.path()}}};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    return run(command);
  }

  TempDir dir;
};

/// As it was before it was broken into lines.
inline std::string unwrapped(const std::string& text) {
  return std::regex_replace(text, std::regex{"\n {8,}"}, " ");
}

inline void check(const Finished& seen, int status, const std::vector<std::string>& said) {
  CAPTURE(seen.output);
  CAPTURE(seen.errors);
  CHECK(seen.status.code == status);
  for (const std::string& words : said) {
    CAPTURE(words);
    CHECK(unwrapped(seen.output).find(words) != std::string::npos);
  }
}

}  // namespace holdfast::test
