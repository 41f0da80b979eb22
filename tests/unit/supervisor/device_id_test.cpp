#include "supervisor/device_id.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <vector>

#include "relay/lease_protocol.hpp"
#include "support/keys.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using holdfast::supervisor::DeviceId;
using holdfast::supervisor::DeviceTraits;
using holdfast::test::client_key;
using holdfast::test::KeyType;
using holdfast::test::read_file;
using holdfast::test::TempDir;
using holdfast::test::write_file;

namespace {

const DeviceTraits pi{"gateway", "10000000a1b2c3d4", "0f0e0d0c0b0a09080706050403020100"};

/// What a device with these traits calls itself when it starts, and what it said about it.
struct Start {
  Start(const std::string& file, const DeviceTraits& traits, std::uint32_t random = 1)
      : id(file, traits, random, [this](const std::string& line) { said.push_back(line); }) {}

  std::string name(const TunnelSpec& spec = {}) const { return id.of(spec).now; }

  std::vector<std::string> said;
  DeviceId id;
};

DeviceTraits with(DeviceTraits traits, std::optional<std::string> board, std::optional<std::string> machine) {
  if (board) traits.board_serial = *board;
  if (machine) traits.machine_id = *machine;
  return traits;
}

TunnelSpec logging_in_with(KeyType type) {
  TunnelSpec spec;
  spec.identity_file = {client_key(type)};
  return spec;
}

}  // namespace

TEST_CASE("a device keeps its name when its host name and machine id change") {
  const TempDir state;
  const std::string first = Start(state / "device_id", pi).name();
  CHECK(first.starts_with("gateway-"));
  CHECK(relay::is_device_name(first));
  DeviceTraits later = with(pi, std::nullopt, "another");
  later.host_name = "localhost";
  const Start second(state / "device_id", later);
  CHECK(second.name() == first);
  CHECK(second.said.empty());
}

TEST_CASE("a card that is copied, or moved, to another board gets a name of its own") {
  const TempDir state;
  const std::string first = Start(state / "device_id", pi).name();
  const Start moved(state / "device_id", with(pi, "20000000a1b2c3d4", std::nullopt));
  CHECK(moved.name() != first);
  CHECK(moved.said.empty());
  CHECK(Start(state / "device_id", with(pi, "20000000a1b2c3d4", std::nullopt)).name() == moved.name());
}

TEST_CASE("where nothing names the machine, chance does, and the file keeps it") {
  const TempDir state;
  const TempDir other_state;
  const DeviceTraits nameless = with(pi, "", "");
  const std::string first = Start(state / "device_id", nameless, 1).name();
  CHECK(Start(state / "device_id", nameless, 2).name() == first);
  CHECK(Start(other_state / "device_id", nameless, 2).name() != first);
}

TEST_CASE("boards of one image with one machine id have different names") {
  const TempDir one;
  const TempDir other;
  CHECK(Start(one / "device_id", pi).name() !=
        Start(other / "device_id", with(pi, "20000000a1b2c3d4", std::nullopt)).name());
}

TEST_CASE("whatever the host is called, the name can be said to the relay") {
  const TempDir state;
  CHECK(relay::is_device_name(Start(state / "a", {"", "", ""}).name()));
  CHECK(relay::is_device_name(Start(state / "b", {"b\xc3\xa4r $(reboot)", "", "x"}).name()));
  CHECK(relay::is_device_name(Start(state / "c", {std::string(255, 'h'), "", "x"}).name()));
}

TEST_CASE("a file that is no name is replaced, and said") {
  const TempDir state;
  const std::string file = state / "device_id";
  for (const char* const text : {"", "gateway", "gateway -", "bad/name -\n", " -\n", "gateway 12345678 more\n"}) {
    CAPTURE(text);
    write_file(file, text, 0644);
    const Start start(file, pi);
    CHECK(start.name().starts_with("gateway-"));
    CHECK(read_file(file).starts_with(start.name() + " "));
    if (std::string{text} != "gateway 12345678 more\n") CHECK(start.said.size() == 1);
  }
}

TEST_CASE("where no file can be kept, the login key names the device, and each key another") {
  const DeviceTraits container{"3f9c0a", "", "fresh"};
  const Start start("/nonexistent/device_id", container);
  CHECK(start.said.size() == 1);
  const std::string name = start.name(logging_in_with(KeyType::ed25519));
  CHECK(name.starts_with("key-"));
  CHECK(Start("/nonexistent/device_id", {"81b2d7", "", "fresher"}).name(logging_in_with(KeyType::ed25519)) == name);
  CHECK(start.name(logging_in_with(KeyType::ecdsa)) != name);
  CHECK(start.name() == Start("/nonexistent/device_id", container).name());  // an agent's keys are not asked
}

TEST_CASE("the first start that can keep a name knows what the device was called before") {
  const TempDir state;
  const TunnelSpec spec = logging_in_with(KeyType::ed25519);
  const std::string before = Start("/nonexistent/device_id", pi).name(spec);
  const Start first(state / "device_id", pi);
  CHECK(first.name(spec) != before);
  CHECK(first.id.of(spec).before == before);
  CHECK(Start(state / "device_id", pi).id.of(spec).before.empty());
  CHECK(Start("/nonexistent/device_id", pi).id.of(spec).before.empty());
}

TEST_CASE("device_id wins") {
  const TempDir state;
  TunnelSpec spec = logging_in_with(KeyType::ed25519);
  spec.device_id = "site-17";
  CHECK(Start(state / "device_id", pi).name(spec) == "site-17");
  CHECK(Start("/nonexistent/device_id", pi).name(spec) == "site-17");
}
