#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "config/load.hpp"
#include "holdfast/lifetime.hpp"
#include "net/delay.hpp"
#include "net/lane.hpp"
#include "preflight/device_faults.hpp"
#include "supervisor/device_id.hpp"

namespace holdfast::supervisor {

/// What a reload reads from the disk: the configuration, and what is wrong on this device with it.
struct ConfigurationRead {
  /// By the tunnel's name.
  using Names = std::map<std::string, DeviceNames>;

  tl::expected<config::Loaded, config::Problems> loaded;
  std::vector<preflight::DeviceFault> faults{};
  Names names{};
};

/// Reads the configuration beside the loop, again for whoever asks while it is being read: the file may be another one
/// by then. A reading that hangs costs its own answer and no later reload, until eight of them hang.
class Reloads {
 public:
  /// Nothing, or why it was refused.
  using Done = std::function<void(const std::optional<std::string>& refusal)>;
  /// Takes what was read over, or says why not. Called from the loop.
  using TakeOver = std::function<std::optional<std::string>(const ConfigurationRead& read)>;

  /// `only`: see share.hpp.
  Reloads(const boost::asio::any_io_executor& executor, std::string path, std::string only, DeviceId device_id,
          TakeOver take_over);

  /// `then` is called once, from the loop.
  void ask(Done then);

 private:
  void read();
  void was_read(std::list<net::Lane>::iterator reading, const ConfigurationRead& read);
  void fail(const std::string& why);
  void tell(const std::optional<std::string>& refusal);

  boost::asio::any_io_executor executor_;
  const std::string path_;
  const std::string only_;
  const DeviceId device_id_;
  const TakeOver take_over_;
  /// The last one is of the reading that is waited for, if one is; those before hang. A lane each: the configuration
  /// may lie on another disk now.
  std::list<net::Lane> readings_;
  net::Delay timer_;           ///< ends the wait for a reading
  std::vector<Done> waiting_;  ///< for the reading under way; none: there is none
  std::vector<Done> next_;     ///< asked since that began
  Lifetime lifetime_;
};

}  // namespace holdfast::supervisor
