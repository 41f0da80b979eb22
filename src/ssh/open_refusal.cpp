#include "ssh/open_refusal.hpp"

#include "holdfast/words.hpp"
#include "ssh/errors.hpp"

namespace holdfast::ssh {
namespace {

constexpr std::string_view marker = "Channel opening failure: channel ";

/// Takes the decimal number that `text` begins with, and what follows it if that is `end`.
std::string_view take_number(std::string_view& text, std::string_view end) {
  const std::string_view number = text.substr(0, text.find_first_not_of("0123456789"));
  if (!text.substr(number.size()).starts_with(end)) return "";
  text.remove_prefix(number.size() + end.size());
  return number;
}

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// SSH_OPEN_CONNECT_FAILED is also what sshd says when it can't look the name up, and the text is the server's own. All
/// servers that are known say "refused" of a connection that was. Go's also say it of a name server that can't be
/// reached: "dial tcp: lookup localhost on 192.0.2.1:53: read udp [...]: read: connection refused".
bool says_refused(std::string_view words) {
  const std::string text = lower(words);
  return holds(text, "refused") && !holds(text, "lookup") && !holds(text, "resolv");
}

}  // namespace

std::optional<OpenRefusal> refusal_in(std::string_view error) {
  if (!error.starts_with(marker)) return std::nullopt;
  error.remove_prefix(marker.size());
  if (take_number(error, " error (").empty()) return std::nullopt;
  const std::string_view reason = take_number(error, ") ");
  OpenRefusal refusal{OpenFailure::other, sanitize(error)};
  if (reason == "1") refusal.reason = OpenFailure::prohibited;
  if (reason == "2") refusal.reason = says_refused(error) ? OpenFailure::refused : OpenFailure::not_connected;
  return refusal;
}

#if LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 11, 0)

RefusalWatch::RefusalWatch(ssh_channel channel) : channel_(channel) {
  callbacks_.size = sizeof callbacks_;
  callbacks_.userdata = this;
  callbacks_.channel_open_response_function = [](ssh_session session, ssh_channel, bool opened, void* self) {
    if (!opened) static_cast<RefusalWatch*>(self)->refusal_ = refusal_in(ssh_get_error(session));
  };
  ssh_add_channel_callbacks(channel_, &callbacks_);
}

RefusalWatch::~RefusalWatch() {
  ssh_remove_channel_callbacks(channel_, &callbacks_);
}

std::optional<OpenRefusal> RefusalWatch::refusal() const {
  return refusal_;
}

#else

// libssh 0.10 has no callback for it, but logs each error where it happens, with the channel's number; and that number
// when it asks for the channel.
RefusalWatch::RefusalWatch(ssh_channel channel) : LogReader(SSH_LOG_PROTOCOL), channel_(channel) {}

/// A program that was built with 0.10 may run with a later one, which does not log it: there the last error is all
/// there is.
std::optional<OpenRefusal> RefusalWatch::refusal() const {
  return number_.empty() ? refusal_in(ssh_get_error(ssh_channel_get_session(channel_))) : refusal_;
}

/// "channel_open: Creating a channel 43 with ...", "ssh_packet_channel_open_fail: Channel opening failure: channel 43
/// ...", and others. The session of such a line is the one that has it as its error.
void RefusalWatch::read(const char* line) {
  constexpr std::string_view created = "channel_open: Creating a channel ";
  std::string_view text = line;
  if (number_.empty() && text.starts_with(created)) {
    text.remove_prefix(created.size());
    number_ = take_number(text, " ");
    want(SSH_LOG_WARN);
    return;
  }
  const std::string_view error = ssh_get_error(ssh_channel_get_session(channel_));
  const bool of_this = error.starts_with(std::string{marker} + number_ + " ");
  if (of_this && text.ends_with(error)) refusal_ = refusal_in(error);
}

#endif

}  // namespace holdfast::ssh
