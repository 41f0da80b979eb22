#include "ssh/openings.hpp"

#include <utility>

namespace holdfast::ssh {

void Openings::direct_tcpip(std::string host, std::uint16_t port, OpenHandler handler) {
  under_way_.push_back({DirectTcpip{std::move(host), port}, std::move(handler)});
}

void Openings::exec(std::string command, OpenHandler handler) {
  under_way_.push_back({Exec{std::move(command), false}, std::move(handler)});
}

std::vector<std::function<void()>> Openings::advance() {
  std::vector<std::function<void()>> results;
  for (auto opening = under_way_.begin(); opening != under_way_.end();) {
    const int rc = step(*opening);
    if (rc == SSH_AGAIN) {
      ++opening;
      continue;
    }
    const auto watch = std::move(opening->watch);
    if (rc == SSH_OK) {
      results.emplace_back([handler = std::move(opening->handler), channel = track(link_, opening->channel.release())] {
        handler(Channel{channel});
      });
    } else {
      // A command that was refused leaves an open channel behind, which is closed as any other.
      const auto* exec = std::get_if<Exec>(&opening->kind);
      if (exec != nullptr && exec->channel_open) Channel{track(link_, opening->channel.release())};
      OpenRefusal refusal = watch ? watch->refusal().value_or(OpenRefusal{}) : OpenRefusal{};
      results.emplace_back(
          [handler = std::move(opening->handler), refusal = std::move(refusal)] { handler(tl::unexpected(refusal)); });
    }
    opening = under_way_.erase(opening);
  }
  return results;
}

void Openings::forget() {
  for (Opening& opening : under_way_) {
    opening.watch.reset();
    static_cast<void>(opening.channel.release());
  }
  under_way_.clear();
}

int Openings::step(Opening& opening) {
  if (!opening.channel) {
    opening.channel.reset(ssh_channel_new(link_->session));
    if (!opening.channel) return SSH_ERROR;
    opening.watch = std::make_unique<RefusalWatch>(opening.channel.get());
  }
  return std::visit([&](auto& kind) { return step(opening.channel.get(), kind); }, opening.kind);
}

int Openings::step(ssh_channel channel, DirectTcpip& direct) {
  // The originator is for the relay's log only; ours means nothing there.
  return ssh_channel_open_forward(channel, direct.host.c_str(), direct.port, "127.0.0.1", 0);
}

int Openings::step(ssh_channel channel, Exec& exec) {
  if (!exec.channel_open) {
    const int rc = ssh_channel_open_session(channel);
    if (rc != SSH_OK) return rc;
    exec.channel_open = true;
  }
  return ssh_channel_request_exec(channel, exec.command.c_str());
}

}  // namespace holdfast::ssh
