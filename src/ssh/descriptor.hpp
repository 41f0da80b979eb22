#pragma once

#include <chrono>
#include <optional>
#include <string>

/// What libssh's way with descriptors needs (docs/decisions/0002-libssh-owns-a-duplicate-descriptor.md), and a few
/// socket options. Failing options are ignored: they only tune.
namespace holdfast::ssh {

/// A close-on-exec duplicate, or -1 with errno.
int duplicate(int socket);
/// Closes `descriptor` if it still is a duplicate of `socket`. On some errors libssh has closed it already, and its
/// number may be another's by now.
void close_duplicate(int descriptor, int socket);

/// The retransmission timeout, doubled as often as it ran out; zero if all is acknowledged (TCP_INFO, tcp(7)).
std::chrono::microseconds repetition_wait(int socket);
/// How long ago the peer's kernel acknowledged something, be it a keepalive; none if the socket does not tell.
std::optional<std::chrono::milliseconds> since_acknowledged(int socket);

/// The round trip as TCP measured it, smoothed; zero if it can't be told.
std::chrono::microseconds round_trip(int socket);

void set_nonblocking(int socket);
/// Acknowledges what arrived without delay: hides the peer's Nagle stalls.
void acknowledge_at_once(int socket);

/// While it lives, small writes to the socket wait for each other, to go out in one segment (TCP_CORK, tcp(7)).
class Cork {
 public:
  explicit Cork(int socket);
  ~Cork();
  Cork(const Cork&) = delete;
  Cork& operator=(const Cork&) = delete;

 private:
  int socket_;
};

/// Keeps what the kernel holds unsent short, so that a small write beside bulk does not queue behind megabytes.
void limit_unsent(int socket);

/// The first line that waits in the socket, without taking it; empty if nothing does.
std::string peek_line(int socket);
/// Throws away what arrived. True at the end of the stream, or on an error.
bool discard_input(int socket);

/// To be called before a socket of a dead session is closed. With TCP_USER_TIMEOUT the kernel would give up the FIN as
/// well, and a relay that is only out of reach for a while would never hear that the session is over.
void let_the_fin_be_repeated(int socket);

}  // namespace holdfast::ssh
