#include "holdfast/addresses.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "holdfast/config.hpp"

namespace holdfast {
namespace {

/// How long an address that failed is second choice: then a preferred family may come back.
constexpr Duration mark_lasts = std::chrono::hours{1};
/// How many addresses of each kind are kept: a name server may say thousands.
constexpr std::size_t most_addresses = 16;
constexpr unsigned most_hasty = 16;

bool holds(const std::vector<std::string>& addresses, const std::string& address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

bool is_no_known_key(Cause cause) {
  return cause == Cause::host_key_unknown || is_wrong_host_key(cause);
}

/// In whole minutes: a message that changed each second would be a new one for the log each time.
std::string ago(Duration age) {
  using std::chrono::minutes;
  if (age < minutes{1}) return "a moment ago";
  if (age < minutes{60}) return std::to_string(std::chrono::floor<minutes>(age).count()) + " min ago";
  return to_text(age) + " ago";
}

constexpr std::string_view remedy_for_stranger =
    "Most likely a captive portal, or a name server that does not tell the truth: it ends by itself, and an address "
    "where the relay was is tried as well. Trust no key that is shown there unless its fingerprint is the relay's own "
    "(on the relay: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub).";

}  // namespace

AddressOrder Addresses::order(const FoundAddresses& found, TimePoint now) const {
  AddressOrder order;
  std::vector<Mark> second_choice;
  const auto append = [&](const std::vector<std::string>& addresses) {
    for (std::size_t index = 0; index < std::min(addresses.size(), most_addresses); ++index) {
      const std::string& address = addresses[index];
      const Mark* mark = mark_of(address);
      if (mark != nullptr && now - mark->at < mark_lasts) {
        second_choice.push_back(*mark);
      } else if (!holds(order.addresses, address)) {
        order.addresses.push_back(address);
      }
    }
    if (order.racing == 0) order.racing = order.addresses.size();
  };
  append(found.said);
  append(found.remembered);
  std::stable_sort(second_choice.begin(), second_choice.end(),
                   [](const Mark& left, const Mark& right) { return left.at < right.at; });
  for (const Mark& mark : second_choice) {
    if (!holds(order.addresses, mark.address)) order.addresses.push_back(mark.address);
  }
  if (order.racing == 0) order.racing = 1;
  return order;
}

void Addresses::dial(std::string host) {
  host_ = std::move(host);
  current_.clear();
  key_was_right_ = false;
}

AddressOrder Addresses::found(FoundAddresses found, TimePoint now) {
  found_ = std::move(found);
  found_.said.resize(std::min(found_.said.size(), most_addresses));
  found_.remembered.resize(std::min(found_.remembered.size(), most_addresses));
  failed_.erase(
      std::remove_if(failed_.begin(), failed_.end(), [&](const Mark& mark) { return now - mark.at >= mark_lasts; }),
      failed_.end());
  return order(found_, now);
}

void Addresses::connected(std::string address) {
  current_ = std::move(address);
}

bool Addresses::another_untried() const {
  const auto untried = [&](const std::string& address) { return address != current_ && mark_of(address) == nullptr; };
  return hasty_ < most_hasty && (std::any_of(found_.said.begin(), found_.said.end(), untried) ||
                                 std::any_of(found_.remembered.begin(), found_.remembered.end(), untried));
}

bool Addresses::failed(Cause cause, TimePoint now) {
  const Blame blamed = facts_of(cause).blame;
  if (current_.empty() || blamed == Blame::nobody) return false;
  if (blamed == Blame::whoever_is_there && key_was_right_) return false;
  answered(current_);
  failed_.push_back({current_, now});
  if (failed_.size() > 2 * most_addresses) failed_.erase(failed_.begin());
  if (!another_untried()) return false;
  ++hasty_;
  return true;
}

void Addresses::lasted() {
  answered(current_);
  hasty_ = 0;
}

void Addresses::forgive() {
  failed_.clear();
  hasty_ = 0;
}

Failure Addresses::explain(Failure failure, const std::string& relay) const {
  if (current_.empty() || looks_like_address(host_)) return failure;
  if (failure.subject == relay) failure.subject += " [" + current_ + "]";
  const bool stranger = is_stranger(failure.cause);
  if (stranger || is_no_known_key(failure.cause) || failure.cause == Cause::protocol_mismatch)
    failure.detail += what_is_known();
  if (stranger) failure.remedy = remedy_for_stranger;
  return failure;
}

/// Without a memory, a name that has no line in known_hosts is more likely a device that nobody told the key.
bool Addresses::is_stranger(Cause cause) const {
  if (current_.empty() || looks_like_address(host_)) return false;
  const bool refused = is_refused_login(cause) && !key_was_right_;
  if (!is_no_known_key(cause) && !refused) return false;
  if ((cause == Cause::host_key_unknown || refused) && found_.remembered.empty()) return false;
  return !holds(found_.said, current_) || !holds(found_.remembered, current_);
}

std::string Addresses::what_is_known() const {
  if (found_.remembered.empty()) return "";
  const std::string& known = found_.remembered.front();
  const std::string was_right = known + " was right" + (found_.age ? " until " + ago(*found_.age) : "");
  if (found_.said.empty()) return "; DNS does not say what " + host_ + " means now, " + was_right;
  if (holds(found_.said, known)) return "; " + host_ + " still means what it meant: " + was_right;
  return "; " + host_ + " means " + found_.said.front() + " now, " + was_right;
}

const Addresses::Mark* Addresses::mark_of(const std::string& address) const {
  const auto found =
      std::find_if(failed_.begin(), failed_.end(), [&](const Mark& mark) { return mark.address == address; });
  return found == failed_.end() ? nullptr : &*found;
}

void Addresses::answered(const std::string& address) {
  failed_.erase(
      std::remove_if(failed_.begin(), failed_.end(), [&](const Mark& mark) { return mark.address == address; }),
      failed_.end());
}

}  // namespace holdfast
