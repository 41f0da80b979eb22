#include "doctor/nameservers.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "holdfast/time.hpp"
#include "net/dns_message.hpp"
#include "net/owned_descriptor.hpp"

namespace holdfast::doctor {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using Said = NameFindings::Said;
using Server = NameFindings::Server;

constexpr std::uint16_t dns_port = 53;
constexpr std::size_t largest_message = 4096;
/// When an unanswered question is sent again, and when nobody is waited for any more.
constexpr std::array again{1s, 2s, 3s};
constexpr Duration patience = 4500ms;
/// For what is asked beside the name itself, once that is answered.
constexpr Duration patience_beside = 500ms;

std::string content_of(const std::string& path) {
  std::string text(65536, '\0');
  std::ifstream file(path);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

std::uint32_t random_number() {
  std::uint32_t number = 0;
  while (::getrandom(&number, sizeof number, 0) < 0 && errno == EINTR) {
  }
  return number;
}

/// One question to one server, sent as often as is needed: each time under another number, so that it is known which
/// one was answered.
struct Question {
  struct Sent {
    std::uint16_t id;
    TimePoint at;
  };
  std::string name;
  net::DnsType type{};
  std::vector<Sent> sent{};
  std::optional<net::DnsAnswer> answer{};
  Duration took{};
};

/// All that is asked of one server.
class Asking {
 public:
  Asking(const address& server, std::string behind, std::vector<Question> questions)
      : server_(server), behind_(std::move(behind)), questions_(std::move(questions)) {
    const boost::asio::ip::udp::endpoint endpoint(server, dns_port);
    udp_ = net::Descriptor{::socket(endpoint.data()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (udp_.get() < 0 || ::connect(udp_.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) fail();
  }

  int descriptor() const { return tcp_.get() >= 0 ? tcp_.get() : udp_.get(); }
  short events() const { return tcp_.get() >= 0 && !connected_ ? POLLOUT : POLLIN; }
  /// The name's own questions are answered, and it can't be told more.
  bool answered() const {
    return error_ != 0 || std::all_of(questions_.begin(), questions_.end() - 1,
                                      [](const Question& question) { return question.answer.has_value(); });
  }
  bool over() const { return error_ != 0 || (answered() && questions_.back().answer); }

  void send(TimePoint now) {
    for (Question& question : questions_) {
      if (question.answer || tcp_.get() >= 0) continue;
      const auto id = static_cast<std::uint16_t>(random_number());
      const auto message = net::dns_question(id, question.name, question.type);
      if (::send(udp_.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0) return fail();
      question.sent.push_back({id, now});
    }
  }

  void on_ready(TimePoint now) {
    if (tcp_.get() >= 0) return on_tcp(now);
    std::vector<std::uint8_t> message(largest_message);
    for (int datagrams = 0; datagrams < 16; ++datagrams) {
      const ssize_t size = ::recv(udp_.get(), message.data(), message.size(), MSG_DONTWAIT);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (size < 0) return fail();
      if (take(std::span(message).first(static_cast<std::size_t>(size)), now)) return ask_by_tcp();
    }
  }

  Server result() const {
    Server server;
    server.address = server_.to_string();
    server.behind = behind_;
    server.said = Said::nothing;
    if (error_ != 0) {
      server.said = error_ == ECONNREFUSED ? Said::refused : Said::nothing;
      server.detail = std::generic_category().message(error_);
    }
    for (auto question = questions_.begin(); question + 1 != questions_.end(); ++question) {
      if (!question->answer) continue;
      server.took = std::max(server.took, std::chrono::duration_cast<Milliseconds>(question->took));
      const net::DnsAnswer& answer = *question->answer;
      for (const address& each : answer.addresses) server.addresses.push_back(each.to_string());
      if (!server.addresses.empty()) {
        server.said = Said::addresses;
        server.detail.clear();
      } else if (server.said == Said::nothing || server.said == Said::no_such_name) {
        server.said = answer.code == 0 || answer.code == net::dns_nxdomain ? Said::no_such_name
                      : answer.code == net::dns_refused                    ? Said::refused
                                                                           : Said::failed;
        server.detail = answer.code == 0 ? "it has no address" : net::dns_code_text(answer.code);
      }
    }
    const auto& nonsense = questions_.back().answer;
    server.knows_all =
        nonsense && std::any_of(nonsense->addresses.begin(), nonsense->addresses.end(), [&](const address& each) {
          return std::count(server.addresses.begin(), server.addresses.end(), each.to_string()) > 0;
        });
    return server;
  }

 private:
  void fail() { error_ = errno; }

  /// True if it was cut short.
  bool take(std::span<const std::uint8_t> message, TimePoint now) {
    for (Question& question : questions_) {
      for (const Question::Sent& sent : question.sent) {
        auto answer = net::parse_dns_answer(message, sent.id, question.name, question.type);
        if (!answer || question.answer) continue;
        if (answer->truncated && tcp_.get() < 0) return true;
        question.took = now - sent.at;
        question.answer = std::move(answer);
      }
    }
    return false;
  }

  /// All anew: what an answer that was cut short began with is of no use.
  void ask_by_tcp() {
    const boost::asio::ip::tcp::endpoint endpoint(server_, dns_port);
    tcp_ = net::Descriptor{::socket(endpoint.data()->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (tcp_.get() < 0) return fail();
    const int result = ::connect(tcp_.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size()));
    if (result != 0 && errno != EINPROGRESS) fail();
  }

  void on_tcp(TimePoint now) {
    if (!connected_) return on_connected();
    std::array<std::uint8_t, largest_message> some{};
    const ssize_t size = ::recv(tcp_.get(), some.data(), some.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
      error_ = size < 0 ? errno : ECONNRESET;
      return;
    }
    received_.insert(received_.end(), some.begin(), some.begin() + size);
    while (received_.size() >= 2) {
      const std::size_t length = received_[0] * 256U + received_[1];
      if (received_.size() < 2 + length) return;
      take(std::span(received_).subspan(2, length), now);
      received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(2 + length));
    }
  }

  void on_connected() {
    socklen_t length = sizeof error_;
    ::getsockopt(tcp_.get(), SOL_SOCKET, SO_ERROR, &error_, &length);
    if (error_ != 0) return;
    connected_ = true;
    std::vector<std::uint8_t> all;
    for (const Question& question : questions_) {
      if (question.answer || question.sent.empty()) continue;
      const auto message = net::dns_question(question.sent.back().id, question.name, question.type);
      all.push_back(static_cast<std::uint8_t>(message.size() / 256));
      all.push_back(static_cast<std::uint8_t>(message.size() % 256));
      all.insert(all.end(), message.begin(), message.end());
    }
    if (::send(tcp_.get(), all.data(), all.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(all.size())) fail();
  }

  address server_;
  std::string behind_;
  std::vector<Question> questions_;  ///< the last is for the name that can't exist
  net::Descriptor udp_;
  net::Descriptor tcp_;
  bool connected_ = false;
  std::vector<std::uint8_t> received_;
  int error_ = 0;
};

std::vector<Question> questions_for(const std::string& name, AddressFamily family) {
  std::vector<Question> questions;
  if (family != AddressFamily::inet6) questions.push_back({name, net::DnsType::a});
  if (family != AddressFamily::inet) questions.push_back({name, net::DnsType::aaaa});
  const std::string nobody = "no-" + std::to_string(random_number()) + ".invalid";  // RFC 6761, 6.4
  questions.push_back({nobody, family == AddressFamily::inet6 ? net::DnsType::aaaa : net::DnsType::a});
  return questions;
}

void ask(std::vector<Asking>& all) {
  const TimePoint began = Clock::now();
  std::size_t repeated = 0;
  std::optional<TimePoint> answered;
  for (Asking& asking : all) asking.send(began);
  while (true) {
    const TimePoint now = Clock::now();
    const auto each = [&](auto predicate) { return std::all_of(all.begin(), all.end(), predicate); };
    if (each([](const Asking& asking) { return asking.over(); })) return;
    if (!answered && each([](const Asking& asking) { return asking.answered(); })) answered = now;
    const TimePoint end = answered ? std::min(*answered + patience_beside, began + patience) : began + patience;
    if (now >= end) return;
    TimePoint wake = end;
    if (repeated < again.size()) {
      if (now >= began + again.at(repeated)) {
        ++repeated;
        for (Asking& asking : all) {
          if (!asking.over()) asking.send(now);
        }
      }
      if (repeated < again.size()) wake = std::min(wake, began + Duration{again.at(repeated)});
    }
    std::vector<pollfd> ready;
    std::vector<Asking*> whose;
    for (Asking& asking : all) {
      if (asking.over()) continue;
      ready.push_back({asking.descriptor(), asking.events(), 0});
      whose.push_back(&asking);
    }
    const auto wait = std::max<std::int64_t>(std::chrono::ceil<Milliseconds>(wake - now).count(), 0);
    if (::poll(ready.data(), ready.size(), static_cast<int>(wait)) < 0 && errno != EINTR) return;
    for (std::size_t at = 0; at < ready.size(); ++at) {
      if (ready[at].revents != 0) whose[at]->on_ready(Clock::now());
    }
  }
}

}  // namespace

NameFindings ask_name_servers(const std::string& name, AddressFamily family) {
  NameFindings found;
  found.name = name;
  found.in_hosts = net::hosts_name(content_of("/etc/hosts"), name);
  if (found.in_hosts) return found;
  const net::ResolvConf conf = net::parse_resolv_conf(content_of("/etc/resolv.conf"));
  // resolver(5): a name without a dot is asked for in the domains of `search`.
  const bool in_domain = name.find('.') == std::string::npos && !conf.search.empty();
  const std::string full = in_domain ? name + "." + conf.search.front() : name;
  if (net::dns_question(0, full, net::DnsType::a).empty()) return found;

  std::vector<Asking> all;
  for (const address& server : conf.servers) all.emplace_back(server, "", questions_for(full, family));
  // systemd-resolved asks others, which it names here (systemd-resolved.service(8)).
  const auto stub = std::find_if(conf.servers.begin(), conf.servers.end(),
                                 [](const address& server) { return server.to_string() == "127.0.0.53"; });
  if (stub != conf.servers.end()) {
    for (const address& server : net::parse_resolv_conf(content_of("/run/systemd/resolve/resolv.conf")).servers)
      all.emplace_back(server, stub->to_string(), questions_for(full, family));
  }
  if (!all.empty()) ask(all);
  for (const Asking& asking : all) found.servers.push_back(asking.result());
  return found;
}

}  // namespace holdfast::doctor
