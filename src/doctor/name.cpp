#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <chrono>

#include "doctor/nameservers.hpp"
#include "doctor/patient.hpp"
#include "net/address_cache.hpp"
#include "net/delay.hpp"
#include "net/state_file.hpp"

namespace holdfast::doctor {
namespace {

/// How long the system may still take once its name servers were asked.
constexpr std::chrono::milliseconds patience{1500};

void add_new(std::vector<std::string>& all, const std::vector<std::string>& more) {
  for (const std::string& one : more) {
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
  }
}

std::vector<std::string> texts_of(const net::Endpoints& endpoints) {
  std::vector<std::string> texts;
  for (const auto& endpoint : endpoints) texts.push_back(endpoint.address().to_string());
  return texts;
}

/// What an earlier run of the daemon has kept.
std::vector<std::string> kept_addresses(const std::string& folder, const std::string& name, AddressFamily family) {
  const auto text = net::read_file(folder + "/addresses");
  const auto names = text ? net::parse_addresses(*text) : std::nullopt;
  std::vector<std::string> addresses;
  if (!names) return addresses;
  const auto known = names->find({name, family});
  if (known == names->end()) return addresses;
  for (const auto& address : known->second.addresses) addresses.push_back(address.to_string());
  return addresses;
}

/// The name servers, each by itself, and beside them what the system makes of the name.
class NameLook final : public net::Operation {
 public:
  NameLook(const Patient& patient, Then then) : then_(std::move(then)), timer_(patient.executor) {
    const std::string name = patient.there.host_name;
    const AddressFamily family = patient.there.address_family;
    asking_ = beside(
        patient.executor,
        [name, family, folder = patient.state_folder]() -> Finding {
          NameFindings found = ask_name_servers(name, family);
          found.remembered = kept_addresses(folder, name, family);
          return found;
        },
        [this, name](Finding finding) {
          auto* found = std::get_if<NameFindings>(&finding);
          on_servers(found == nullptr ? nobody_asked(name) : std::move(*found));
        });
    resolving_ = patient.resolver.find_relay(
        name, patient.there.port, family,
        [this](const tl::expected<net::RelayAddresses, Failure>& said) { on_system(said); });
  }

 private:
  static NameFindings nobody_asked(const std::string& name) {
    NameFindings found;
    found.name = name;
    return found;
  }

  void on_servers(NameFindings found) {
    found_.name = std::move(found.name);
    found_.in_hosts = found.in_hosts;
    found_.servers = std::move(found.servers);
    add_new(found_.remembered, found.remembered);
    asked_ = true;
    if (resolved_) return tell();
    found_.error = "the system has not answered yet";
    timer_.start(patience, [this] { tell(); });
  }

  void on_system(const tl::expected<net::RelayAddresses, Failure>& said) {
    resolved_ = true;
    found_.error = said ? "" : describe(said.error());
    if (said && said->said.empty()) found_.error = "the system takes its time, or fails: what is remembered serves";
    if (said) {
      found_.found = texts_of(said->said);
      std::vector<std::string> remembered = texts_of(said->remembered);
      add_new(remembered, found_.remembered);
      found_.remembered = std::move(remembered);
    }
    if (asked_) tell();
  }

  void tell() {
    const Then then = then_;
    then(found_);
  }

  Then then_;
  net::Delay timer_;
  NameFindings found_;
  bool asked_ = false;
  bool resolved_ = false;
  Look asking_;
  std::unique_ptr<net::Operation> resolving_;
};

}  // namespace

bool is_literal(const std::string& host_name) {
  boost::system::error_code error;
  boost::asio::ip::make_address(host_name, error);
  return !error;
}

std::vector<std::string> addresses_of(const Findings& so_far) {
  const auto known = so_far.find(Layer::name);
  const auto* name = known == so_far.end() ? nullptr : std::get_if<NameFindings>(&known->second);
  if (name == nullptr) return {};
  if (name->literal) return {name->name};
  std::vector<std::string> addresses = name->found;
  add_new(addresses, name->remembered);
  if (!addresses.empty()) return addresses;
  for (const NameFindings::Server& server : name->servers) {
    const bool asked_by_the_system = server.behind.empty();
    if (asked_by_the_system && !server.knows_all) add_new(addresses, server.addresses);
  }
  return addresses;
}

Look look_at_name(const Patient& patient, Then then) {
  NameFindings found;
  found.name = patient.there.host_name;
  found.literal = is_literal(found.name);
  if (found.literal) return at_once(patient.executor, [then = std::move(then), found] { then(found); });
  return std::make_unique<NameLook>(patient, std::move(then));
}

}  // namespace holdfast::doctor
