#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "net/disk.hpp"

namespace holdfast::ssh {

struct Identities;

/// Adds a line to known_hosts, unless it is there: 0, or errno. Others may add to the file meanwhile. A line that broke
/// off when the power went while this very key was being written down is made whole. Waits for the disk.
int store_host_key(const std::string& known_hosts_file, const std::string& line);

/// What the sessions read from the disk, and write to it, without waiting for it. A disk that hangs or fails takes no
/// tunnel down for which it was read before: what was read last stays good. A host key that was met is known from then
/// on, whether it can be written down or not.
class Storage {
 public:
  using Say = std::function<void(const std::string& line)>;

  struct Material {
    tl::expected<std::string, int> known_hosts;  ///< the text, empty if there is no file; or an errno
    std::shared_ptr<const Identities> identities;
  };
  using Handler = std::function<void(tl::expected<Material, Failure>)>;

  /// `say` is told of host keys that can't be stored.
  Storage(const boost::asio::any_io_executor& executor, std::shared_ptr<net::Disk> disk, Say say = {});

  /// Reads what a session of this tunnel needs. The handler is called from the loop: after a second at the latest with
  /// what was read before, if there is that; with a failure if the disk does not answer for ten.
  void read(const TunnelSpec& spec, Handler handler);
  /// The line of a host key that was met; known hosts that are read from now on hold it.
  void store(const std::string& known_hosts_file, const std::string& line);

  /// A storage of the same files that stores nothing: for a session that only looks.
  std::shared_ptr<Storage> unchanged() const;

 private:
  class Impl;
  explicit Storage(std::shared_ptr<Impl> impl) : impl_(std::move(impl)), stores_(false) {}
  std::shared_ptr<Impl> impl_;
  bool stores_ = true;
};

}  // namespace holdfast::ssh
