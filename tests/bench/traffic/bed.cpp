#include "traffic/bed.hpp"

#include <filesystem>

#include "traffic/content.hpp"

namespace holdfast::bench {

using namespace std::chrono_literals;

Loopback::Loopback() : target_(target()) {}

lab::TunnelSettings Loopback::tunnel_by(std::uint16_t ssh_port) const {
  const std::string known_hosts = dir_ / ("known_hosts_" + std::to_string(ssh_port));
  if (!std::filesystem::exists(known_hosts)) {
    test::write_file(known_hosts, "[" + sshd_.host() + "]:" + std::to_string(ssh_port) + " " +
                                      test::public_key(test::host_key(test::KeyType::ed25519)) + "\n");
  }
  return {.host = sshd_.host(),
          .ssh_port = ssh_port,
          .user = sshd_.user(),
          .identity = test::client_key(),
          .known_hosts = known_hosts,
          .port = test::free_port(),
          .target = target_.port(),
          .server_alive_interval = 60,
          .server_alive_count_max = 3};
}

lab::TunnelSettings Loopback::tunnel() const {
  return tunnel_by(sshd_.port());
}

bool Loopback::listening(std::uint16_t port) const {
  return test::is_listening(port);
}

test::Socket Loopback::visit(std::uint16_t port) const {
  return test::Socket::connect_tcp("127.0.0.1", port, 120s);
}

LabBed::LabBed() : relay_(lab_, {}) {
  const lab::InNetwork here(lab_.device());
  target_.emplace(target());
}

lab::TunnelSettings LabBed::tunnel() const {
  return {.user = relay_.user(),
          .identity = relay_.identity(),
          .known_hosts = relay_.known_hosts(),
          .port = test::free_port(),
          .target = target_->port(),
          .server_alive_interval = 60,
          .server_alive_count_max = 3};
}

bool LabBed::listening(std::uint16_t port) const {
  return lab::listener_inode(lab_.relay(), port).has_value();
}

test::Socket LabBed::visit(std::uint16_t port) const {
  const lab::InNetwork here(lab_.relay());
  return test::Socket::connect_tcp("127.0.0.1", port, 120s);
}

}  // namespace holdfast::bench
