#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "doctor/patient.hpp"

namespace holdfast::doctor {

std::vector<std::string> addresses_of(const Findings& so_far) {
  const auto known = so_far.find(Layer::name);
  const auto* name = known == so_far.end() ? nullptr : std::get_if<NameFindings>(&known->second);
  if (name == nullptr) return {};
  if (name->literal) return {name->name};
  std::vector<std::string> addresses = name->found;
  for (const std::string& remembered : name->remembered) {
    if (std::find(addresses.begin(), addresses.end(), remembered) == addresses.end()) addresses.push_back(remembered);
  }
  return addresses;
}

Look look_at_name(const Patient& patient, Then then) {
  NameFindings found;
  found.name = patient.there.host_name;
  boost::system::error_code error;
  boost::asio::ip::make_address(found.name, error);
  found.literal = !error;
  if (found.literal) return at_once(patient.executor, [then = std::move(then), found] { then(found); });
  return patient.resolver.resolve(
      found.name, patient.there.port, patient.there.address_family,
      [found, then = std::move(then)](const tl::expected<net::Endpoints, Failure>& said) mutable {
        if (!said) {
          StepFindings failed;
          failed.failure = said.error();
          return then(failed);
        }
        for (const auto& endpoint : *said) found.found.push_back(endpoint.address().to_string());
        then(found);
      });
}

}  // namespace holdfast::doctor
