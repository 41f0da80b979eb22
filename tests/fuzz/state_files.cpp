#include "fuzz/fuzz.hpp"
#include "holdfast/data_usage.hpp"
#include "net/address_cache.hpp"
#include "supervisor/kept_name.hpp"

namespace {

using namespace holdfast;
using fuzz::promise;

void try_addresses(std::string_view text) {
  const auto names = net::parse_addresses(text);
  if (!names) return;
  const std::string written = net::format_addresses(*names);
  promise(net::parse_addresses(written) == names, "the addresses read back the same");
  promise(fuzz::is_harmless(written), "names and addresses go to the log as they are");
  promise(!net::parse_addresses(text.substr(0, text.size() - 1)), "a file that was cut is not taken");
}

void try_usages(std::string_view text) {
  const auto usages = parse_usages(text);
  if (!usages) return;
  promise(parse_usages(format_usages(*usages)) == usages, "the bytes read back the same");
  promise(!parse_usages(text.substr(0, text.size() - 1)), "a file that was cut is not taken");
  DataUsages counted = *usages;
  const std::chrono::sys_seconds now = std::chrono::sys_days{std::chrono::year{2026} / 11 / 29};
  for (auto& [name, usage] : counted) {
    usage.count(1000, now);
    promise(projected_month(usage, 1000, now) >= usage.month, "what is left of the month takes nothing away");
  }
  promise(parse_usages(format_usages(counted)) == counted, "what was counted on top reads back the same");
  forget_others(counted, {"relay"}, now);
}

void try_name(std::string_view text) {
  const auto kept = supervisor::parse_kept_name(text);
  if (!kept) return;
  promise(supervisor::format_kept_name(*kept) == text, "a name's file has one form");
  promise(fuzz::is_harmless_line(kept->name), "a name is fit for the relay's script");
}

void run(std::string_view input) {
  try_addresses(input);
  try_usages(input);
  try_name(input);
}

const fuzz::Harness harness("state_files", run);

}  // namespace
