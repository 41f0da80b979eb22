#include "doctor/examination.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <list>
#include <system_error>
#include <utility>
#include <vector>

#include "doctor/device.hpp"
#include "net/delay.hpp"
#include "net/disk.hpp"

namespace holdfast::doctor {
namespace {

using std::chrono::seconds;

/// A daemon looks by itself at what costs nothing (Patient::silent).
enum class Costs { packets, nothing };

struct Plan {
  std::vector<Layer> tells;  ///< what the look finds something of
  std::vector<Layer> after;  ///< what has to be told before it begins
  seconds limit;             ///< then what it has not told is skipped
  std::function<Look(const Patient&, const Findings& so_far, Tell)> begin;
  Costs costs = Costs::packets;
};

/// For a look at one layer that asks for nothing.
auto alone(Layer layer, Look (*look)(const Patient&, Then)) {
  return [=](const Patient& patient, const Findings&, Tell tell) {
    return look(patient, [=, tell = std::move(tell)](Finding finding) { tell(layer, std::move(finding)); });
  };
}

auto knowing(Layer layer, Look (*look)(const Patient&, const Findings&, Then)) {
  return [=](const Patient& patient, const Findings& so_far, Tell tell) {
    return look(patient, so_far, [=, tell = std::move(tell)](Finding finding) { tell(layer, std::move(finding)); });
  };
}

/// By what is known already, where nobody is to be asked.
Look find_addresses(const Patient& patient, const Findings& so_far, Tell tell) {
  if (!patient.silent) return alone(Layer::name, look_at_name)(patient, so_far, std::move(tell));
  NameFindings found;
  found.name = patient.there.host_name;
  found.literal = is_literal(found.name);
  if (!patient.silent->empty()) found.found.push_back(*patient.silent);
  return at_once(patient.executor, [found = std::move(found), tell = std::move(tell)] { tell(Layer::name, found); });
}

/// The limits along the longest way (name, tcp, session) add up to less than 30 s.
std::vector<Plan> plans() {
  return {
      {{Layer::device}, {}, seconds{3}, alone(Layer::device, look_at_device), Costs::nothing},
      {{Layer::modem}, {}, seconds{4}, alone(Layer::modem, look_at_modem), Costs::nothing},
      {{Layer::link}, {}, seconds{3}, alone(Layer::link, look_at_links), Costs::nothing},
      {{Layer::address}, {}, seconds{3}, alone(Layer::address, look_at_addresses), Costs::nothing},
      {{Layer::name}, {}, seconds{8}, find_addresses, Costs::nothing},
      {{Layer::route}, {Layer::name}, seconds{3}, knowing(Layer::route, look_at_routes), Costs::nothing},
      {{Layer::neighbour}, {Layer::route}, seconds{5}, knowing(Layer::neighbour, look_at_neighbours)},
      {{Layer::session}, {}, seconds{6}, alone(Layer::session, look_at_life)},
      {{Layer::path}, {Layer::name, Layer::session}, seconds{8}, knowing(Layer::path, look_at_path)},
      {{Layer::tcp}, {Layer::name, Layer::session}, seconds{8}, knowing(Layer::tcp, look_at_tcp)},
      {{Layer::banner, Layer::key_exchange, Layer::host_key, Layer::authentication, Layer::listener, Layer::lease,
        Layer::proof},
       {Layer::tcp},
       seconds{12},
       look_at_session},
      {{Layer::target}, {}, seconds{5}, alone(Layer::target, look_at_targets)},
  };
}

/// Not every caller is told why it was given none.
bool lacks_descriptors(const std::exception& error) {
  std::error_code code;
  if (const auto* systems = dynamic_cast<const std::system_error*>(&error)) code = systems->code();
  if (const auto* boosts = dynamic_cast<const boost::system::system_error*>(&error)) code = boosts->code();
  return code == std::errc::too_many_files_open || code == std::errc::bad_file_descriptor;
}

}  // namespace

class Examination::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Patient patient, Tell tell, std::function<void()> done)
      : patient_(std::move(patient)), tell_(std::move(tell)), done_(std::move(done)) {
    for (Plan& plan : plans()) {
      if (!patient_.silent || plan.costs == Costs::nothing) visits_.emplace_back(patient_.executor, std::move(plan));
    }
  }

  void begin() {
    for (Visit& visit : visits_) {
      if (visit.begun || !all_told(visit.plan.after)) continue;
      visit.begun = true;
      visit.limit.start(visit.plan.limit, [weak = weak_from_this(), &visit] {
        if (const auto self = weak.lock())
          self->give_up(visit, "there was no answer within " + std::to_string(visit.plan.limit.count()) + " s");
      });
      try {
        visit.look =
            visit.plan.begin(patient_, findings_, [weak = weak_from_this(), &visit](Layer layer, Finding finding) {
              if (const auto self = weak.lock()) self->found(visit, layer, std::move(finding));
            });
      } catch (const std::exception& error) {  // no descriptor is left, most likely: a daemon has tunnels to hold
        visit.look = at_once(patient_.executor, [weak = weak_from_this(), &visit, why = std::string{error.what()}] {
          if (const auto self = weak.lock()) self->give_up(visit, why);
        });
      }
    }
  }

  /// Nobody is told any more.
  void end() {
    tell_ = {};
    visits_.clear();
  }

 private:
  struct Visit {
    Visit(const boost::asio::any_io_executor& executor, Plan its) : plan(std::move(its)), limit(executor) {}
    Plan plan;
    net::Delay limit;
    Look look{};
    bool begun = false;
  };

  bool all_told(const std::vector<Layer>& layers) const {
    return std::all_of(layers.begin(), layers.end(), [&](Layer layer) { return findings_.contains(layer); });
  }

  /// Who is told may end us, and with us what we hold of him.
  void tell(Layer layer, Finding finding) const {
    const Tell whom = tell_;
    whom(layer, std::move(finding));
  }

  void found(Visit& visit, Layer layer, Finding finding) {
    if (!findings_.emplace(layer, finding).second) return;
    const bool over = all_told(visit.plan.tells);
    tell(layer, std::move(finding));
    if (!tell_) return;  // it ended us
    if (over) leave(visit);
  }

  void give_up(Visit& visit, const std::string& why) {
    for (const Layer layer : std::vector<Layer>{visit.plan.tells}) {
      if (!findings_.emplace(layer, Skipped{why}).second) continue;
      tell(layer, Skipped{why});
      if (!tell_) return;
    }
    leave(visit);
  }

  void leave(Visit& visit) {
    visit.limit.cancel();
    visit.look.reset();
    begin();
    const bool over =
        std::all_of(visits_.begin(), visits_.end(), [&](const Visit& each) { return all_told(each.plan.tells); });
    if (!over || std::exchange(told_end_, true)) return;
    const auto done = done_;
    done();
  }

  const Patient patient_;
  Tell tell_;
  std::function<void()> done_;
  Findings findings_;
  std::list<Visit> visits_;
  bool told_end_ = false;
};

Examination::Examination(Patient patient, Tell tell, std::function<void()> done)
    : impl_(std::make_shared<Impl>(std::move(patient), std::move(tell), std::move(done))) {
  impl_->begin();
}

Examination::~Examination() {
  impl_->end();
}

std::set<Layer> examined_layers() {
  std::set<Layer> layers;
  for (const Plan& plan : plans()) layers.insert(plan.tells.begin(), plan.tells.end());
  return layers;
}

void examine_alone(const TunnelSpec& there, const std::string& state_folder, const Tell& tell) {
  std::set<Layer> told;
  const Tell note = [&](Layer layer, Finding finding) {
    told.insert(layer);
    tell(layer, std::move(finding));
  };
  try {
    net::hasten_lookups();
    boost::asio::io_context loop{1};
    net::Resolver resolver{loop.get_executor()};
    const auto disk = std::make_shared<net::Disk>(loop.get_executor());
    const auto storage = std::make_shared<ssh::Storage>(loop.get_executor(), disk, [](const std::string&) {});
    Patient patient{loop.get_executor(), resolver, storage, there, state_folder};
    const Examination examination{std::move(patient), note, [&loop] { loop.stop(); }};
    loop.run();
  } catch (const std::exception& error) {
    if (!lacks_descriptors(error)) throw;
    DeviceFindings device = find_out_about_device({}, state_folder, there);
    device.descriptors_used = device.descriptors_limit;  // until now
    note(Layer::device, std::move(device));
    for (const Layer layer : examined_layers()) {
      if (!told.contains(layer)) note(layer, Skipped{error.what()});
    }
  }
}

}  // namespace holdfast::doctor
