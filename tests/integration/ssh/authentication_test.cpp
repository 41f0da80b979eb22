// Keys, certificates, the agent, and the relay's refusals.
#include <doctest/doctest.h>

#include <atomic>
#include <future>

#include "client.hpp"
#include "ssh/agent_messages.hpp"
#include "ssh/identity.hpp"
#include "ssh/wire.hpp"
#include "support/net.hpp"
#include "support/targets.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

struct Login {
  explicit Login(const Sshd& sshd, std::vector<std::string> identities = {}) : client(Client::spec_for(sshd, dir)) {
    client.spec.identity_file = std::move(identities);
  }
  bool succeeds() { return client.log_in(); }
  Failure failure() {
    client.open();
    return client.wait_for_failure();
  }
  TempDir dir;
  Client client;
};

/// A real ssh-agent that holds these unencrypted keys.
struct Agent {
  explicit Agent(const std::vector<std::string>& keys) : process({{"ssh-agent", "-D", "-a", path()}}) {
    REQUIRE(wait_until([this] { return std::filesystem::exists(path()); }));
    for (const auto& key : keys) run_checked({{"ssh-add", "-q", key}, {{"SSH_AUTH_SOCK", path()}}});
  }
  std::string path() const { return dir / "agent"; }
  TempDir dir;
  Process process;
};

/// Stands before an agent, and answers each request to sign as `sign` says: with what the agent would, or not.
class AgentBetween {
 public:
  using Sign = std::function<std::string(const std::string& request, const std::function<std::string()>& by_agent)>;

  AgentBetween(const Agent& agent, Sign sign)
      : sign_(std::move(sign)),
        server_{[this, agent_path = agent.path()](Socket& client) { talk(client, agent_path); },
                Listener::unix_socket(path())} {}
  std::string path() const { return dir_ / "between"; }

 private:
  static std::string message(Socket& socket) {
    std::string text = socket.receive_exactly(4);
    std::string_view bytes = text;
    const auto length = ssh::next_integer<std::uint32_t>(bytes);
    return length ? text + socket.receive_exactly(*length) : "";
  }

  void talk(Socket& client, const std::string& agent_path) const {
    for (std::string request = message(client); !request.empty(); request = message(client)) {
      const auto by_agent = [&] {
        Socket agent = Socket::connect_unix(agent_path);
        agent.send(request);
        return message(agent);
      };
      client.send(request[4] == '\x0d' ? sign_(request, by_agent) : by_agent());
    }
  }

  TempDir dir_;
  Sign sign_;
  TargetServer server_;
};

bool mentions(const Failure& failure, const std::string& text) {
  return failure.detail.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("keys of each type log in") {
  const Sshd sshd;
  for (const KeyType type : {KeyType::ed25519, KeyType::ecdsa, KeyType::rsa}) {
    Login login{sshd, {client_key(type)}};
    CHECK(login.succeeds());
  }
}

TEST_CASE("an rsa key signs with SHA-2: a relay that takes nothing else takes it") {
  const Sshd sshd{{.config = {"PubkeyAcceptedAlgorithms rsa-sha2-512,rsa-sha2-256"}}};
  Login login{sshd, {client_key(KeyType::rsa)}};
  CHECK(login.succeeds());
}

TEST_CASE("keys are tried one after the other") {
  const Sshd sshd;
  Login login{sshd, {stranger_key(), client_key()}};
  CHECK(login.succeeds());
}

TEST_CASE("a relay that takes no key refuses, and its methods are told") {
  const Sshd sshd{{.config = {"PasswordAuthentication yes"}}};
  Login login{sshd, {stranger_key()}};
  const Failure failure = login.failure();
  CHECK(failure.cause == Cause::authentication_refused);
  CHECK(mentions(failure, "offers publickey,password"));
  CHECK(mentions(failure, stranger_key() + " (ssh-ed25519 " + fingerprint(stranger_key()) + ")"));
}

TEST_CASE("an account for which keys don't count at all is told as that") {
  const Sshd sshd{{.config = {"PasswordAuthentication yes", "PubkeyAuthentication no"}}};
  Login login{sshd, {client_key()}};
  CHECK(login.failure().cause == Cause::login_method_missing);
}

TEST_CASE("a DISCONNECT for too many failures is noticed and is a refusal") {
  const Sshd sshd{{.config = {"MaxAuthTries 1"}}};
  Login login{sshd, {stranger_key(), client_key(KeyType::rsa)}};
  const Failure failure = login.failure();
  CHECK(failure.cause == Cause::authentication_refused);
  CHECK(mentions(failure, "Too many authentication failures"));
  CHECK(mentions(failure, "tried: " + stranger_key() + " (ssh-ed25519 " + fingerprint(stranger_key()) + ")"));
  CHECK(failure.remedy.find("MaxAuthTries") != std::string::npos);
  const Agent agent{{stranger_key(), client_key()}};
  Login by_agent{sshd};
  by_agent.client.spec.identity_agent = agent.path();
  CHECK(mentions(by_agent.failure(), "tried: agent " + agent.path() + " (2 keys)"));
}

TEST_CASE("a locked account is a refusal") {
  Sshd sshd;
  sshd.account().set_locked(true);
  Login login{sshd, {client_key()}};
  CHECK(login.failure().cause == Cause::authentication_refused);
}

TEST_CASE("a key that is not enough is a refusal that says so") {
  const Sshd sshd{{.config = {"PasswordAuthentication yes", "AuthenticationMethods publickey,password"}}};
  Login login{sshd, {client_key()}};
  const Failure failure = login.failure();
  CHECK(failure.cause == Cause::authentication_refused);
  CHECK(mentions(failure, "password after a partial success"));
  CHECK(failure.remedy.find("AuthenticationMethods") != std::string::npos);
}

TEST_CASE("a relay that wants two keys gets two keys") {
  const Sshd sshd{{.config = {"AuthenticationMethods publickey,publickey"}}};
  Login login{sshd, {client_key(), client_key(KeyType::rsa)}};
  CHECK(login.succeeds());
}

TEST_CASE("a key with a passphrase is refused without a prompt") {
  const Sshd sshd;
  Login login{sshd, {encrypted_key()}};
  const Failure failure = login.failure();
  CHECK(failure.cause == Cause::identity_unusable);
  CHECK(mentions(failure, "needs a passphrase: use an agent or an unencrypted key"));
}

TEST_CASE("an encrypted PEM key is refused without a prompt too") {
  const Sshd sshd;
  const TempDir dir;
  const std::string path = dir / "id_rsa";
  run_checked({{"ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "secret", "-f", path}});
  Login login{sshd, {path}};
  CHECK(mentions(login.failure(), "needs a passphrase"));
}

TEST_CASE("a missing and a broken key are told apart by name") {
  const Sshd sshd;
  Login login{sshd};
  write_file(login.dir / "broken", "garbage");
  login.client.spec.identity_file = {login.dir / "missing", login.dir / "broken"};
  const Failure failure = login.failure();
  CHECK(failure.cause == Cause::identity_unusable);
  CHECK(mentions(failure, "missing: No such file or directory"));
  CHECK(mentions(failure, "broken: no private key"));
}

TEST_CASE("an unusable key does not keep a usable one from being tried") {
  const Sshd sshd;
  Login login{sshd, {encrypted_key(), "/nonexistent", client_key()}};
  CHECK(login.succeeds());
}

TEST_CASE("no identity at all is an error of the configuration") {
  const Sshd sshd;
  Login login{sshd};
  CHECK(login.failure().cause == Cause::identity_unusable);
}

TEST_CASE("a certificate logs in where the key alone does not") {
  Account names;
  const std::string ca = public_key(ca_key());
  SshdOptions options;
  options.authorized_keys = {"cert-authority " + ca};
  const Sshd sshd{options};
  for (const KeyType type : {KeyType::ed25519, KeyType::ecdsa, KeyType::rsa}) {
    const TempDir dir;
    const std::string key = dir / "id";
    write_file(key, read_file(client_key(type)));
    write_file(key + ".pub", read_file(client_key(type) + ".pub"));
    Login bare{sshd, {key}};
    CHECK(bare.failure().cause == Cause::authentication_refused);

    const std::string certificate = sign_certificate(key, sshd.user());
    CHECK_MESSAGE(Login(sshd, {key}).succeeds(), "beside the key");
    const std::string elsewhere = dir / "elsewhere.pub";
    std::filesystem::rename(certificate, elsewhere);
    Login named{sshd, {stranger_key(), key}};
    named.client.spec.certificate_file = {elsewhere};
    CHECK(named.succeeds());
  }
}

TEST_CASE("a certificate belongs to one key") {
  const TempDir dir;
  const std::string key = dir / "id";
  run_checked({{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key}});
  const std::string certificate = read_file(sign_certificate(key, "tunnel"));
  const auto blob = [](const std::string& line) {
    const auto begin = line.find(' ') + 1;
    return line.substr(begin, line.find_first_of(" \n", begin) - begin);
  };
  CHECK(ssh::certifies(blob(certificate), blob(public_key(key))));
  CHECK_FALSE(ssh::certifies(blob(certificate), blob(public_key(client_key()))));
  CHECK_FALSE(ssh::certifies("", blob(public_key(key))));
  CHECK_FALSE(ssh::certifies(blob(certificate), ""));
}

TEST_CASE("an agent's key logs in, also in place of an encrypted file") {
  const Sshd sshd;
  const Agent agent{{stranger_key(), client_key()}};
  Login login{sshd, {encrypted_key()}};
  login.client.spec.identity_agent = agent.path();
  CHECK(login.succeeds());
}

TEST_CASE("an agent without a key, and none at all, are named") {
  const Sshd sshd;
  const Agent empty{{}};
  Login login{sshd};
  login.client.spec.identity_agent = empty.path();
  CHECK(mentions(login.failure(), "it holds none"));
  Login nobody{sshd};
  nobody.client.spec.identity_agent = "/nonexistent/agent";
  CHECK(mentions(nobody.failure(), "No such file or directory"));
}

TEST_CASE("an agent that refuses to list its keys is named, and not waited for") {
  const Sshd sshd;
  const TempDir dir;
  const TargetServer refusing{[](Socket& socket) {
                                socket.send(std::string("\0\0\0\1\5", 5));  // SSH_AGENT_FAILURE
                                (void)socket.receive_all();
                              },
                              Listener::unix_socket(dir / "agent")};
  Login login{sshd};
  login.client.spec.identity_agent = dir / "agent";
  CHECK(mentions(login.failure(), "refuses to list its keys"));
}

TEST_CASE("an agent that does not answer holds up nobody, and is given up after five seconds") {
  const Sshd sshd;
  const TempDir dir;
  const TargetServer wedged{[](Socket& socket) { (void)socket.receive_all(); }, Listener::unix_socket(dir / "agent")};
  Login login{sshd};
  login.client.spec.identity_agent = dir / "agent";
  const Failure failure = login.failure();
  CHECK(mentions(failure, "does not answer"));
  CHECK(login.client.longest_turn < std::chrono::milliseconds{300});
}

TEST_CASE("an agent that takes its time to sign holds up nobody") {
  const Sshd sshd;
  const Agent agent{{client_key()}};
  std::promise<void> touched;
  std::atomic<bool> asked = false;
  const AgentBetween person{agent, [&](const std::string&, const std::function<std::string()>& by_agent) {
                              asked = true;
                              touched.get_future().wait();
                              return by_agent();
                            }};
  Login login{sshd};
  login.client.spec.identity_agent = person.path();
  login.client.open();
  const bool came = login.client.run_until([&] { return asked.load(); });
  bool turned = false;  // whatever else the loop has to do
  boost::asio::post(login.client.context, [&] { turned = true; });
  CHECK(login.client.run_until([&] { return turned; }));
  CHECK_FALSE(login.client.authenticated);
  touched.set_value();
  REQUIRE(came);
  CHECK(login.client.run_until([&] { return login.client.authenticated || login.client.ended(); }));
  CHECK(login.client.authenticated);
  CHECK(login.client.longest_turn < std::chrono::milliseconds{300});
}

TEST_CASE("an agent that lists its keys and never signs is given up, and named") {
  const Sshd sshd;
  const Agent agent{{client_key()}};
  std::promise<void> over;
  const AgentBetween wedged{agent, [&](const std::string&, const std::function<std::string()>&) {
                              over.get_future().wait();
                              return std::string{};
                            }};
  Login login{sshd};
  login.client.spec.identity_agent = wedged.path();
  const Failure failure = login.failure();
  over.set_value();
  CHECK(failure.cause == Cause::agent_unusable);
  CHECK(mentions(failure, "does not answer when it is to sign"));
  CHECK(login.client.longest_turn < std::chrono::milliseconds{300});
}

TEST_CASE("a key that the agent does not sign with is passed over") {
  const Sshd sshd;
  const Agent agent{{client_key(KeyType::rsa), client_key()}};
  const AgentBetween choosy{agent, [&](const std::string& request, const std::function<std::string()>& by_agent) {
                              const bool is_rsa = ssh::key_of(request).find("ssh-rsa") != std::string::npos;
                              return is_rsa ? ssh::failure_message() : by_agent();
                            }};
  Login login{sshd};
  login.client.spec.identity_agent = choosy.path();
  CHECK(login.succeeds());
  const AgentBetween none{
      agent, [](const std::string&, const std::function<std::string()>&) { return ssh::failure_message(); }};
  Login nobody{sshd};
  nobody.client.spec.identity_agent = none.path();
  CHECK(mentions(nobody.failure(), "refuses to sign"));
}

TEST_CASE("a key whose signature the relay refuses does not hide the next one") {
  const Sshd sshd;
  const Agent agent{{client_key(KeyType::rsa), client_key()}};
  const AgentBetween old{agent, [&](const std::string& request, const std::function<std::string()>& by_agent) {
                           const bool is_rsa = ssh::key_of(request).find("ssh-rsa") != std::string::npos;
                           const std::string nonsense = std::string{"\x0e"} + ssh::to_wire("nonsense");
                           return is_rsa ? ssh::to_wire(nonsense) : by_agent();
                         }};
  Login login{sshd};
  login.client.spec.identity_agent = old.path();
  CHECK(login.succeeds());
}

TEST_CASE("a signature that makes no sense is refused by the relay, once") {
  const Sshd sshd;
  const Agent agent{{client_key()}};
  std::atomic<int> asked = 0;
  const AgentBetween liar{agent, [&](const std::string&, const std::function<std::string()>&) {
                            ++asked;
                            return ssh::to_wire(std::string{"\x0e"} + ssh::to_wire("nonsense"));
                          }};
  Login login{sshd};
  login.client.spec.identity_agent = liar.path();
  CHECK(login.failure().cause == Cause::authentication_refused);
  CHECK(asked == 1);
}

TEST_CASE("a session may be dropped while the agent is asked") {
  const Sshd sshd;
  const TempDir dir;
  const TargetServer wedged{[](Socket& socket) { (void)socket.receive_all(); }, Listener::unix_socket(dir / "agent")};
  Login login{sshd};
  login.client.spec.identity_agent = dir / "agent";
  login.client.open();
  REQUIRE(login.client.run_until([&] { return wedged.accepted() == 1; }));
  login.client.session.reset();
  CHECK(login.client.run_until([&] { return wedged.open() == 0; }));
  CHECK_FALSE(login.client.ended());
}
