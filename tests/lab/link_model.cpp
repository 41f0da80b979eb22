#include "lab/link_model.hpp"

#include <algorithm>
#include <utility>

namespace holdfast::lab {
namespace {

void add(Count& count, const Packet& packet) {
  ++count.packets;
  count.bytes += packet.size();
}

Duration seconds(double value) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
}

}  // namespace

bool LinkModel::arrives_later(const InFlight& a, const InFlight& b) {
  return std::pair(a.arrival, a.number) > std::pair(b.arrival, b.number);
}

double LinkModel::uniform() {
  // By hand, because the standard distributions differ from one library to another.
  return static_cast<double>(random_() >> 11) * 0x1p-53;
}

void LinkModel::offer(TimePoint now, Packet packet) {
  add(counters_.offered, packet);
  if (settings_.blackhole) {
    add(counters_.swallowed, packet);
    return;
  }
  if (settings_.loss > 0 && uniform() < settings_.loss) {
    add(counters_.lost, packet);
    return;
  }
  TimePoint departure = now;
  if (settings_.rate > 0) {
    // A token bucket of one packet: the line sends one after the other, each for as long as its bits take.
    const double byte_time = 8.0 / static_cast<double>(settings_.rate);
    const TimePoint start = std::max(now, line_free_at_);
    const double waiting = std::chrono::duration<double>(start - now).count() / byte_time;
    if (waiting + static_cast<double>(packet.size()) > static_cast<double>(settings_.queue)) {
      add(counters_.dropped, packet);
      return;
    }
    departure = start + seconds(byte_time * static_cast<double>(packet.size()));
    line_free_at_ = departure;
  }
  TimePoint arrival = departure + settings_.delay;
  if (settings_.jitter > Duration::zero()) {
    arrival += seconds(uniform() * std::chrono::duration<double>(settings_.jitter).count());
  }
  if (settings_.keep_order) {
    arrival = std::max(arrival, last_arrival_);
  }
  last_arrival_ = std::max(arrival, last_arrival_);
  in_flight_.push_back({arrival, next_number_++, std::move(packet)});
  std::push_heap(in_flight_.begin(), in_flight_.end(), arrives_later);
}

std::optional<TimePoint> LinkModel::next_due() const {
  return in_flight_.empty() ? std::nullopt : std::optional(in_flight_.front().arrival);
}

LinkModel::InFlight LinkModel::pop() {
  std::pop_heap(in_flight_.begin(), in_flight_.end(), arrives_later);
  InFlight first = std::move(in_flight_.back());
  in_flight_.pop_back();
  return first;
}

std::vector<Packet> LinkModel::take_due(TimePoint now) {
  std::vector<Packet> due;
  while (!in_flight_.empty() && in_flight_.front().arrival <= now) {
    Packet packet = pop().packet;
    add(settings_.blackhole ? counters_.swallowed : counters_.delivered, packet);
    if (!settings_.blackhole) {
      due.push_back(std::move(packet));
    }
  }
  return due;
}

void LinkModel::flush() {
  for (const InFlight& entry : in_flight_) {
    add(counters_.swallowed, entry.packet);
  }
  in_flight_.clear();
  line_free_at_ = {};
  last_arrival_ = {};
}

}  // namespace holdfast::lab
