#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "holdfast/tunnel.hpp"
#include "worker/worker.hpp"

namespace holdfast::record {

/// Where the lines go; returns 0 or an errno. Called on a thread, one call at a time.
using Sink = std::function<int(std::string_view)>;
/// A new file, 0600; it is made with the first lines, and one that is there already is left alone.
Sink new_file(std::string path);

struct Limits {
  std::size_t file = std::size_t{32} << 20U;      ///< bytes that are written
  std::size_t waiting = std::size_t{256} << 10U;  ///< and that wait for the disk
};

/// Writes a recording, and lets nobody wait for the disk: lines wait for it, so many as fit into some memory, and the
/// steps beyond that are counted in place of their lines. Once the file has its full size, or can't be written, nothing
/// more is; that is told, and the tunnels go on. What waits counts as written, so that memory has the file's bound,
/// too, whatever a hanging disk is given.
class Recorder {
 public:
  /// `name`: of the file, for what is told. `made`: by whom and when.
  Recorder(Sink sink, std::string name, const std::string& made, std::function<void(const std::string&)> tell,
           Limits limits = {});

  /// Returns the number by which its steps name it.
  std::size_t add_tunnel(const TunnelSpec& spec);
  void add_step(std::size_t tunnel, TimePoint at, const TunnelEvent& event, const std::vector<double>& dice,
                const Step& step);
  /// Nothing follows.
  void end(const std::string& why);
  /// Whether all is written; waits for that no longer than `patience`.
  bool flush(std::chrono::milliseconds patience);

 private:
  struct Waiting;

  enum class Loss { allowed, none };
  void write(std::string lines, Loss loss);
  bool add(std::string lines, Loss loss);
  void look_for_error();

  const std::string name_;
  const std::function<void(const std::string&)> tell_;
  const Limits limits_;
  const std::shared_ptr<Waiting> waiting_;
  Worker worker_{1};
  std::size_t tunnels_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t lost_ = 0;
  bool ended_ = false;
};

/// Records one tunnel's steps; without a recorder, nothing.
class StepRecorder {
 public:
  StepRecorder(std::shared_ptr<Recorder> recorder, const TunnelSpec& spec)
      : recorder_(std::move(recorder)), tunnel_(recorder_ ? recorder_->add_tunnel(spec) : 0) {}

  /// holdfast::step()
  Step step(const TunnelSpec& spec, TunnelState state, const TunnelEvent& event, TimePoint now,
            const UnitRandom& jitter) const;

 private:
  std::shared_ptr<Recorder> recorder_;
  std::size_t tunnel_;
};

}  // namespace holdfast::record
