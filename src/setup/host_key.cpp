#include "setup/host_key.hpp"

#include <boost/asio/io_context.hpp>
#include <memory>
#include <utility>

#include "net/dial/connector.hpp"
#include "net/resolver.hpp"
#include "ssh/file.hpp"
#include "ssh/host_key_look.hpp"
#include "ssh/storage.hpp"

namespace holdfast::setup {
namespace {

using Socket = boost::asio::ip::tcp::socket;

tl::expected<Socket, Failure> connect(boost::asio::io_context& loop, const TunnelSpec& spec,
                                      std::chrono::seconds limit) {
  tl::expected<Socket, Failure> result =
      tl::unexpected(Failure{Cause::resolver_unavailable, "resolve", spec.host_name, "no answer in time"});
  net::Resolver resolver{loop.get_executor()};
  std::unique_ptr<net::ConnectOperation> connecting;
  net::ConnectOptions options;
  options.bind_address = spec.bind_address;
  options.bind_interface = spec.bind_interface;
  const auto resolving = resolver.resolve(
      spec.host_name, spec.port, spec.address_family, [&](const tl::expected<net::Endpoints, Failure>& endpoints) {
        if (!endpoints) {
          result = tl::unexpected(endpoints.error());
          return loop.stop();
        }
        result = tl::unexpected(Failure{Cause::connection_timed_out, "connect to", relay_name(spec), ""});
        connecting = net::connect(loop.get_executor(), *endpoints, options, [&](tl::expected<Socket, Failure> socket) {
          result = std::move(socket);
          loop.stop();
        });
      });
  loop.run_for(limit);
  return result;
}

}  // namespace

tl::expected<ShownHostKey, Failure> look_at_relay(const TunnelSpec& spec, std::chrono::seconds limit) {
  boost::asio::io_context loop{1};
  auto socket = connect(loop, spec, limit);
  if (!socket) return tl::unexpected(socket.error());
  return ssh::look_at_host_key(socket->native_handle(), spec, limit);
}

bool listens(const TcpTarget& target) {
  boost::asio::io_context loop{1};
  TunnelSpec spec;
  spec.host_name = target.host;
  spec.port = target.port;
  return connect(loop, spec, std::chrono::seconds{2}).has_value();
}

std::string remember(const std::string& known_hosts, const std::string& line) {
  const int error = ssh::store_host_key(known_hosts, line);
  return error == 0 ? "" : known_hosts + ": " + ssh::errno_text(error);
}

}  // namespace holdfast::setup
