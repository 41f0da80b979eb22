#include "net/dial/dialling.hpp"

#include <string>
#include <utility>
#include <vector>

namespace holdfast::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

std::vector<std::string> to_literals(const Endpoints& endpoints) {
  std::vector<std::string> literals;
  for (const tcp::endpoint& endpoint : endpoints) literals.push_back(endpoint.address().to_string());
  return literals;
}

}  // namespace

FoundAddresses to_literals(const RelayAddresses& found) {
  return {to_literals(found.said), to_literals(found.remembered), found.age};
}

Endpoints to_endpoints(const AddressOrder& order, std::uint16_t port) {
  Endpoints endpoints;
  for (const std::string& literal : order.addresses) {
    error_code error;
    const auto address = asio::ip::make_address(literal, error);
    if (!error) endpoints.emplace_back(address, port);
  }
  return endpoints;
}

Dialling::Dialling(asio::any_io_executor executor, Resolver& resolver, const TunnelSpec& there, ConnectOptions options,
                   std::function<void(SessionEvent)> tell)
    : executor_(std::move(executor)),
      resolver_(resolver),
      there_(there),
      options_(std::move(options)),
      tell_(std::move(tell)) {}

Dialling::~Dialling() {
  if (right_) remember();
}

void Dialling::resolve() {
  lookup_ = resolver_.find_relay(there_.host_name, there_.port, there_.address_family,
                                 [this](tl::expected<RelayAddresses, Failure> found) {
                                   if (!found) return tell_(SessionFailed{std::move(found.error())});
                                   found_ = std::move(*found);
                                   tell_(PhaseCompleted{OpeningPhase::resolve, "", to_literals(found_)});
                                 });
}

void Dialling::connect(const AddressOrder& order) {
  ConnectOptions options = options_;
  options.racing = order.racing;
  connecting_ =
      net::connect(executor_, to_endpoints(order, there_.port), std::move(options),
                   [this](tl::expected<tcp::socket, Failure> connected) {
                     if (!connected) return tell_(SessionFailed{std::move(connected.error())});
                     error_code ignored;
                     ends_ = {connected->remote_endpoint(ignored), connected->local_endpoint(ignored).address()};
                     socket_ = std::move(*connected);
                     tell_(PhaseCompleted{OpeningPhase::connect, "", {}, ends_->relay.address().to_string()});
                   });
}

tcp::socket Dialling::take_socket() {
  tcp::socket socket = std::move(*socket_);
  socket_.reset();
  return socket;
}

void Dialling::address_gone(const asio::ip::address& address) {
  if (connecting_) connecting_->address_gone(address);
}

void Dialling::was_right() {
  if (!std::exchange(right_, true)) remember();
}

void Dialling::remember() {
  resolver_.was_right(there_.host_name, there_.address_family, ends_->relay.address(), found_.said);
}

}  // namespace holdfast::net
