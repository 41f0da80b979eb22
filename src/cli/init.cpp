#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "cli/check.hpp"
#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "cli/init/device.hpp"
#include "cli/init/holder.hpp"
#include "cli/init/plan.hpp"
#include "cli/init/relay.hpp"
#include "cli/init/way_in.hpp"
#include "cli/init/wish.hpp"
#include "setup/key.hpp"

namespace holdfast::cli {
namespace {

using namespace steps;

/// None in a dry run that would make it.
std::optional<setup::Key> prepare_key(const Wish& wish) {
  const std::string file = wish.places.key();
  const bool dry_run = wish.options.dry_run;
  if (dry_run && !exists(file)) {
    wish.say("key", "would make " + file);
    return std::nullopt;
  }
  if (!dry_run) make_folder(wish.places.config_folder, wish.places.is_service() ? 0755 : 0700);
  auto key = dry_run ? setup::find_key(file) : setup::find_or_make_key(file, host_name());
  if (!key) throw Stopped{key.error()};
  wish.say("key",
           (key->made ? "made " : "there already: ") + file + ", " + key->public_half.type + " " + key->fingerprint);
  if (!key->note.empty()) wish.say("key", key->note);
  return std::move(*key);
}

void check(const Wish& wish) {
  // Root sees the keys themselves.
  if (wish.places.is_service())
    ::setenv("CREDENTIALS_DIRECTORY", wish.places.config_folder.c_str(), 0);  // NOLINT(concurrency-mt-unsafe)
  if (!find_faults(wish.places.main_file())) throw Stopped{"'holdfast check' finds what is named above: mend it"};
  wish.say("check", "the configuration is good");
}

/// In this order: each step needs what those before it found or made.
void take_steps(const Wish& wish) {
  const Plan plan = make_plan(wish);
  const auto key = prepare_key(wish);
  const std::string known_line = meet_relay(wish, plan);
  const bool configuration_is_new = write_configuration(wish, plan);
  show_line(wish, plan, key, known_line);
  if (!wish.options.dry_run) {
    check(wish);
    Holder holder{wish, plan};
    if (holder.start(key->made, configuration_is_new)) holder.wait();
  }
  tell_how_to_log_in(wish);
}

}  // namespace

int init(const Options& options) {
  Wish wish{options.init};
  try {
    if (const auto wrong = wish.understand()) return complain(misused, *wrong + "; see 'holdfast init --help'");
    take_steps(wish);
    return done;
  } catch (const std::system_error& error) {
    return complain(failed, std::string{error.what()} + "\nTo go on: " + wish.again());
  } catch (const Stopped& stopped) {
    const std::string next = stopped.next.empty() ? wish.again() : stopped.next;
    return complain(failed, stopped.why + "\nTo go on: " + next);
  }
}

}  // namespace holdfast::cli
