#include "support/ssh/transport.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace holdfast::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kex_names = "curve25519-sha256,curve25519-sha256@libssh.org";
constexpr std::string_view strict_server = "kex-strict-s-v00@openssh.com";
constexpr std::string_view strict_client = "kex-strict-c-v00@openssh.com";
constexpr std::string_view host_key_name = "ssh-ed25519";
constexpr std::size_t mac_size = 32;
constexpr std::size_t block_size = 16;
constexpr std::size_t block_size_without_cipher = 8;
constexpr std::uint32_t longest_packet = 256 * 1024;
/// For one packet to come or to go; longer than what any test waits for.
constexpr std::chrono::seconds patience{60};

std::string host_key_blob(const KeyPair& host_key) {
  return Writer().string(host_key_name).string(host_key.public_key()).bytes();
}

std::string first_of(std::string_view names) {
  return std::string(names.substr(0, names.find(',')));
}

bool is_gone(int error) {
  return error != EAGAIN && error != EINTR;
}

}  // namespace

SshTransport::SshTransport(Socket& socket, const KeyPair& host_key, std::string banner, bool strict_kex)
    : socket_(socket), host_key_(host_key), banner_(std::move(banner)), strict_kex_(strict_kex) {}

std::string SshTransport::known_key(const KeyPair& host_key) {
  return std::string(host_key_name) + " " + base64(host_key_blob(host_key));
}

// ---- bytes -------------------------------------------------------------------------------------------------------

void SshTransport::send_banner() {
  send_bytes(banner_ + "\r\n");
}

void SshTransport::receive_banner() {
  while (client_banner_.empty() || client_banner_.back() != '\n') client_banner_ += take(1);
  client_banner_.erase(client_banner_.find_last_not_of("\r\n") + 1);
}

void SshTransport::send_bytes(std::string_view bytes) {
  if (!send_until(bytes, Clock::now() + patience, false)) throw PeerGone("the client does not read");
}

bool SshTransport::send_until(std::string_view bytes, Clock::time_point deadline, bool reading) {
  outbox_ += bytes;
  while (!outbox_.empty()) {
    pollfd ready{socket_.fd(), static_cast<short>(reading ? POLLIN | POLLOUT : POLLOUT), 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) == 0) return false;
    if ((ready.revents & POLLIN) != 0) receive_more();
    const ssize_t sent = ::send(socket_.fd(), outbox_.data(), outbox_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && is_gone(errno)) throw PeerGone("the client is gone");
    if (sent > 0) outbox_.erase(0, static_cast<std::size_t>(sent));
  }
  return true;
}

void SshTransport::receive_more() {
  std::array<char, 65536> buffer{};
  const ssize_t got = ::recv(socket_.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got == 0 || (got < 0 && is_gone(errno))) throw PeerGone("the client is gone");
  if (got > 0) inbox_.append(buffer.data(), static_cast<std::size_t>(got));
}

std::string SshTransport::take(std::size_t count) {
  while (inbox_.size() - taken_ < count) {
    pollfd ready{socket_.fd(), POLLIN, 0};
    if (::poll(&ready, 1, std::chrono::milliseconds(patience).count()) == 0) throw PeerGone("the client is silent");
    receive_more();
  }
  std::string taken = inbox_.substr(taken_, count);
  taken_ += count;
  if (taken_ == inbox_.size()) {
    inbox_.clear();
    taken_ = 0;
  }
  return taken;
}

bool SshTransport::has_input() const {
  pollfd ready{socket_.fd(), POLLIN, 0};
  return taken_ < inbox_.size() || ::poll(&ready, 1, 0) > 0;
}

// ---- packets -----------------------------------------------------------------------------------------------------

std::string SshTransport::seal(std::string_view payload) {
  const bool encrypted = out_.cipher.has_value();
  const std::size_t block = encrypted ? block_size : block_size_without_cipher;
  const std::size_t head = encrypted ? 1 : 5;  // encrypt-then-mac leaves the length out of the cipher
  std::size_t padding = block - (head + payload.size()) % block;
  if (padding < 4) padding += block;
  std::string body = Writer(static_cast<std::uint8_t>(padding)).raw(payload).raw(std::string(padding, '\0')).bytes();
  const auto size = static_cast<std::uint32_t>(body.size());
  if (encrypted) body = out_.cipher->apply(body);
  Writer packet;
  packet.uint32(size).raw(body);
  const std::uint32_t sequence = out_.sequence++;
  if (encrypted) packet.raw(hmac_sha256(out_.mac_key, Writer().uint32(sequence).raw(packet.bytes()).bytes()));
  return packet.bytes();
}

Packet SshTransport::receive() {
  for (;;) {
    const std::string head = take(4);
    const std::uint32_t size = Reader(head).uint32();
    if (size < 2 || size > longest_packet) throw std::runtime_error("the client's packet has no good length");
    std::string body = take(size);
    const std::uint32_t sequence = in_.sequence++;
    if (in_.cipher) {
      const std::string expected = hmac_sha256(in_.mac_key, Writer().uint32(sequence).raw(head).raw(body).bytes());
      if (take(mac_size) != expected) throw std::runtime_error("the client's packet has a wrong MAC");
      body = in_.cipher->apply(body);
    }
    Reader reader(body);
    const std::size_t padding = reader.byte();
    Packet packet{std::string(reader.raw(size - 1 - std::min<std::size_t>(padding, size - 2)))};
    const bool guessed_wrong = packet.type() == msg::kex_ecdh_init && std::exchange(skip_guess_, false);
    if (!guessed_wrong) return packet;
  }
}

// ---- exchanges of keys -------------------------------------------------------------------------------------------

void SshTransport::send_kexinit() {
  const std::string kex = std::string(kex_names) + (strict_kex_ ? "," + std::string(strict_server) : "");
  Writer kexinit(msg::kexinit);
  kexinit.raw(random_bytes(16)).string(kex).string(host_key_name);
  for (int direction = 0; direction < 2; ++direction) kexinit.string("aes256-ctr");
  for (int direction = 0; direction < 2; ++direction) kexinit.string("hmac-sha2-256-etm@openssh.com");
  for (int direction = 0; direction < 2; ++direction) kexinit.string("none");
  for (int direction = 0; direction < 2; ++direction) kexinit.string("");
  our_kexinit_ = kexinit.boolean(false).uint32(0).bytes();
  send(our_kexinit_);
}

bool SshTransport::handle(const Packet& packet) {
  switch (packet.type()) {
    case msg::kexinit:
      on_kexinit(packet);
      return true;
    case msg::kex_ecdh_init:
      on_ecdh_init(packet);
      return true;
    case msg::newkeys:
      change_keys(in_, 'A', 'C', 'E');
      our_kexinit_.clear();
      newkeys_sent_ = false;
      ++key_exchanges_;
      return true;
    default:
      return false;
  }
}

void SshTransport::on_kexinit(const Packet& packet) {
  their_kexinit_ = packet.payload;
  Reader body = packet.body();
  body.raw(16);
  const std::string_view kex = body.string();
  const std::string_view host_keys = body.string();
  for (int lists = 0; lists < 8; ++lists) body.string();
  const bool right = first_of(kex) == first_of(kex_names) && first_of(host_keys) == host_key_name;
  skip_guess_ = body.boolean() && !right;
  if (session_id_.empty()) strict_kex_ = strict_kex_ && list_has(kex, strict_client);
  if (our_kexinit_.empty()) send_kexinit();
}

void SshTransport::on_ecdh_init(const Packet& packet) {
  const std::string theirs(packet.body().string());
  const KeyPair ours = KeyPair::x25519();
  const std::string host_key = host_key_blob(host_key_);
  secret_ = Writer().mpint(ours.agree(theirs)).bytes();
  hash_ = sha256(Writer()
                     .string(client_banner_)
                     .string(banner_)
                     .string(their_kexinit_)
                     .string(our_kexinit_)
                     .string(host_key)
                     .string(theirs)
                     .string(ours.public_key())
                     .raw(secret_)
                     .bytes());
  if (session_id_.empty()) session_id_ = hash_;
  const std::string signature = Writer().string(host_key_name).string(host_key_.sign(hash_)).bytes();
  send(Writer(msg::kex_ecdh_reply).string(host_key).string(ours.public_key()).string(signature).bytes());
  send(Writer(msg::newkeys).bytes());
  newkeys_sent_ = true;
  change_keys(out_, 'B', 'D', 'F');
}

void SshTransport::change_keys(Direction& direction, char iv, char key, char mac) const {
  direction.cipher.emplace(derive(key), derive(iv).substr(0, block_size));
  direction.mac_key = derive(mac);
  if (strict_kex_) direction.sequence = 0;
}

/// 32 bytes are all that anything here needs (RFC 4253, 7.2).
std::string SshTransport::derive(char what) const {
  return sha256(secret_ + hash_ + what + session_id_);
}

}  // namespace holdfast::test
