#include "status/routes.hpp"

#include <doctest/doctest.h>

#include "status/json.hpp"
#include "unit/status/example.hpp"

using namespace holdfast;
using status::Answer;

namespace {

struct FakeSource final : status::Source {
  Report report() const override { return current; }
  void reload(Reloaded then) override {
    ++reloads;
    then(refusal);
  }
  bool reconnect(const std::string& tunnel) override {
    reconnected.push_back(tunnel);
    return tunnel == "relay" || tunnel == "a b/c";
  }

  std::shared_ptr<void> examine(const std::string& tunnel, Tell tell) override {
    examined.push_back(tunnel);
    tell("a line\n");
    return std::make_shared<int>();
  }

  Report current = test::example_report();
  std::optional<std::string> refusal;
  int reloads = 0;
  std::vector<std::string> reconnected;
  std::vector<std::string> examined;
};

Answer answer(const status::Request& request, FakeSource& source) {
  std::optional<Answer> given;
  status::answer(request, source, [&](Answer told) {
    CHECK_FALSE(given);
    given = std::move(told);
  });
  REQUIRE(given);
  return *given;
}

Answer get(FakeSource& source, const std::string& target) {
  return answer({"GET", target, {}}, source);
}

Answer post(FakeSource& source, const std::string& target) {
  return answer({"POST", target, {}}, source);
}

}  // namespace

TEST_CASE("healthz says that the loop runs, whatever the tunnels do") {
  FakeSource source;
  CHECK(get(source, "/healthz").status == 200);
  CHECK(get(source, "/healthz").body == "ok\n");
  CHECK(get(source, "/healthz?a=b").status == 200);
}

TEST_CASE("readyz is 200 when every tunnel is up, and else says why not, a line each") {
  FakeSource source;
  CHECK(get(source, "/readyz").status == 503);
  CHECK(get(source, "/readyz").body ==
        "relay: up\nbackup: down for 4 min 0 s: TCP RST to our SYN: nobody listens, or a firewall rejects; backing "
        "off, next "
        "try in 12 s (connect to backup.example:2222: connection refused), with the "
        "former configuration; the changed one can't come up: connect to backup.example:2223: connection timed out\n");
  source.current.tunnels.pop_back();
  CHECK(get(source, "/readyz").status == 200);
  CHECK(get(source, "/readyz").body == "relay: up\n");
  source.current.tunnels.clear();
  CHECK(get(source, "/readyz").status == 503);
  CHECK(get(source, "/readyz").body == "no tunnels configured\n");
}

TEST_CASE("status is the document") {
  FakeSource source;
  CHECK(get(source, "/v1/status").body == status::to_json(source.current));
  CHECK(get(source, "/v1/status").content_type == "application/json");
}

TEST_CASE("a reload is 200, and 422 with the reason when the file was refused") {
  FakeSource source;
  CHECK(post(source, "/v1/reload").status == 200);
  CHECK(source.reloads == 1);
  source.refusal = "bad \"file\"";
  CHECK(post(source, "/v1/reload").status == 422);
  CHECK(post(source, "/v1/reload").body == "{\"error\":\"bad \\\"file\\\"\"}\n");
}

TEST_CASE("a reconnect names its tunnel, percent-encoded") {
  FakeSource source;
  CHECK(post(source, "/v1/tunnels/relay/reconnect").status == 202);
  CHECK(post(source, "/v1/tunnels/a%20b%2Fc/reconnect").status == 202);
  CHECK(source.reconnected == std::vector<std::string>{"relay", "a b/c"});
}

TEST_CASE("a look at a tunnel is answered in pieces, once these are begun") {
  FakeSource source;
  const Answer answer = post(source, "/v1/tunnels/relay/doctor");
  CHECK(answer.status == 200);
  CHECK(source.examined.empty());
  REQUIRE(answer.pieces);
  std::string told;
  CHECK(answer.pieces([&](const std::string& piece) { told += piece; }));
  CHECK(told == "a line\n");
  CHECK(source.examined == std::vector<std::string>{"relay"});
  CHECK(post(source, "/v1/tunnels/relai/doctor").status == 404);
}

TEST_CASE("a reconnect of an unknown tunnel is 404 and names those that there are") {
  FakeSource source;
  const Answer answer = post(source, "/v1/tunnels/relai/reconnect");
  CHECK(answer.status == 404);
  CHECK(status::error_text(answer.body) == "no tunnel is called 'relai'; there are: relay, backup");
}

TEST_CASE("a name that is not correctly percent-encoded is 400") {
  FakeSource source;
  for (const char* name : {"%", "%2", "%zz", "a%2", "%+1", "% 1"}) {
    CAPTURE(name);
    CHECK(post(source, "/v1/tunnels/" + std::string{name} + "/reconnect").status == 400);
  }
  CHECK(source.reconnected.empty());
}

TEST_CASE("a name that is no UTF-8 is answered") {
  FakeSource source;
  CHECK(post(source, "/v1/tunnels/%FF/reconnect").status == 404);
}

TEST_CASE("a name with control characters is answered without them") {
  FakeSource source;
  const Answer answer = post(source, "/v1/tunnels/%7f%C2%9b%1b/reconnect");
  CHECK(answer.status == 404);
  CHECK(answer.body.find("'\\u007f\\u009b\\u001b'") != std::string::npos);
}

TEST_CASE("where no command is taken, whatever is no question is 403 and told why") {
  FakeSource source;
  for (const char* target : {"/v1/reload", "/v1/tunnels/relay/reconnect", "/v1/status", "/", "*"}) {
    for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get", "BREW", ""}) {
      CAPTURE(target);
      CAPTURE(method);
      const Answer refused = answer({method, target, "ask elsewhere"}, source);
      CHECK(refused.status == 403);
      CHECK(refused.body == "{\"error\":\"ask elsewhere\"}\n");
    }
  }
  CHECK(answer({"GET", "/v1/reload", "ask elsewhere"}, source).status == 405);
  CHECK(answer({"GET", "/v1/status", "ask elsewhere"}, source).status == 200);
  CHECK(answer({"HEAD", "/healthz", "ask elsewhere"}, source).status == 200);
  CHECK(source.reloads == 0);
  CHECK(source.reconnected.empty());
}

TEST_CASE("another method is 405 with the methods that there are") {
  FakeSource source;
  for (const char* target : {"/healthz", "/readyz", "/v1/status"}) {
    CHECK(post(source, target).status == 405);
    CHECK(post(source, target).allow == "GET, HEAD");
  }
  for (const char* target : {"/v1/reload", "/v1/tunnels/relay/reconnect", "/v1/tunnels/relay/doctor"}) {
    CHECK(get(source, target).status == 405);
    CHECK(get(source, target).allow == "POST");
  }
  CHECK(source.reloads == 0);
}

TEST_CASE("any other address is 404") {
  FakeSource source;
  for (const char* target : {"/", "", "*", "/v1", "/v1/status/", "/healthz/x", "/v1/tunnels//reconnect",
                             "/v1/tunnels/reconnect", "/v1/tunnels/a/b/reconnect", "/v1/tunnels/relay"}) {
    CAPTURE(target);
    CHECK(get(source, target).status == 404);
    CHECK(post(source, target).status == 404);
  }
  CHECK(source.reconnected.empty());
}
