#include "integration/forward/forwarding_session.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <stdexcept>

namespace holdfast::test {

ForwardingSession::ForwardingSession(const Sshd& relay, const std::vector<Target>& targets,
                                     const std::function<void(TunnelSpec&)>& change, forward::Limits limits) {
  spec_.name = "relay";
  spec_.host_name = relay.host();
  spec_.port = relay.port();
  spec_.user = relay.user();
  spec_.identity_file = {client_key()};
  spec_.user_known_hosts_file = dir_ / "known_hosts";
  write_file(spec_.user_known_hosts_file, relay.known_hosts());
  spec_.strict_host_key_checking = StrictHostKeyChecking::yes;
  for (const Target& target : targets) spec_.remote_forward.push_back({"localhost", free_port(), target});
  change(spec_);
  const auto log = [this](const std::string& line) {
    const std::lock_guard lock(mutex_);
    log_.push_back(line);
  };
  connections_ = std::make_unique<forward::Connections>(loop_.get_executor(), resolver_, spec_, log, limits);
  boost::asio::post(loop_, [this] { open(); });
  thread_ = std::thread([this] { loop_.run(); });
  const std::string problem = ready_.get_future().get();
  if (problem.empty()) return;
  end();
  throw std::runtime_error(problem);
}

ForwardingSession::~ForwardingSession() {
  end();
}

void ForwardingSession::end() {
  on_loop([this] {
    connections_.reset();
    session_.reset();
  });
  loop_.stop();
  thread_.join();
}

std::vector<std::string> ForwardingSession::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

forward::Counters ForwardingSession::counters(std::size_t forward) {
  return on_loop([this, forward] { return connections_->counters(forward); });
}

void ForwardingSession::open() {
  using boost::asio::ip::tcp;
  tcp::socket socket(loop_);
  socket.connect({boost::asio::ip::make_address(spec_.host_name), spec_.port});
  socket.set_option(tcp::no_delay(true));
  session_ = std::make_unique<ssh::Session>(std::move(socket), spec_, *this, storage_);
  session_->open();
}

void ForwardingSession::on_event(SessionEvent event) {
  if (const auto* done = std::get_if<PhaseCompleted>(&event)) {
    if (done->phase == OpeningPhase::key_exchange) session_->authenticate();
    if (done->phase != OpeningPhase::authenticate) return;
    for (std::size_t i = 0; i < spec_.remote_forward.size(); ++i) session_->request_forward(i);
  } else if (const auto* answer = std::get_if<ForwardAnswered>(&event)) {
    ports_.push_back(answer->bound_port.value_or(0));
    if (ports_.size() == spec_.remote_forward.size()) ready_.set_value("");
  } else if (const auto* failed = std::get_if<SessionFailed>(&event)) {
    failed_ = true;
    if (ports_.size() < spec_.remote_forward.size()) ready_.set_value(describe(failed->failure));
  }
}

}  // namespace holdfast::test
