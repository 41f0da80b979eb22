#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "holdfast/findings.hpp"
#include "holdfast/report.hpp"
#include "holdfast/time.hpp"
#include "net/resolver.hpp"
#include "ssh/storage.hpp"

namespace holdfast::doctor {

/// What was known of the session that stood when the examination began.
struct SessionNow {
  std::optional<TimePoint> answered_at;  ///< when the relay gave a sign of life last
  std::uint64_t bytes_received = 0;
};

/// Whose way to its relay is looked at, and with what.
struct Patient {
  boost::asio::any_io_executor executor;
  net::Resolver& resolver;  ///< outlives the examination
  std::shared_ptr<ssh::Storage> storage;
  TunnelSpec there;                       ///< the tunnel as it is at the relay that is meant
  std::string state_folder;               ///< "/var/lib/holdfast"
  std::optional<TunnelReport> running{};  ///< what a daemon knows that holds this tunnel
  std::string root{};                     ///< empty, or where a test has another machine's /sys and /proc
  /// The connection that the look at TCP made, for the look at the session: the relay takes one, no more.
  std::shared_ptr<std::optional<boost::asio::ip::tcp::socket>> connected =
      std::make_shared<std::optional<boost::asio::ip::tcp::socket>>();
  /// Where a session stands: asks its relay for a sign of life, and tells what came over it so far; none once the
  /// tunnel has given it up.
  std::function<void()> ask_relay{};
  std::function<std::optional<SessionNow>()> session{};
  /// Only what costs no packet is looked at: the device, the modem, the link, the address, and the routes, to
  /// this address of the relay's if it is not empty.
  std::optional<std::string> silent{};
};

/// What one look at a layer found. Called from the loop, never from inside; the look may be destroyed in it.
using Then = std::function<void(Finding)>;
/// What one look at several layers found, each as it is reached. Called as Then is.
using Tell = std::function<void(Layer, Finding)>;

/// Destroying a look ends it, and nobody is told any more.
using Look = std::unique_ptr<net::Operation>;

// ---- one file each ---------------------------------------------------------------------------------------------

/// A session stands, or did when the examination began.
bool stands(const Patient& patient);
/// Asks the relay of the session that stands for a sign of life.
Look look_at_life(const Patient& patient, Then then);
/// A session stands, and look_at_life() has not shown that nothing comes through it any more.
bool leads_there(const Patient& patient, const Findings& so_far);
Look look_at_device(const Patient& patient, Then then);
Look look_at_modem(const Patient& patient, Then then);
Look look_at_links(const Patient& patient, Then then);
Look look_at_addresses(const Patient& patient, Then then);
/// These ask for the addresses that `so_far` has of the name.
Look look_at_routes(const Patient& patient, const Findings& so_far, Then then);
Look look_at_neighbours(const Patient& patient, const Findings& so_far, Then then);
Look look_at_name(const Patient& patient, Then then);
Look look_at_path(const Patient& patient, const Findings& so_far, Then then);
Look look_at_tcp(const Patient& patient, const Findings& so_far, Then then);
/// One connection to the relay, as a session makes it, up to the login; by way of it, whether somebody has the
/// listeners; then it says goodbye. Tells of each layer from the banner to the proof but the session's. Where a session
/// leads there it tells of that one, and connects to nobody.
Look look_at_session(const Patient& patient, const Findings& so_far, Tell tell);
Look look_at_targets(const Patient& patient, Then then);

/// An address, which nobody has to be asked for: as the resolver reads it, not as looks_like_address() guesses.
bool is_literal(const std::string& host_name);
/// The relay's addresses, as far as they are known: what the system found, else what is remembered.
std::vector<std::string> addresses_of(const Findings& so_far);

/// Runs `look` on a thread of its own: it may block for as long as it likes, and owns what it touches.
Look beside(const boost::asio::any_io_executor& executor, std::function<Finding()> look, Then then);
/// Tells it from the loop.
Look at_once(const boost::asio::any_io_executor& executor, std::function<void()> tell);

}  // namespace holdfast::doctor
