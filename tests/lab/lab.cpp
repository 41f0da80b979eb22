#include "lab/lab.hpp"

#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "support/net.hpp"
#include "support/wait.hpp"

namespace holdfast::lab {
namespace {

using namespace std::chrono_literals;

constexpr uid_t tunnel_uid = 64649;

/// Unknown flows are dropped where a router would forward or answer them: `tcp_loose` off keeps the table from taking
/// up a connection in its middle, and the input chain keeps the carrier's own kernel from answering with a RST.
constexpr const char* carrier_rules = R"(
table ip carrier {
  chain translate {
    type nat hook postrouting priority srcnat;
    oifname "core0" masquerade
  }
  chain pass {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    ct state new iifname "air0" accept
  }
  chain own {
    type filter hook input priority filter;
    iifname "core0" meta l4proto tcp drop
  }
}
)";

/// A machine's own /etc: what programs need of the real one, without its accounts and names. A directory, because a
/// file mounted over /etc/passwd is gone as soon as anybody outside replaces the real /etc/passwd.
void make_etc(const std::string& path) {
  test::run_checked(
      {.argv = {"sh", "-c",
                "mkdir \"$1\" && cd /etc && for f in alternatives gai.conf host.conf ld.so.cache localtime "
                "login.defs nsswitch.conf protocols services shells ssl/openssl.cnf; do "
                "[ ! -e $f ] || cp -a --parents $f \"$1\"; done",
                "sh", path}});
}

void flush_conntrack(const Host& carrier) {
  const InNetwork here(carrier);
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  struct Request {
    nlmsghdr header;
    nfgenmsg family;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.family.nfgen_family = AF_UNSPEC;
  request.family.version = NFNETLINK_V0;
  struct Answer {
    nlmsghdr header;
    nlmsgerr error;
  } answer{};
  const bool asked = fd >= 0 && ::send(fd, &request, sizeof request, 0) == sizeof request &&
                     ::recv(fd, &answer, sizeof answer, 0) >= static_cast<ssize_t>(sizeof answer);
  ::close(fd);
  if (!asked || answer.header.nlmsg_type != NLMSG_ERROR || answer.error.error != 0) {
    throw std::system_error(asked ? -answer.error.error : errno, std::generic_category(), "flush the carrier's table");
  }
}

}  // namespace

std::optional<std::string> Lab::unavailable() {
  if (::geteuid() != 0) {
    return "the lab needs root for its network namespaces";
  }
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) {
    return "the lab needs /dev/net/tun";
  }
  for (const char* program : {"ip", "nft", "nsenter", "/usr/sbin/sshd", "ssh-keygen"}) {
    if (test::run({.argv = {"sh", "-c", std::string("command -v ") + program}}).status.code != 0) {
      return std::string("the lab needs ") + program;
    }
  }
  try {
    const Host probe;
    if (probe.run({"stat", "-c", "%d:%i", "/"}) != test::run_checked({{"stat", "-c", "%d:%i", "/"}})) {
      return "the lab needs the root of its mount namespace, and this is a chroot";
    }
    probe.run({"nft", "-f", "-"}, "table ip probe { chain c { type nat hook postrouting priority 100; }; }");
  } catch (const std::exception& error) {
    const std::string why = error.what();
    return "the lab needs network namespaces with nftables: " + why.substr(0, why.find('\n'));
  }
  return {};
}

Lab::Lab(std::uint64_t seed) {
  make_etc(device_etc(""));
  make_etc(relay_etc(""));
  test::write_file(device_etc("machine-id"), "0f0e0d0c0b0a09080706050403020100\n", 0644);
  test::write_file(relay_etc("machine-id"), "f0e0d0c0b0a090807060504030201000\n", 0644);
  test::write_file(device_etc("passwd"), "root:x:0:0:root:/root:/bin/sh\n", 0644);
  test::write_file(relay_etc("group"), "root:x:0:\ntunnel:x:64649:\nnogroup:x:65534:\n", 0644);
  test::write_file(relay_etc("shadow"), "root:*:1::::::\ntunnel:*:1::::::\nsshd:*:1::::::\n");
  test::write_file(relay_etc("hosts"), "127.0.0.1 localhost\n::1 localhost\n", 0644);
  set_relay_shell("/bin/sh");
  std::filesystem::create_directories(relay_home() + "/.ssh");
  for (const std::string& path : {relay_home(), relay_home() + "/.ssh"}) {
    ::chmod(path.c_str(), 0700);
    if (::chown(path.c_str(), tunnel_uid, tunnel_uid) != 0) {
      throw std::system_error(errno, std::generic_category(), path);
    }
  }
  test::write_file(device_etc("hosts"),
                   std::string("127.0.0.1 localhost\n::1 localhost\n") + relay_address + " " + relay_name + "\n", 0644);
  test::write_file(device_etc("resolv.conf"), std::string("nameserver ") + resolver_address + "\n", 0644);
  device_ = new_device();
  relay_ = new_relay();

  carrier_.ip("link add core0 type veth peer name eth0 netns " + relay_->network_path() +
              "\naddr add 198.51.100.1/24 dev core0\nlink set core0 up\n");
  plug_relay_in();
  link_.emplace(test::Command{.argv = {LAB_LINK, dir_ / "link", std::to_string(seed), device_->network_path(), "wwan0",
                                       carrier_.network_path(), "air0"}});
  const bool up =
      test::wait_until([this] { return ::access((dir_ / "link").c_str(), F_OK) == 0 || !link_->running(); });
  if (!up || !link_->running()) {
    throw std::runtime_error("the link does not start: " + link_->errors());
  }
  carrier_.ip("addr add 10.64.0.1/16 dev air0\nlink set air0 up\n");
  carrier_.sysctl("net/ipv4/ip_forward", "1");
  carrier_.run({"nft", "-f", "-"}, carrier_rules);
  carrier_.sysctl("net/netfilter/nf_conntrack_tcp_loose", "0");
  address_device();
}

std::unique_ptr<Host> Lab::new_device() {
  return std::make_unique<Host>(std::vector<Host::Bind>{{device_etc(""), "/etc"}});
}

std::unique_ptr<Host> Lab::new_relay() {
  const std::string boot_id = "/proc/sys/kernel/random/boot_id";
  std::string id = test::read_file(boot_id);
  id.replace(0, 4, std::to_string(1000 + relay_boots_++));
  const std::string own_id = dir_ / "boot_id";
  std::filesystem::remove(own_id);  // the machine before keeps its own
  test::write_file(own_id, id, 0444);
  auto relay = std::make_unique<Host>(
      std::vector<Host::Bind>{{relay_etc(""), "/etc"}, {dir_ / "home", "/home"}, {own_id, boot_id}});
  relay->run({"mkdir", "-p", "/run/sshd"});
  return relay;
}

void Lab::address_device() {
  const std::string address = "10.64.0." + std::to_string(device_number_);
  device_->ip("link set wwan0 mtu 1420 up\naddr flush dev wwan0\naddr add " + address +
              "/16 dev wwan0\nroute replace default via 10.64.0.1\n");
}

void Lab::new_device_address() {
  ++device_number_;
  address_device();
}

void Lab::set_device_link(bool up) {
  device_->ip(up ? "link set wwan0 up\nroute replace default via 10.64.0.1\n" : "link set wwan0 down\n");
}

void Lab::plug_in_cable() {
  carrier_.ip("link add wire0 type veth peer name eth1 netns " + device_->network_path() +
              "\naddr add 10.65.0.1/16 dev wire0\nlink set wire0 up\n");
  carrier_.sysctl("net/ipv4/conf/wire0/rp_filter", "1");
  carrier_.run({"nft", "add", "rule", "ip", "carrier", "pass", "ct", "state", "new", "iifname", "wire0", "accept"});
  device_->ip("addr add 10.65.0.2/16 dev eth1\nlink set eth1 up\nroute replace default via 10.65.0.1\n");
}

void Lab::cut_device_power() {
  const std::unique_ptr<Host> old = std::move(device_);
  device_ = new_device();
  // Only a machine without a wire says nothing more: its kernel would still close the sockets of whoever is killed.
  old->ip("link set wwan0 netns " + device_->network_path() + "\n");
  command("flush");
  new_device_address();
}

void Lab::cut_relay_power() {
  const std::unique_ptr<Host> old = std::move(relay_);
  relay_ = new_relay();
  old->ip("link set eth0 netns " + relay_->network_path() + "\n");
}

void Lab::plug_relay_in() {
  relay_->ip(std::string("addr add ") + relay_address + "/24 dev eth0\nlink set eth0 up\n");
}

void Lab::configure(const char* direction, const LinkSettings& settings) {
  if (const std::string answer = command(set_line(direction, settings)); answer != "ok") {
    throw std::runtime_error("the link refuses: " + answer);
  }
}

void Lab::set_link(const LinkSettings& both) {
  set_link(both, both);
}

void Lab::set_link(const LinkSettings& up, const LinkSettings& down) {
  up_ = up;
  down_ = down;
  configure("up", up);
  configure("down", down);
}

void Lab::blackhole(bool up, bool down) {
  LinkSettings new_up = up_;
  LinkSettings new_down = down_;
  new_up.blackhole = up;
  new_down.blackhole = down;
  set_link(new_up, new_down);
}

LinkStats Lab::stats() {
  return parse_stats(command("stats"));
}

std::uint64_t Lab::bytes() {
  const LinkStats now = stats();
  return now.up.offered.bytes + now.down.delivered.bytes;
}

std::string Lab::command(const std::string& line) {
  test::Socket socket = test::Socket::connect_unix(dir_ / "link");
  socket.send(line + "\n");
  std::string answer = socket.receive_until("\n");
  if (answer.empty()) {
    throw std::runtime_error("the link does not answer: " + link_->errors());
  }
  answer.pop_back();
  return answer;
}

void Lab::lose_large_packets(bool up, bool down) {
  // What the relay's kernel would leave to its network card to cut is one long packet here.
  relay_->ip("link set eth0 gso_max_segs 1\n");
  std::string rules = "table inet hole {\n chain lose {\n  type filter hook forward priority -10;\n";
  if (up) rules += "  tcp dport 22 meta length > 1400 drop\n";
  if (down) rules += "  tcp sport 22 meta length > 1400 drop\n";
  carrier_.run({"nft", "-f", "-"}, rules + " }\n}\n");
}

void Lab::go_ipv6() {
  const auto give = [](const Host& host, const std::string& link, const std::string& address) {
    host.sysctl("net/ipv6/conf/" + link + "/disable_ipv6", "0");
    host.ip("addr add " + address + "/64 dev " + link + " nodad\n");
  };
  give(*device_, "wwan0", "fd00:6464::2");
  give(carrier_, "air0", "fd00:6464::1");
  give(carrier_, "core0", "fd00:5151::1");
  give(*relay_, "eth0", relay_address_v6);
  carrier_.sysctl("net/ipv6/conf/all/forwarding", "1");
  device_->ip("route add default via fd00:6464::1\n");
  relay_->ip("route add default via fd00:5151::1\n");
  test::write_file(device_etc("hosts"),
                   std::string("127.0.0.1 localhost\n::1 localhost\n") + relay_address_v6 + " " + relay_name + "\n",
                   0644);
}

void Lab::forget_nat() {
  flush_conntrack(carrier_);
}

void Lab::forget_relay_name() {
  test::write_file(device_etc("hosts"), "127.0.0.1 localhost\n::1 localhost\n", 0644);
}

std::string Lab::relay_home() const {
  return dir_ / "home/tunnel";
}

void Lab::set_relay_shell(const std::string& shell) {
  test::write_file(relay_etc("passwd"),
                   "root:x:0:0:root:/root:/bin/sh\nsshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"
                   "tunnel:x:64649:64649::/home/tunnel:" +
                       shell + "\n",
                   0644);
}

}  // namespace holdfast::lab
