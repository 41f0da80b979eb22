#include "lab/resolver.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "lab/lab.hpp"

namespace holdfast::lab {
namespace {

using Message = std::vector<std::uint8_t>;

constexpr std::size_t header_size = 12;

/// The name that is asked for: "relay.lab".
std::string name_of(const Message& question) {
  std::string name;
  for (std::size_t at = header_size; at < question.size() && question[at] != 0; at += 1U + question[at]) {
    for (std::size_t letter = at + 1; letter <= at + question[at] && letter < question.size(); ++letter) {
      name += static_cast<char>(question[letter]);
    }
    name += '.';
  }
  if (!name.empty()) name.pop_back();
  return name;
}

/// RCODE; 0: there is an answer.
std::uint8_t code_of(Manner manner, const Message& question) {
  switch (manner) {
    case Manner::refuses:
      return 5;
    case Manner::fails:
      return 2;
    case Manner::denies:
      return 3;
    case Manner::honest:
      return name_of(question) == Lab::relay_name ? 0 : 3;
    case Manner::knows_all:
    case Manner::silent:
      return 0;
  }
  return 0;
}

/// RFC 1035, 4: the question's own bytes, and for type A one record. Nothing for what is not a plain question.
std::optional<Message> answer_to(const Message& question, const std::string& address, std::uint8_t code) {
  std::size_t end = header_size;
  while (end < question.size() && question[end] != 0) {
    end += 1U + question[end];
  }
  end += 5;  // the root label, type and class
  if (question.size() < end || question[5] != 1) {
    return {};
  }
  Message answer(question.begin(), question.begin() + static_cast<std::ptrdiff_t>(end));
  const bool wants_ipv4 = code == 0 && answer[end - 3] == 1;
  answer[2] = 0x84 | (question[2] & 1);  // an authoritative response, recursion desired as asked
  answer[3] = 0x80 | code;               // recursion available
  answer[7] = wants_ipv4 ? 1 : 0;
  answer[8] = answer[9] = answer[10] = answer[11] = 0;  // an EDNS option of the question is left out
  if (wants_ipv4) {
    // The name is at offset 12; type A, class IN, 60 s, 4 bytes.
    for (const int byte : {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4}) {
      answer.push_back(static_cast<std::uint8_t>(byte));
    }
    in_addr ipv4{};
    ::inet_pton(AF_INET, address.c_str(), &ipv4);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&ipv4);
    answer.insert(answer.end(), bytes, bytes + sizeof ipv4);
  }
  return answer;
}

}  // namespace

Resolver::Resolver(const Host& host, const std::string& address, Manner manner, std::chrono::milliseconds delay,
                   const std::string& here)
    : address_(address), manner_(manner), delay_(delay) {
  const InNetwork network(host);
  socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_port = htons(53);
  ::inet_pton(AF_INET, here.c_str(), &own.sin_addr);
  if (socket_ < 0 || ::bind(socket_, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
    throw std::system_error(errno, std::generic_category(), "the lab's name server");
  }
  thread_ = std::thread([this] { serve(); });
}

Resolver::~Resolver() {
  ending_ = true;
  thread_.join();
  ::close(socket_);
}

void Resolver::serve() {
  struct Waiting {
    std::chrono::steady_clock::time_point due;
    Message answer;
    sockaddr_in to;
  };
  std::deque<Waiting> waiting;
  while (!ending_) {
    for (; !waiting.empty() && waiting.front().due <= std::chrono::steady_clock::now(); waiting.pop_front()) {
      const Waiting& next = waiting.front();
      ::sendto(socket_, next.answer.data(), next.answer.size(), 0, reinterpret_cast<const sockaddr*>(&next.to),
               sizeof next.to);
    }
    pollfd ready{socket_, POLLIN, 0};
    if (::poll(&ready, 1, waiting.empty() ? 50 : 5) != 1) {
      continue;
    }
    Message question(512);
    sockaddr_in from{};
    socklen_t from_size = sizeof from;
    const ssize_t got =
        ::recvfrom(socket_, question.data(), question.size(), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
    if (got < 0) {
      continue;
    }
    question.resize(static_cast<std::size_t>(got));
    const auto answer = answer_to(question, address_, code_of(manner_, question));
    if (!answer) {
      continue;
    }
    ++questions_;
    if (manner_ == Manner::silent) {
      continue;
    }
    if (delay_ > delay_.zero()) {
      waiting.push_back({std::chrono::steady_clock::now() + delay_, *answer, from});
    } else {
      ::sendto(socket_, answer->data(), answer->size(), 0, reinterpret_cast<const sockaddr*>(&from), from_size);
    }
  }
}

}  // namespace holdfast::lab
