#include "forward/target.hpp"

#include <utility>

#include "doctor/patient.hpp"

namespace holdfast::doctor {
namespace {

class TargetLook final : public net::Operation {
 public:
  TargetLook(const Patient& patient, Then then) : then_(std::move(then)) {
    const auto& forwards = patient.there.remote_forward;
    found_.targets.resize(forwards.size());
    waiting_ = forwards.size();
    for (std::size_t at = 0; at < forwards.size(); ++at) {
      TargetFindings::Target& target = found_.targets[at];
      target.forward = listener_name(forwards[at]);
      target.target = target_name(forwards[at].target);
      looks_.push_back(forward::connect_target(
          patient.executor, patient.resolver, forwards[at].target, patient.there.address_family,
          std::chrono::seconds{4}, [this, &target](const tl::expected<forward::Socket, Failure>& socket) {
            target.said = socket ? TargetFindings::Said::nothing : TargetFindings::Said::not_connected;
            if (!socket) target.detail = describe(socket.error());
            if (--waiting_ == 0) tell();
          }));
    }
  }

 private:
  void tell() {
    const Then then = then_;
    then(found_);
  }

  Then then_;
  TargetFindings found_;
  std::size_t waiting_ = 0;
  std::vector<Look> looks_;
};

}  // namespace

Look look_at_targets(const Patient& patient, Then then) {
  if (patient.there.remote_forward.empty())
    return at_once(patient.executor, [then = std::move(then)] { then(TargetFindings{}); });
  return std::make_unique<TargetLook>(patient, std::move(then));
}

}  // namespace holdfast::doctor
