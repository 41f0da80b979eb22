#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace holdfast::net {

/// Reads and writes files beside the loop: a disk that dies, or a file system behind a network, may keep a call for
/// ever. One thread reads and another one writes, each while there is something to do.
class Disk {
 public:
  using Then = std::function<void()>;

  explicit Disk(const boost::asio::any_io_executor& executor);
  /// Waits for nothing.
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  /// `read` runs on the thread and owns what it touches; what it returns is called from the loop, unless the Disk is
  /// gone by then. False if too many reads wait, or if neither a thread nor a descriptor can be had.
  bool read(std::function<Then()> read);
  /// `write` runs on the thread as `read` does. It returns 0 or an errno, which `then` is told from the loop. The
  /// caller writes one file once at a time.
  void write(const std::string& file, std::function<int()> write, std::function<void(int)> then);

  /// "FILE: why", for each whose last write failed or takes long.
  std::vector<std::string> unsaved() const;
  /// Whether everything is written; waits for that no longer than `patience`.
  bool flush(std::chrono::milliseconds patience);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace holdfast::net
