#include "cli/init/way_in.hpp"

#include <variant>

#include "holdfast/config.hpp"
#include "setup/host_key.hpp"

namespace holdfast::cli::steps {
namespace {

bool leads_to_sshd(const Wish& wish) {
  const auto* target = std::get_if<TcpTarget>(&wish.tunnel.forward.target);
  return target != nullptr && target->port == 22 && target->host == "localhost";
}

}  // namespace

std::string missing_server(const Wish& wish) {
  const bool missing = leads_to_sshd(wish) && !setup::listens({"localhost", 22});
  return missing ? "\nNothing listens at port 22 of this device. An SSH server is missing: apt install openssh-server"
                 : "";
}

void tell_how_to_log_in(const Wish& wish) {
  const std::string port = std::to_string(wish.tunnel.forward.port);
  if (!leads_to_sshd(wish)) {
    wish.say("reach it",
             "port " + port + " of localhost on " + wish.tunnel.login.host + " leads to " + wish.options.target);
    return;
  }
  const std::string login = "-p " + port + " " + user_name() + "@localhost";
  wish.say("log in", "ssh -J " + to_string(wish.tunnel.login) + " " + login + "\n  from the relay: ssh " + login +
                         missing_server(wish));
}

}  // namespace holdfast::cli::steps
