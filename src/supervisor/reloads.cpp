#include "supervisor/reloads.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <iterator>
#include <utility>

#include "holdfast/time.hpp"
#include "supervisor/share.hpp"

namespace holdfast::supervisor {
namespace {

constexpr std::chrono::seconds longest_reading{3};
constexpr std::size_t most_that_hang = 8;  ///< each with a thread

ConfigurationRead read_configuration(const std::string& path, const std::string& only, const DeviceId& device_id) {
  ConfigurationRead read{load_share(path, only, config::files_in_service())};
  if (!read.loaded) return read;
  read.faults = preflight::device_faults(*read.loaded);
  for (const TunnelSpec& spec : read.loaded->config.tunnels) read.names.emplace(spec.name, device_id.of(spec));
  return read;
}

}  // namespace

Reloads::Reloads(const boost::asio::any_io_executor& executor, std::string path, std::string only, DeviceId device_id,
                 TakeOver take_over)
    : executor_(executor),
      path_(std::move(path)),
      only_(std::move(only)),
      device_id_(std::move(device_id)),
      take_over_(std::move(take_over)),
      timer_(executor) {}

void Reloads::ask(Done then) {
  next_.push_back(std::move(then));
  if (waiting_.empty()) read();
}

void Reloads::read() {
  waiting_ = std::exchange(next_, {});
  if (readings_.size() == most_that_hang) {
    return fail("the disk has not answered eight times: once it does, restart holdfast");
  }
  readings_.emplace_back(executor_);
  timer_.start(longest_reading, [this] {
    std::move(next_.begin(), next_.end(), std::back_inserter(waiting_));
    next_.clear();
    fail("the disk does not answer");
  });
  const auto reading = std::prev(readings_.end());
  const bool taken =
      reading->post([this, reading, path = path_, only = only_, device_id = device_id_]() -> net::Lane::Then {
        return [this, reading, read = read_configuration(path, only, device_id)] { was_read(reading, read); };
      });
  if (taken) return;
  timer_.cancel();
  readings_.erase(reading);
  fail("the system has no thread to read it with");
}

void Reloads::was_read(std::list<net::Lane>::iterator reading, const ConfigurationRead& read) {
  const bool waited_for = !waiting_.empty() && std::next(reading) == readings_.end();
  // Not from within its own call.
  boost::asio::post(executor_, lifetime_.guard([this, reading] { readings_.erase(reading); }));
  if (!waited_for) return;
  timer_.cancel();
  tell(take_over_(read));
  if (!next_.empty()) this->read();
}

void Reloads::fail(const std::string& why) {
  tell(take_over_({tl::unexpected(config::Problems{{path_, 0, 0, "", why}})}));
}

void Reloads::tell(const std::optional<std::string>& refusal) {
  for (const Done& then : std::exchange(waiting_, {})) then(refusal);
}

}  // namespace holdfast::supervisor
