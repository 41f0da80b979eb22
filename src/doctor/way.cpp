#include <boost/asio/ip/address.hpp>
#include <utility>

#include "doctor/patient.hpp"
#include "net/dial/connector.hpp"

namespace holdfast::doctor {
namespace {

Milliseconds since(TimePoint began, TimePoint ended) {
  return std::chrono::duration_cast<Milliseconds>(ended - began);
}

class TcpLook final : public net::Operation {
 public:
  TcpLook(const Patient& patient, const std::vector<std::string>& addresses, Then then) : then_(std::move(then)) {
    net::Endpoints endpoints;
    for (const std::string& address : addresses)
      endpoints.emplace_back(boost::asio::ip::make_address(address), patient.there.port);
    connecting_ = net::connect(patient.executor, std::move(endpoints), net::options_of(patient.there, std::nullopt),
                               [this](const auto&) { tell(); });
  }

 private:
  void tell() {
    TcpFindings found;
    for (const net::ConnectTry& one : connecting_->tries()) {
      TcpFindings::Try made;
      made.to = net::to_string(one.endpoint);
      made.took = since(one.began, one.ended.value_or(Clock::now()));
      if (one.failure) {
        made.failed = one.failure->cause;
        made.detail = one.failure->detail;
      } else if (!one.ended) {
        continue;  // another one was faster
      }
      found.tries.push_back(std::move(made));
    }
    const Then then = then_;
    then(std::move(found));
  }

  Then then_;
  std::unique_ptr<net::ConnectOperation> connecting_;
};

}  // namespace

Look look_at_tcp(const Patient& patient, const Findings& so_far, Then then) {
  const auto addresses = addresses_of(so_far);
  if (addresses.empty()) {
    return at_once(patient.executor, [then = std::move(then)] { then(Skipped{"the relay's address is not known"}); });
  }
  return std::make_unique<TcpLook>(patient, addresses, std::move(then));
}

}  // namespace holdfast::doctor
