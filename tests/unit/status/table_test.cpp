#include "status/table.hpp"

#include <doctest/doctest.h>

#include "status/json.hpp"
#include "unit/status/example.hpp"

using namespace holdfast;
using namespace std::chrono_literals;
using status::Colour;

TEST_CASE("the table shows each forward in a row, and what is worth knowing below each tunnel") {
  CHECK(status::table(test::example_report(), Colour::no) ==
        R"(holdfast 0.1.0, running for 3 h 20 min as process 4711: 1 of 2 tunnels up

The last reload was refused; the configuration of before is still in force:
    holdfast.yaml:3:5: tunnels.relay.prot: unknown key; did you mean 'port'?

TUNNEL  STATE        FOR         RELAY                FORWARD                          LISTENER                        CONNECTIONS
relay   established  3 h 10 min  relay.example:22     localhost:4649 -> localhost:22   held, verified 20 min 34 s ago  2 open, 118 in all
                                                      *:41234 -> [::1]:8080            held, can't be verified         0 open, 3 in all, 1 refused by target
    session 2 to 192.0.2.7:22, aes128-gcm@openssh.com (configured), round trip 31 ms, 1.2 MB received, 999 B sent
    the relay says: Authorised devices only
    on the wire 15.1 kB today and 4.6 MB this month (UTC); idle 13.7 kB an hour, which makes 9.9 MB of the month
    connections are closed after 20 s of silence; a sign of life every 10 s
    large packets were lost on the way: segments of at most 1220 bytes
    lost in the last 10 min: the session once (connection lost)
    last error 3 h 11 min ago: read from relay.example:22: connection lost (Connection reset by peer)
)" + std::string{"    verify *:41234: proof not permitted. "} +
            std::string{remedy(Cause::proof_not_permitted)} + R"(
    the relay opened 4 channels that nobody asked for; all were refused
backup  backing off  4.0 s       backup.example:2222  localhost:4650 -> /run/app.sock  pending                         0 open, 0 in all
    the former configuration serves until the changed one has logged in at backup.example:2223: opening: connect
    the changed configuration failed 30 s ago: connect to backup.example:2223: connection timed out
    what to do: )" +
            std::string{remedy(Cause::connection_timed_out)} + R"(
    down for 4 min 0 s, at fault is the layer tcp: TCP RST to our SYN: nobody listens, or a firewall rejects
    what to do: Check that sshd runs.
    last error 4.0 s ago: connect to backup.example:2222: connection refused
    refused 1 min 4 s ago: authenticate to backup.example:2222: authentication refused (it takes publickey). )" +
            std::string{remedy(Cause::authentication_refused)} + R"(
    next try in 12 s
)");
}

TEST_CASE("the table says why a listener was refused, who has it, and why there is no lease") {
  CHECK(status::table(test::refused_report(), Colour::no) ==
        R"(holdfast 0.1.0, running for 3 h 20 min as process 4711: 0 of 1 tunnel up

TUNNEL  STATE        FOR         RELAY             FORWARD                         LISTENER                                 CONNECTIONS
relay   established  3 h 10 min  relay.example:22  localhost:4649 -> localhost:22  refused: held_by_other_device gateway-8  0 open, 0 in all
                                                   localhost:80 -> localhost:80    refused: held_stale                      0 open, 0 in all
    session 2 to 192.0.2.7:22, aes128-gcm@openssh.com (configured), round trip 31 ms, 1.2 MB received, 999 B sent
    the relay says: Authorised devices only
    on the wire 15.1 kB today and 4.6 MB this month (UTC); idle 13.7 kB an hour, which makes 9.9 MB of the month
    lost in the last 10 min: the session once (connection lost)
    no lease: the relay runs no commands for this account
)");
}

TEST_CASE("the table shows the relays of a tunnel that has several, and why the better ones are not in use") {
  CHECK(status::table(test::failed_over_report(), Colour::no) ==
        R"(holdfast 0.1.0, running for 3 h 20 min as process 4711: 1 of 1 tunnel up

TUNNEL  STATE        FOR         RELAY         FORWARD                         LISTENER                        CONNECTIONS
relay   established  3 h 10 min  b.example:22  localhost:4649 -> localhost:22  held, verified 20 min 34 s ago  2 open, 118 in all
    relay 1 of 3, a.example:22: next try in 6 min 20 s; failed 4 min 0 s ago: connect to 192.0.2.8:22: connection refused
    relay 2 of 3, b.example:22: in use
    relay 3 of 3, c.example:22: failed 5 min 0 s ago: verify the host key of c.example:22: host key changed; what to do: )" +
            std::string{remedy(Cause::host_key_changed)} +
            R"(
    session 2 to 192.0.2.7:22, aes128-gcm@openssh.com (configured), round trip 31 ms, 1.2 MB received, 999 B sent
    the relay says: Authorised devices only
    on the wire 15.1 kB today and 4.6 MB this month (UTC); idle 13.7 kB an hour, which makes 9.9 MB of the month
    lost in the last 10 min: the session once (connection lost)
)");
}

TEST_CASE("of each kind of loss the table has how often it was, and why the last time") {
  Report report = test::refused_report();
  report.tunnels.at(0).losses = {{LossOf::session, 2, "idle timeout"},
                                 {LossOf::lease, most_losses, "its script ended"}};
  CHECK(status::table(report, Colour::no)
            .find("    lost in the last 10 min: the session 2 times (idle timeout), the lease at least 100 times (its "
                  "script ended)\n") != std::string::npos);
  report.tunnels.at(0).losses.clear();
  CHECK(status::table(report, Colour::no).find("lost in the last") == std::string::npos);
}

TEST_CASE("a lease that is ready, off or on its way is no line of the table") {
  Report report = test::refused_report();
  for (const std::string_view lease : {lease_ready, lease_off, lease_opening, std::string_view{}}) {
    CAPTURE(lease);
    report.tunnels.at(0).lease = lease;
    CHECK(status::table(report, Colour::no).find("lease") == std::string::npos);
  }
}

TEST_CASE("colour changes no column, and is off unless asked for") {
  const std::string plain = status::table(test::example_report(), Colour::no);
  std::string coloured = status::table(test::example_report(), Colour::ansi);
  CHECK(plain.find('\x1b') == std::string::npos);
  CHECK(coloured.find("\x1b[32mestablished\x1b[0m") != std::string::npos);
  CHECK(coloured.find("\x1b[31mbacking off\x1b[0m") != std::string::npos);
  for (std::size_t at = 0; (at = coloured.find('\x1b')) != std::string::npos;) {
    coloured.erase(at, coloured.find('m', at) - at + 1);
  }
  CHECK(coloured == plain);
}

TEST_CASE("letters of more than one byte don't shift the columns") {
  Report report = test::example_report();
  report.tunnels.at(0).name = "höhle";
  report.tunnels.at(1).name = "hohle";
  const std::string text = status::table(report, Colour::no);
  CHECK(text.find("\nhöhle   established") != std::string::npos);
  CHECK(text.find("\nhohle   backing off") != std::string::npos);
}

TEST_CASE("the table of no tunnels says so") {
  Report report;
  report.version = "0.1.0";
  report.pid = 7;
  report.uptime = 12s;
  CHECK(status::table(report, Colour::no) == "holdfast 0.1.0, running for 12 s as process 7: 0 of 0 tunnels up\n");
}

TEST_CASE("bytes are shown with the unit that suits them") {
  Report report = test::example_report();
  const auto shown = [&](std::uint64_t bytes) {
    report.tunnels.at(0).bytes_received = bytes;
    const std::string text = status::table(report, Colour::no);
    const std::string before = "round trip 31 ms, ";
    const auto from = text.find(before) + before.size();
    return text.substr(from, text.find(" received", from) - from);
  };
  CHECK(shown(0) == "0 B");
  CHECK(shown(999) == "999 B");
  CHECK(shown(1000) == "1.0 kB");
  CHECK(shown(999'949) == "999.9 kB");
  CHECK(shown(999'950) == "1.0 MB");
  CHECK(shown(123'456'789'012) == "123.5 GB");
  CHECK(shown(UINT64_MAX) == "18446.7 PB");
}

TEST_CASE("a libssh that has to be upgraded stands above the table, and one that nobody can mend does not") {
  Report report = test::example_report();
  CHECK(status::table(report, Colour::no).find("libssh") == std::string::npos);
  report.libssh->warning = "libssh 0.10.6 is old";
  CHECK(status::table(report, Colour::no).find(": 1 of 2 tunnels up\n\nlibssh 0.10.6 is old\n\n") != std::string::npos);
}

TEST_CASE("what was dropped from the log and what could not be written stands above the table, where there is any") {
  Report report = test::example_report();
  const std::string well = status::table(report, Colour::no);
  CHECK(well.find("dropped") == std::string::npos);
  CHECK(well.find("In memory") == std::string::npos);
  report.log_dropped = 3;
  report.unsaved = {"/var/lib/holdfast/known_hosts: Input/output error"};
  const auto sent = status::from_json(status::to_json(report));
  REQUIRE(sent);
  const std::string told = status::table(*sent, Colour::no);
  CHECK(told.find("\n3 lines of the log were dropped: ") != std::string::npos);
  CHECK(told.find("\nIn memory only, for it can't be written: /var/lib/holdfast/known_hosts: ") != std::string::npos);
}
