// known_hosts, first as text, then against a relay.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>

#include "client.hpp"
#include "ssh/known_hosts.hpp"

using namespace holdfast;
using namespace holdfast::test;
using ssh::HostKeyVerdict;
using ssh::judge_host_key;
using ssh::Judgement;

namespace {

PublicKey key_of(KeyType type, int set = 0) {
  const std::string line = public_key(host_key(type, set));
  const auto blank = line.find(' ');
  return {line.substr(0, blank), line.substr(blank + 1)};
}

std::string line_of(const std::string& hosts, const PublicKey& key) {
  return hosts + " " + key.type + " " + key.base64 + "\n";
}

const PublicKey& good() {
  static const PublicKey key = key_of(KeyType::ed25519);
  return key;
}
const PublicKey& other() {
  static const PublicKey key = key_of(KeyType::ed25519, 1);
  return key;
}

HostKeyVerdict verdict(const std::string& text, std::uint16_t port = 22, const PublicKey& key = good()) {
  return judge_host_key(text, "relay.example", port, key).verdict;
}

/// A client for this relay with known_hosts as given.
struct Meeting {
  explicit Meeting(const Sshd& sshd, const std::string& known, StrictHostKeyChecking strict)
      : client(Client::spec_for(sshd, dir)) {
    client.spec.strict_host_key_checking = strict;
    write_file(client.spec.user_known_hosts_file, known);
  }
  Failure failure() {
    client.open();
    return client.wait_for_failure();
  }
  /// And whatever is to be stored is stored.
  bool succeeds() { return client.log_in() && client.disk->flush(std::chrono::seconds{10}); }
  std::string stored() const { return read_file(client.spec.user_known_hosts_file); }

  TempDir dir;
  Client client;
};

HostKeyVerdict verdict_of_relay(const std::string& text, const Sshd& sshd, const PublicKey& key) {
  return judge_host_key(text, "127.0.0.1", sshd.port(), key).verdict;
}

std::string name_of(const Sshd& sshd) {
  return "[127.0.0.1]:" + std::to_string(sshd.port());
}

}  // namespace

TEST_CASE("a key that stands in known_hosts is known") {
  CHECK(verdict(line_of("relay.example", good())) == HostKeyVerdict::known);
  CHECK(verdict(line_of("RELAY.example", good())) == HostKeyVerdict::known);
  CHECK(verdict(line_of("other,relay.*", good())) == HostKeyVerdict::known);
  CHECK(verdict(line_of("[relay.example]:2222", good()), 2222) == HostKeyVerdict::known);
  CHECK(verdict("# comment\n\n \t" + line_of("relay.example", good())) == HostKeyVerdict::known);
  CHECK(judge_host_key("#\n" + line_of("relay.example", good()), "relay.example", 22, good()) ==
        Judgement{HostKeyVerdict::known, 2});
}

TEST_CASE("tabs, carriage returns and a missing last newline do not hide a line") {
  CHECK(verdict("relay.example\t" + good().type + "\t" + good().base64 + "\r") == HostKeyVerdict::known);
  CHECK(verdict("relay.example\t" + other().type + "\t" + other().base64) == HostKeyVerdict::changed);
}

TEST_CASE("a hashed name is found") {
  const TempDir dir;
  write_file(dir / "hosts", line_of("relay.example", good()));
  run_checked({{"ssh-keygen", "-H", "-f", dir / "hosts"}});
  const std::string hashed = read_file(dir / "hosts");
  REQUIRE(hashed.starts_with("|1|"));
  CHECK(verdict(hashed) == HostKeyVerdict::known);
  CHECK(verdict(hashed, 22, other()) == HostKeyVerdict::changed);
  CHECK(judge_host_key(hashed, "elsewhere", 22, good()).verdict == HostKeyVerdict::unknown);
}

TEST_CASE("a host without a line is unknown, a negated pattern and another port included") {
  CHECK(verdict("") == HostKeyVerdict::unknown);
  CHECK(verdict(line_of("elsewhere", good())) == HostKeyVerdict::unknown);
  CHECK(verdict(line_of("*.example,!relay.example", good())) == HostKeyVerdict::unknown);
  CHECK(verdict(line_of("[relay.example]:2222", other())) == HostKeyVerdict::unknown);
}

TEST_CASE("a key stored under the bare name is good for any port, another one there says nothing") {
  CHECK(verdict(line_of("relay.example", good()), 2222) == HostKeyVerdict::known);
  CHECK(verdict(line_of("relay.example", other()), 2222) == HostKeyVerdict::unknown);
}

TEST_CASE("another key of the same type is a changed one, of other types only is told apart") {
  const PublicKey rsa = key_of(KeyType::rsa);
  CHECK(verdict(line_of("relay.example", other())) == HostKeyVerdict::changed);
  CHECK(verdict(line_of("relay.example", rsa)) == HostKeyVerdict::other_type);
  CHECK(verdict(line_of("relay.example", rsa) + line_of("relay.example", good())) == HostKeyVerdict::known);
}

TEST_CASE("a revoked key is revoked whatever else is said about it") {
  const std::string known = line_of("relay.example", good());
  CHECK(verdict("@revoked " + known) == HostKeyVerdict::revoked);
  CHECK(verdict(known + "@revoked\t" + line_of("*", good())) == HostKeyVerdict::revoked);
  CHECK(verdict(known + "@revoked " + line_of("*", other())) == HostKeyVerdict::known);
  CHECK(verdict("@revoked " + line_of("relay.example", good()), 2222) == HostKeyVerdict::revoked);
}

TEST_CASE("a certificate authority's line is no host key") {
  CHECK(verdict("@cert-authority " + line_of("*", good())) == HostKeyVerdict::unknown);
}

TEST_CASE("a certificate authority's line is named where it would have decided") {
  CHECK(judge_host_key("#\n@cert-authority " + line_of("*.example", other()), "relay.example", 22, good()) ==
        Judgement{HostKeyVerdict::unknown, 0, 2});
  const Sshd sshd;
  Meeting meeting{sshd, "#\n@cert-authority " + line_of("*", other()), StrictHostKeyChecking::yes};
  const Failure failure = meeting.failure();
  CHECK(failure.cause == Cause::host_key_unknown);
  CHECK(failure.detail.find("known_hosts:2 is a @cert-authority") != std::string::npos);
}

TEST_CASE("a line for the host that can't be parsed is not taken for no line") {
  CHECK(verdict("relay.example ssh-new AAAA\n") == HostKeyVerdict::unreadable);
  CHECK(verdict("relay.example ssh-ed25519 garbage\n") == HostKeyVerdict::unreadable);
  CHECK(verdict("relay.example\n") == HostKeyVerdict::unreadable);
  CHECK(verdict("relay.example ssh-ed25519 garbage\n" + line_of("relay.example", good())) == HostKeyVerdict::known);
}

TEST_CASE("the stored key types of a host are listed once each") {
  const std::string text = line_of("relay.example", key_of(KeyType::rsa)) + line_of("relay.example", good()) +
                           line_of("relay.example", other()) + line_of("elsewhere", key_of(KeyType::ecdsa));
  CHECK(ssh::known_key_types(text, "relay.example", 22) == std::vector<std::string>{"ssh-rsa", "ssh-ed25519"});
}

TEST_CASE("hostile patterns take no time") {
  const std::string text = line_of(std::string(200, '*') + "a" + std::string(200, '*') + "b", good());
  CHECK(judge_host_key(text, std::string(5000, 'x'), 22, good()).verdict == HostKeyVerdict::unknown);
}

TEST_CASE("strict checking refuses an unknown relay and shows its fingerprint") {
  const Sshd sshd;
  Meeting meeting{sshd, "", StrictHostKeyChecking::yes};
  const Failure failure = meeting.failure();
  CHECK(failure.cause == Cause::host_key_unknown);
  CHECK(failure.detail.find("ssh-ed25519 SHA256:") != std::string::npos);
  CHECK(meeting.stored().empty());
}

TEST_CASE("accept-new stores the key of a new relay, and knows it from then on") {
  const Sshd sshd;
  Meeting meeting{sshd, "# mine", StrictHostKeyChecking::accept_new};
  std::filesystem::remove(meeting.client.spec.user_known_hosts_file);
  REQUIRE(meeting.succeeds());
  CHECK(meeting.stored() == line_of(name_of(sshd), good()));
  struct stat status {};
  REQUIRE(::stat(meeting.client.spec.user_known_hosts_file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);

  Meeting again{sshd, meeting.stored(), StrictHostKeyChecking::yes};
  CHECK(again.succeeds());
}

TEST_CASE("accept-new appends behind a last line without a newline") {
  const Sshd sshd;
  Meeting meeting{sshd, "# mine", StrictHostKeyChecking::accept_new};
  REQUIRE(meeting.succeeds());
  CHECK(meeting.stored() == "# mine\n" + line_of(name_of(sshd), good()));
}

TEST_CASE("a changed key is forgotten by the command that the failure names") {
  const Sshd sshd;
  Meeting meeting{sshd, line_of(name_of(sshd), other()), StrictHostKeyChecking::accept_new};
  const std::string remedy = meeting.failure().remedy;
  const auto here = remedy.find("Here: ");
  REQUIRE(here != std::string::npos);
  run_checked({.argv = {"sh", "-c", remedy.substr(here + 6)}});
  CHECK(meeting.stored().empty());
}

TEST_CASE("accept-new takes no changed key, and none beside a line that it can't parse") {
  const Sshd sshd;
  Meeting changed{sshd, line_of(name_of(sshd), other()), StrictHostKeyChecking::accept_new};
  CHECK(changed.failure().cause == Cause::host_key_changed);
  Meeting hole{sshd, name_of(sshd) + " ssh-ed25519 garbage\n", StrictHostKeyChecking::accept_new};
  const Failure failure = hole.failure();
  CHECK(failure.cause == Cause::known_hosts_unusable);
  CHECK(failure.detail.find("known_hosts:1") != std::string::npos);
}

TEST_CASE("a key that can't be stored is told, known for the life of the process, and tried to store again") {
  const Sshd sshd;
  Meeting meeting{sshd, "", StrictHostKeyChecking::accept_new};
  Client& client = meeting.client;
  client.spec.user_known_hosts_file = meeting.dir / "missing/known_hosts";
  REQUIRE(meeting.succeeds());
  CHECK(client.run_until([&] { return client.complaints.size() == 1; }));
  CHECK(client.complaints.at(0).find("missing/known_hosts: No such file") != std::string::npos);
  REQUIRE(client.disk->unsaved().size() == 1);
  CHECK(client.disk->unsaved()[0].find("missing/known_hosts: ") != std::string::npos);

  std::filesystem::create_directory(meeting.dir / "missing");
  client.met_key.clear();
  client.authenticated = false;
  client.spec.strict_host_key_checking = StrictHostKeyChecking::yes;
  REQUIRE(meeting.succeeds());
  CHECK(client.met_key.empty());
  CHECK(meeting.stored() == line_of(name_of(sshd), good()));
  CHECK(client.run_until([&] { return client.disk->unsaved().empty(); }));
}

TEST_CASE("a known_hosts that is no file is an error at once, even a FIFO") {
  const Sshd sshd;
  Meeting meeting{sshd, "", StrictHostKeyChecking::accept_new};
  const std::string path = meeting.dir / "fifo";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  meeting.client.spec.user_known_hosts_file = path;
  CHECK(meeting.failure().cause == Cause::known_hosts_unusable);
}

TEST_CASE("a revoked key is refused in each mode") {
  const Sshd sshd;
  for (const auto strict : {StrictHostKeyChecking::yes, StrictHostKeyChecking::accept_new, StrictHostKeyChecking::no}) {
    Meeting meeting{sshd, sshd.known_hosts() + "@revoked " + line_of("*", good()), strict};
    CHECK(meeting.failure().cause == Cause::host_key_revoked);
  }
}

TEST_CASE("checking switched off takes a changed key") {
  const Sshd sshd;
  Meeting meeting{sshd, line_of(name_of(sshd), other()), StrictHostKeyChecking::no};
  CHECK(meeting.succeeds());
  CHECK(meeting.stored() == line_of(name_of(sshd), other()));
}

TEST_CASE("a relay with several keys is asked for the one that is known") {
  const Sshd sshd;
  for (const KeyType type : {KeyType::ecdsa, KeyType::rsa}) {
    Meeting meeting{sshd, line_of(name_of(sshd), key_of(type)), StrictHostKeyChecking::yes};
    CHECK(meeting.succeeds());
  }
}

TEST_CASE("a learnt key that is wrong does no harm while the relay shows the one that was known before") {
  const Sshd sshd;
  const std::string learnt =
      name_of(sshd) + " " + other().type + " " + other().base64 + " learnt from the relay 2026-01-01\n";
  Meeting meeting{sshd, line_of(name_of(sshd), key_of(KeyType::rsa)) + learnt, StrictHostKeyChecking::accept_new};
  CHECK(meeting.succeeds());
}

TEST_CASE("a pin decides instead of known_hosts") {
  const Sshd sshd;
  const std::string shown = run_checked({{"ssh-keygen", "-lf", host_key(KeyType::ed25519)}});
  const auto begin = shown.find("SHA256:");
  const std::string pin = shown.substr(begin, shown.find(' ', begin) - begin);

  Meeting right{sshd, "", StrictHostKeyChecking::yes};
  right.client.spec.host_key_fingerprint = {"SHA256:other", pin};
  CHECK(right.succeeds());
  Meeting wrong{sshd, sshd.known_hosts(), StrictHostKeyChecking::no};
  wrong.client.spec.host_key_fingerprint = {"SHA256:other"};
  const Failure failure = wrong.failure();
  CHECK(failure.cause == Cause::host_key_not_pinned);
  CHECK(failure.detail.find(pin) != std::string::npos);
}

TEST_CASE("a line that broke off while this very key was written down is completed") {
  const Sshd sshd;
  Meeting first{sshd, "", StrictHostKeyChecking::accept_new};
  REQUIRE(first.succeeds());
  const std::string whole = first.stored();
  CHECK(first.client.met_key.starts_with("ssh-ed25519 SHA256:"));
  for (const std::size_t length : {whole.size() - 2, whole.size() - 20, whole.find(' ') + 5}) {
    CAPTURE(length);
    Meeting torn{sshd, "# kept\n" + whole.substr(0, length), StrictHostKeyChecking::accept_new};
    CHECK(torn.succeeds());
    CHECK(torn.stored() == "# kept\n" + whole);
  }
}

TEST_CASE("a line that broke off and is no beginning of this key's line is refused") {
  const Sshd sshd;
  Meeting meeting{sshd, "[127.0.0.1]:" + std::to_string(sshd.port()) + " ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIxxxx",
                  StrictHostKeyChecking::accept_new};
  CHECK(meeting.failure().cause == Cause::known_hosts_unusable);
}

TEST_CASE("other keys of the relay are learnt once, and only good ones") {
  const Sshd sshd;
  const std::string revoked = "@revoked " + line_of("*", key_of(KeyType::ecdsa, 1));
  Meeting meeting{sshd, revoked + line_of(name_of(sshd), good()), StrictHostKeyChecking::accept_new};
  meeting.client.spec.host_key_algorithms = "ssh-ed25519,ecdsa-sha2-nistp256";
  REQUIRE(meeting.succeeds());
  const std::string before = meeting.stored();
  const PublicKey ecdsa = key_of(KeyType::ecdsa);
  const std::vector<PublicKey> told{good(),
                                    ecdsa,
                                    ecdsa,
                                    other(),
                                    key_of(KeyType::rsa),
                                    key_of(KeyType::ecdsa, 1),
                                    {"ssh-ed25519", "AAAA"},
                                    {"ecdsa-sha2-nistp256", good().base64},
                                    {"ssh-ed25519", std::string(5000, 'A')}};
  const auto learnt = meeting.client.session->learn_host_keys(told);
  CHECK(learnt.size() == 2);
  REQUIRE(meeting.client.run_until([&] { return meeting.stored().find(other().base64) != std::string::npos; }));
  const std::string stored = meeting.stored();
  CHECK(stored.starts_with(before));
  CHECK(verdict_of_relay(stored, sshd, ecdsa) == HostKeyVerdict::known);
  CHECK(verdict_of_relay(stored, sshd, other()) == HostKeyVerdict::known);
  CHECK(verdict_of_relay(stored, sshd, good()) == HostKeyVerdict::known);
  CHECK(stored.find(" learnt from the relay 2") != std::string::npos);
  CHECK(meeting.client.session->learn_host_keys(told).empty());
  CHECK(meeting.stored() == stored);
}

TEST_CASE("a session that does not know its relay by known_hosts learns nothing") {
  const Sshd sshd;
  std::string known = sshd.known_hosts();
  StrictHostKeyChecking strict = StrictHostKeyChecking::yes;
  SUBCASE("strict") {}
  SUBCASE("no checking") {
    strict = StrictHostKeyChecking::no;
    known = "";
  }
  Meeting meeting{sshd, known, strict};
  REQUIRE(meeting.succeeds());
  CHECK(meeting.client.session->learn_host_keys({other()}).empty());
  CHECK(meeting.stored() == known);
}
