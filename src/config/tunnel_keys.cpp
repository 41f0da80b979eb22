#include "config/tunnel_keys.hpp"

#include <array>

#include "config/relays.hpp"
#include "config/types.hpp"

namespace holdfast::config {
namespace {

constexpr std::int64_t minute = 60;
constexpr std::int64_t hour = 60 * minute;
constexpr std::int64_t day = 24 * hour;
constexpr std::uint64_t mebibyte = std::uint64_t{1024} * 1024;

constexpr Names<StrictHostKeyChecking, 7> strict_names{{{{"yes", StrictHostKeyChecking::yes},
                                                         {"accept-new", StrictHostKeyChecking::accept_new},
                                                         {"no", StrictHostKeyChecking::no},
                                                         {"true", StrictHostKeyChecking::yes},
                                                         {"on", StrictHostKeyChecking::yes},
                                                         {"false", StrictHostKeyChecking::no},
                                                         {"off", StrictHostKeyChecking::no}}},
                                                       3};

constexpr Names<AddressFamily, 3> family_names{
    {{{"any", AddressFamily::any}, {"inet", AddressFamily::inet}, {"inet6", AddressFamily::inet6}}}};

constexpr Names<RelaySelection, 2> selection_names{
    {{{"ordered", RelaySelection::ordered}, {"hash", RelaySelection::hash}}}};

constexpr Names<LogLevel, 9> log_level_names{{{{"quiet", LogLevel::quiet},
                                               {"fatal", LogLevel::fatal},
                                               {"error", LogLevel::error},
                                               {"info", LogLevel::info},
                                               {"verbose", LogLevel::verbose},
                                               {"debug", LogLevel::debug},
                                               {"debug2", LogLevel::debug2},
                                               {"debug3", LogLevel::debug3},
                                               {"debug1", LogLevel::debug}}},
                                             8};

constexpr Names<Readiness, 2> readiness_names{{{{"held", Readiness::held}, {"verified", Readiness::verified}}}};

constexpr std::array schedule_keys{
    key<Seconds<1, hour>, &BackoffSchedule::first>("first"),
    key<Seconds<1, day>, &BackoffSchedule::cap>("cap"),
};

struct Schedule : Mapping<schedule_keys> {
  static void read(const Value& value, BackoffSchedule& into) {
    BackoffSchedule schedule = into;
    Mapping::read(value, schedule);
    if (schedule.cap < schedule.first) return value.refuse("'cap' is shorter than 'first'");
    into = schedule;
  }
};

constexpr std::array backoff_keys{
    key<Schedule, &BackoffSpec::network>("network"),
    key<Schedule, &BackoffSpec::listener>("listener"),
    key<Schedule, &BackoffSpec::refused>("refused"),
    key<Schedule, &BackoffSpec::penalty>("penalty"),
    key<Seconds<0, day>, &BackoffSpec::reset_after>("reset_after"),
};

// A new option is a member of TunnelSpec (include/holdfast/config.hpp), one line here, a row in docs/configuration.md,
// a paragraph in etc/holdfast.yaml and a property in etc/holdfast.schema.json.
constexpr std::array keys{
    Key<TunnelSpec>{"host_name", HostNames::read, HostNames::write},
    key<Number<1, 65535>, &TunnelSpec::port>("port"),
    key<Choice<selection_names>, &TunnelSpec::relay_selection>("relay_selection"),
    key<Seconds<0, day>, &TunnelSpec::fail_back_after>("fail_back_after"),
    key<UserName, &TunnelSpec::user>("user"),
    key<DeviceName, &TunnelSpec::device_id>("device_id"),
    key<ListOf<PrivateKey>, &TunnelSpec::identity_file>("identity_file"),
    key<ListOf<Certificate>, &TunnelSpec::certificate_file>("certificate_file"),
    key<AgentSocket, &TunnelSpec::identity_agent>("identity_agent"),
    key<Path, &TunnelSpec::user_known_hosts_file>("user_known_hosts_file"),
    key<Choice<strict_names>, &TunnelSpec::strict_host_key_checking>("strict_host_key_checking"),
    key<ListOf<Fingerprint>, &TunnelSpec::host_key_fingerprint>("host_key_fingerprint"),
    key<ListOf<Forward>, &TunnelSpec::remote_forward>("remote_forward"),
    key<Boolean, &TunnelSpec::exit_on_forward_failure>("exit_on_forward_failure"),
    key<Seconds<0, day>, &TunnelSpec::liveness, &LivenessSpec::server_alive_interval>("server_alive_interval"),
    key<Number<0, 100>, &TunnelSpec::liveness, &LivenessSpec::server_alive_count_max>("server_alive_count_max"),
    key<Economy, &TunnelSpec::liveness, &LivenessSpec::intervals_per_probe>("economy"),
    key<Boolean, &TunnelSpec::tcp_keep_alive>("tcp_keep_alive"),
    key<Boolean, &TunnelSpec::lease>("lease"),
    key<Seconds<0, day>, &TunnelSpec::verify_interval>("verify_interval"),
    key<Choice<readiness_names>, &TunnelSpec::readiness>("readiness"),
    key<Seconds<1, hour>, &TunnelSpec::connect_timeout>("connect_timeout"),
    key<Seconds<0, hour>, &TunnelSpec::drain_timeout>("drain_timeout"),
    key<Mapping<backoff_keys>, &TunnelSpec::backoff>("backoff"),
    key<Choice<family_names>, &TunnelSpec::address_family>("address_family"),
    key<LocalAddress, &TunnelSpec::bind_address>("bind_address"),
    key<InterfaceName, &TunnelSpec::bind_interface>("bind_interface"),
    key<CongestionControl, &TunnelSpec::congestion_control>("congestion_control"),
    key<Algorithms, &TunnelSpec::ciphers>("ciphers"),
    key<Algorithms, &TunnelSpec::kex_algorithms>("kex_algorithms"),
    key<Algorithms, &TunnelSpec::macs>("macs"),
    key<Algorithms, &TunnelSpec::host_key_algorithms>("host_key_algorithms"),
    key<Rekey, &TunnelSpec::rekey_limit>("rekey_limit"),
    key<Number<1, 100'000>, &TunnelSpec::max_connections>("max_connections"),
    key<Size<8 * mebibyte, 1024 * mebibyte>, &TunnelSpec::max_buffer>("max_buffer"),
    key<Choice<log_level_names>, &TunnelSpec::log_level>("log_level"),
};

}  // namespace

std::span<const Key<TunnelSpec>> tunnel_keys() {
  return keys;
}

}  // namespace holdfast::config
