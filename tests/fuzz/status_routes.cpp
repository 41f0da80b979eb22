#include "fuzz/fuzz.hpp"
#include "status/json.hpp"
#include "status/printable.hpp"
#include "status/routes.hpp"
#include "unit/status/example.hpp"

namespace {

using namespace holdfast;
using fuzz::promise;

class FakeSource final : public status::Source {
 public:
  Report report() const override { return test::example_report(); }
  void reload(Reloaded then) override {
    ++written;
    then("it is refused");
  }
  bool reconnect(const std::string& tunnel) override {
    ++written;
    return tunnel == "relay";
  }

  std::shared_ptr<void> examine(const std::string&, Tell) override {
    ++written;
    return nullptr;
  }

  int written = 0;
};

/// Whether the peer may command, a line of the method, and the target.
void run(std::string_view input) {
  const bool may_command = (fuzz::take_byte(input) & 1U) != 0;
  const std::string_view method = fuzz::take_line(input);
  FakeSource source;
  status::Answer answer{0, "", "", ""};
  status::answer({method, input, may_command ? "" : "it may not"}, source,
                 [&](status::Answer given) { answer = std::move(given); });
  promise(answer.status >= 200 && answer.status <= 599 && answer.body.empty() == bool{answer.pieces},
          "every request has an answer");
  promise(answer.status != 405 || !answer.allow.empty(), "405 says which methods there are");
  promise(status::printable(answer.body) == answer.body, "an answer is text");
  promise(source.written <= (may_command && method == "POST" ? 1 : 0),
          "only who may command changes something, and once");
  promise(answer.status < 400 || answer.status == 503 || status::error_text(answer.body) != answer.body,
          "an error has words");
}

const fuzz::Harness harness("status_routes", run);

}  // namespace
