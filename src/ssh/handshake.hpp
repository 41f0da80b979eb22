#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/time.hpp"
#include "ssh/authentication.hpp"
#include "ssh/errors.hpp"
#include "ssh/global_requests.hpp"
#include "ssh/host_key.hpp"
#include "ssh/session.hpp"
#include "ssh/storage.hpp"

namespace holdfast::ssh {

/// By the banner. Not OpenSSH_for_Windows and others, whose way from one process to the next is another.
bool is_openssh(std::string_view banner);

/// What a session is opened with, and the two things that are proven before it stands: which relay it is, and to it
/// who we are.
class Handshake {
 public:
  /// `spec` must outlive it.
  Handshake(const TunnelSpec& spec, std::shared_ptr<Storage> storage, std::shared_ptr<Learnt> learnt);

  void read(Storage::Handler then) { storage_->read(spec_, std::move(then)); }
  /// What read() gave.
  void begin_with(Storage::Material material) { material_ = std::move(material); }
  bool can_begin() const { return material_.has_value(); }
  std::string known_hosts() const { return material_->known_hosts.value_or(""); }

  /// libssh drops what comes before a banner, which is what explains most of those that never get one. Call before
  /// libssh reads.
  void look_at_first_line(int socket);
  const std::string& first_line() const { return first_line_; }
  /// True once, when there is a banner.
  bool has_new(const std::string& banner);

  /// After the key exchange. What is met is known from then on.
  HostKeyCheck check_host_key(ssh_session session);
  /// What it told of its other keys: the names of those that are new, and known from now on.
  std::vector<std::string> learn_host_keys(ssh_session session, const std::vector<PublicKey>& told);
  const std::string& cipher() const { return cipher_; }
  /// "ssh-ed25519 SHA256:...": what the relay showed; empty before.
  const std::string& host_key() const { return host_key_; }
  /// What came in the place of a banner: HTTP's first line, or that it is TLS's; empty where there is one.
  std::string instead_of_banner() const { return banner_seen_ ? "" : first_words(first_line_); }
  /// What the relay says to who logs in, once it has come.
  void note_banner_at_login(ssh_session session);
  const std::vector<std::string>& banner_at_login() const { return banner_at_login_; }

  void begin_authentication(const boost::asio::any_io_executor& executor, std::function<void()> wake,
                            bool listen_ahead);
  /// The first listener is asked for in the segment that asks to be let in, which saves a round trip. OpenSSH takes
  /// packets in their order, and reads this one when it has decided about the other
  /// (docs/decisions/0008-the-first-listener-is-asked-for-ahead.md).
  Authentication::State authenticate(ssh_session session, int socket, const std::string& banner, GlobalRequests& global,
                                     const ssh_counter_struct& packets);
  /// How long the relay took for an answer for which it had nothing to do.
  std::optional<Duration> round_trip() const { return round_trip_; }
  Failure authentication_failure(ssh_session session) const { return authentication_->failure(session); }
  /// What was tried, while that is under way; else empty.
  std::string tried() const { return authentication_ ? authentication_->tried() : ""; }
  /// It succeeded, or nobody waits for it any more.
  void end_authentication() { authentication_.reset(); }
  /// The session is over, and what was sent ahead of the login's answer is not answered.
  void ends_unanswered() { learnt_->reads_ahead = false; }

 private:
  void know(const std::string& line);

  const TunnelSpec& spec_;
  std::shared_ptr<Storage> storage_;
  std::shared_ptr<Learnt> learnt_;
  std::optional<Storage::Material> material_;
  std::string first_line_;
  bool banner_seen_ = false;
  std::string cipher_;
  std::string host_key_;
  std::vector<std::string> banner_at_login_;
  std::unique_ptr<Authentication> authentication_;
  TimePoint authentication_began_;
  std::optional<Duration> round_trip_;
  bool listen_ahead_ = true;
};

}  // namespace holdfast::ssh
