#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "holdfast/cause.hpp"
#include "holdfast/failure.hpp"

/// What a look at one layer found, as plain values: nothing here is a judgement (diagnosis.hpp). They can be kept and
/// judged again; `src/status/findings_json.cpp` writes and reads them. What could not be found out is absent or empty.
/// Texts that come from outside are as they came: whoever shows them makes them printable.
namespace holdfast {

using Milliseconds = std::chrono::milliseconds;

/// Why there was no look: "needs root", "there was no answer within 5 s", "no address to try".
struct Skipped {
  std::string why;
};

struct DeviceFindings {
  /// A folder that is written to.
  struct Place {
    std::string path;
    std::uint64_t free_bytes = 0;
    std::uint64_t free_files = 0;  ///< inodes; on a file system without a limit, what it says
    bool read_only = false;
    std::string error;  ///< of the look
  };
  std::int64_t clock = 0;                   ///< seconds since 1970, by this device
  std::optional<std::int64_t> relay_clock;  ///< by the relay, at the same moment
  std::optional<std::int64_t> at_least;     ///< it can't be earlier: when this program was built, ...
  struct Certificate {
    std::string file;
    std::int64_t valid_after = 0;  ///< likewise
    std::int64_t valid_before = 0;
  };
  std::vector<Certificate> certificates;     ///< that the tunnel logs in with
  std::optional<bool> clock_synchronized;    ///< adjtimex(2)
  std::optional<bool> under_voltage;         ///< now
  std::optional<bool> under_voltage_before;  ///< since the boot
  std::vector<Place> places;
  std::uint64_t descriptors_used = 0;
  std::uint64_t descriptors_limit = 0;  ///< 0: not known
  std::uint64_t memory_available = 0;   ///< bytes
  std::uint64_t memory_total = 0;       ///< 0: not known
};

struct ModemFindings {
  /// A modem as ModemManager has it; the names are its own ("registered", "sim-pin", "home").
  struct Modem {
    std::string name;             ///< "QUECTEL EG25"
    std::string state;            ///< MMModemState
    std::string failed_reason;    ///< MMModemStateFailedReason
    std::string unlock_required;  ///< MMModemLock, "none" if nothing is
    std::string power;            ///< MMModemPowerState
    std::string registration;     ///< MMModem3gppRegistrationState
    std::string operator_name;
    std::optional<unsigned> signal;  ///< per cent
    std::optional<bool> bearer_connected;
    std::string bearer_error;  ///< of its last attempt
    std::string apn;
    std::optional<bool> roaming_allowed;
    std::vector<std::string> interfaces;  ///< of the network: "wwan0"
    bool serial = false;                  ///< has a port that a call can be made from (ppp)
  };
  /// On USB, by its class or its known maker, whether or not anything manages it.
  struct Device {
    std::string name;                     ///< "12d1:1f01 HUAWEI Mobile"
    std::vector<std::string> interfaces;  ///< of the network
    bool serial = false;                  ///< likewise
    bool as_disk = false;                 ///< shows as a disk with drivers for Windows, and nothing else
  };
  bool managed = false;       ///< ModemManager answered
  std::string manager_error;  ///< else why not, if it is there
  std::vector<Modem> modems;
  std::vector<Device> devices;
  std::vector<std::string> calls;  ///< interfaces that a call through a serial port made: "ppp0"
};

struct LinkFindings {
  struct Link {
    std::string name;
    std::string kind;      ///< "veth", "bridge", "wireguard"; empty for a device's own
    bool up = false;       ///< as the operator set it
    bool carrier = false;  ///< and it is ready for traffic
    bool loopback = false;
    bool way_out = false;              ///< leads out of this machine by itself: not a container's or a VPN's
    std::optional<unsigned> losses{};  ///< of the carrier, since the link is there
  };
  std::vector<Link> links;
  std::string wanted;                  ///< bind_interface; empty: any
  std::optional<std::int64_t> uptime;  ///< of this machine, in seconds: the losses are of this time
};

struct AddressFindings {
  struct Address {
    std::string interface;
    std::string address;
    bool link_local = false;  ///< 169.254.0.0/16, fe80::/10
    bool expired = false;     ///< its preferred lifetime is over
    bool duplicate = false;   ///< IFA_F_DADFAILED, or another machine answers for it
    bool tentative = false;   ///< the kernel still asks whether it is another machine's
    bool way_out = false;     ///< of a link that leads out by itself
  };
  std::vector<Address> addresses;  ///< without the loopback's own
  std::string wanted;              ///< bind_address; empty: any
  std::string interface;           ///< bind_interface; empty: any
};

struct RouteFindings {
  struct Default {
    std::string family;  ///< "IPv4", "IPv6"
    std::uint32_t table = 0;
    std::uint32_t metric = 0;
    std::string interface;
    std::string gateway;
  };
  struct Way {
    std::string to;         ///< an address of the relay's
    std::string interface;  ///< which the kernel would take
    std::string source;
    std::string gateway;
    std::string error;             ///< "Network is unreachable", "Permission denied" (prohibit)
    std::string freely{};          ///< with bind_interface: the interface that would be taken without it
    std::string source_belongs{};  ///< with bind_address: the interface that has it
  };
  std::vector<Default> defaults;
  std::vector<Way> ways;
  std::vector<std::string> rules;  ///< besides the kernel's own three: "100: from all fwmark 0x1 lookup 51820"
  std::string wanted;              ///< bind_interface
};

struct NeighbourFindings {
  struct Gateway {
    std::string address;
    std::string interface;
    std::string state;                        ///< "reachable", "stale", "failed", "incomplete", "permanent", ...
    std::vector<std::string> link_addresses;  ///< that were seen for it while we looked; one if all is well
    bool answered = false;                    ///< to a question of ours, while we looked
    bool is_relay = false;                    ///< nobody hands packets on: the relay is on this network
  };
  std::vector<Gateway> gateways;  ///< on the ways to the relay
  std::string none_needed{};      ///< why there is none: "the relay is a neighbour", ...
};

struct NameFindings {
  enum class Said { addresses, no_such_name, refused, failed, nothing };
  struct Server {
    std::string address;  ///< "192.168.1.1", with a port if it is not 53
    Said said{};
    std::vector<std::string> addresses;
    Milliseconds took{};
    std::string detail;      ///< "SERVFAIL", "Connection refused"
    std::string behind{};    ///< the resolver on this device that asks this one: "127.0.0.53"
    bool knows_all = false;  ///< it gives the same address for a name that can't exist
  };
  std::string name;
  bool in_hosts = false;                ///< /etc/hosts knows it: no server is asked
  bool literal = false;                 ///< an address: there is nothing to ask
  std::vector<Server> servers;          ///< each of /etc/resolv.conf's
  std::vector<std::string> found;       ///< by the system (getaddrinfo), /etc/hosts included
  std::string error;                    ///< its error
  std::vector<std::string> remembered;  ///< where the relay's host key was right
};

struct PathFindings {
  struct Echo {
    std::string to;
    unsigned sent = 0;
    unsigned answered = 0;
    std::string from;  ///< who answered; empty: nobody
    std::optional<unsigned> ttl;
    Milliseconds round_trip{};
    std::string detail;      ///< "Destination Host Unreachable from 10.0.0.1"
    bool neighbour = false;  ///< nobody is between: it is on our own network, or at the other end of the link
  };
  std::vector<Echo> echoes;
  std::string not_permitted;  ///< why no echo could be sent
  struct Large {
    std::string to;
    unsigned size = 0;  ///< of the IP packet, in bytes
    bool passed = false;
    std::string detail{};  ///< "fragmentation needed, says 192.0.2.1"
  };
  std::vector<Large> large;  ///< with "don't fragment", the largest first
};

struct TcpFindings {
  struct Try {
    std::string to;                 ///< "192.0.2.7:22"
    std::optional<Cause> failed{};  ///< none: it connected
    std::string detail{};           ///< what the system said
    Milliseconds took{};
    std::string answered_from{};    ///< by capture: who sent the SYN-ACK or the RST
    std::optional<unsigned> ttl{};  ///< of that
    bool short_of_relay = false;    ///< a SYN that can't get as far as the relay is refused as well
  };
  std::vector<Try> tries;   ///< at the relay's port
  std::vector<Try> others;  ///< at another port (443), if none of those connected
  bool captured = false;
};

/// One of the steps that only a session can take, from the banner to the proof; what the relay did not let us come to
/// is Skipped.
struct StepFindings {
  std::optional<Failure> failure;  ///< none: it was taken
  std::string measured;            ///< "SSH-2.0-OpenSSH_9.2p1, after 0.3 s"
  std::vector<std::string> evidence;
  std::string said{};   ///< of the banner: what came first, a banner or not
  bool is_new = false;  ///< of the host key: nobody knew it, and it was not compared
};

struct TargetFindings {
  enum class Said { something, nothing, closed, not_connected };
  struct Target {
    std::string forward;  ///< listener_name()
    std::string target;   ///< target_name()
    Said said{};
    std::string words;   ///< its first bytes
    std::string detail;  ///< why it did not connect
    Milliseconds took{};
    std::vector<std::string> listens;  ///< where this port is listened on instead, on this device
    std::uint16_t port = 0;            ///< 0: it is no TCP port
    bool here = false;                 ///< it is on this device
    bool unresolved = false;           ///< its name could not be looked up
    bool spoke_before = false;         ///< first, when the tunnel was proven
    bool timed_out = false;            ///< it neither took the connection nor refused it
  };
  std::vector<Target> targets;
};

struct KeepaliveFindings {
  Milliseconds interval{};                ///< between keepalives, as configured; 0: none is sent
  std::optional<Milliseconds> survived;   ///< the longest silence that a flow outlived
  std::optional<Milliseconds> forgotten;  ///< the shortest one that it did not
  std::optional<Milliseconds> ended{};    ///< then the relay itself ended a silent flow: longer tells nothing
};

using Finding = std::variant<Skipped, DeviceFindings, ModemFindings, LinkFindings, AddressFindings, RouteFindings,
                             NeighbourFindings, NameFindings, PathFindings, TcpFindings, StepFindings, TargetFindings,
                             KeepaliveFindings>;

/// By layer; a layer that is not in it was not looked at.
using Findings = std::map<Layer, Finding>;

}  // namespace holdfast
