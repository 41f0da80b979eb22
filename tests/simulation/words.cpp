#include "simulation/words.hpp"

#include <utility>

#include "holdfast/enumerators.hpp"
#include "holdfast/overloaded.hpp"
#include "record/describe.hpp"

namespace holdfast::simulation {
namespace {

/// C++ of what record/describe.hpp describes.
class Code {
 public:
  void write(bool value) { text_ += value ? "true" : "false"; }
  template <class Number>
  requires(std::is_unsigned_v<Number> && !std::is_same_v<Number, bool>) void write(Number value) {
    text_ += std::to_string(value);
  }
  void write(Duration value) { text_ += code_of(value); }
  void write(TimePoint value) { text_ += "TimePoint{" + code_of(value.time_since_epoch()) + "}"; }
  void write(const std::string& value) { text_ += code_of(value); }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void write(Enum value) {
    const auto [type, name] = spelling(value);
    text_ += std::string{type} + "::" + std::string{name};
  }
  template <class Value>
  void write(const std::optional<Value>& value) {
    if (value) return write(*value);
    text_ += "std::nullopt";
  }
  template <class Value>
  void write(const std::vector<Value>& values) {
    text_ += "{";
    for (const Value& value : values) {
      if (&value != values.data()) text_ += ", ";
      write(value);
    }
    text_ += "}";
  }
  template <class... Alternatives>
  void write(const std::variant<Alternatives...>& value) {
    std::visit([this](const auto& what) { this->write(what); }, value);
  }
  template <class Struct>
  requires std::is_class_v<Struct>
  void write(const Struct& value) {
    constexpr auto& type = record::description<Struct>;
    text_ += type.name;
    text_ += "{";
    const bool all_left_out = std::apply(
        [&](const auto&... field) { return (record::is_left_out(value.*field.member) && ...); }, type.fields);
    std::string before;
    const auto write_field = [&](const auto& member) {
      text_ += std::exchange(before, ", ");
      write(member);
    };
    if (!all_left_out) std::apply([&](const auto&... field) { (write_field(value.*field.member), ...); }, type.fields);
    text_ += "}";
  }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

Deed deed_of(const TunnelAction& action) {
  return std::visit(
      overloaded{
          [](const Dial&) { return Deed{Did::dial}; },
          [](const Connect& connect) { return Deed{Did::connect, 0, "", Duration::zero(), nullptr, &connect.order}; },
          [](const OpenSession&) { return Deed{Did::open_session}; },
          [](const Authenticate& login) {
            return Deed{Did::authenticate, 0, "", Duration::zero(), nullptr, nullptr, login.listen_ahead};
          },
          [](const RequestForward& request) {
            return Deed{Did::request_forward, request.forward};
          },
          [](const Knock& knock) {
            return Deed{Did::knock, knock.forward, knock.host};
          },
          [](const EndKnock&) { return Deed{Did::end_knock}; },
          [](const Identify& identify) {
            return Deed{Did::identify, identify.forward};
          },
          [](const Evict& evict) {
            return Deed{Did::evict, evict.forward};
          },
          [](const Prove& prove) {
            return Deed{Did::prove, prove.forward, prove.host};
          },
          [](const EndProof&) { return Deed{Did::end_proof}; },
          [](const CancelForward& cancel) {
            return Deed{Did::cancel_forward, cancel.forward};
          },
          [](const OpenLease& open) {
            return Deed{Did::open_lease, 0, "", open.guard};
          },
          [](const EndLease&) { return Deed{Did::end_lease}; },
          [](const RecordLease& record) {
            return Deed{Did::record_lease, record.forward};
          },
          [](const SendHeartbeat&) { return Deed{Did::heartbeat}; },
          [](const SendKeepalive&) { return Deed{Did::keepalive}; },
          [](const LookAtRelay& look) {
            return Deed{Did::look, look.relay};
          },
          [](const EndLook&) { return Deed{Did::end_look}; },
          [](const AwaitIdle&) { return Deed{Did::await_idle}; },
          [](const DrainConnections&) { return Deed{Did::drain}; },
          [](const CloseSession&) { return Deed{Did::close}; },
          [](const ParkSession&) { return Deed{Did::park}; },
          [](const ResetParked&) { return Deed{Did::reset_parked}; },
          [](const DropSession&) { return Deed{Did::drop}; },
          [](const Happened& news) {
            return Deed{Did::tell, 0, "", Duration::zero(), &news.what};
          }},
      action);
}

Stage stage_of(const Phase& phase) {
  return std::visit(
      overloaded{[](const Idle&) { return Stage::idle; }, [](const Opening&) { return Stage::opening; },
                 [](const StandingBy&) { return Stage::standing_by; },
                 [](const RequestingForwards&) { return Stage::requesting; },
                 [](const Established&) { return Stage::established; }, [](const Draining&) { return Stage::draining; },
                 [](const Closing&) { return Stage::closing; }, [](const BackingOff&) { return Stage::backing_off; },
                 [](const Stopped&) { return Stage::stopped; }},
      phase);
}

std::string code_of(const SessionEvent& event) {
  Code code;
  code.write(event);
  return code.take();
}

std::string code_of(const TunnelEvent& event) {
  Code code;
  code.write(event);
  return code.take();
}

std::string code_of(const std::string& text) {
  std::string code = "\"";
  for (const char each : text) {
    const auto byte = static_cast<unsigned char>(each);
    if (byte < 0x20 || byte >= 0x7f) {
      for (const unsigned shift : {6U, 3U, 0U})
        code += (shift == 6U ? "\\" : "") + std::to_string((byte >> shift) & 7U);
      continue;
    }
    if (each == '"' || each == '\\') code += '\\';
    code += each;
  }
  return code + '"';
}

std::string code_of(Duration duration) {
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(duration);
  return milliseconds == duration ? std::to_string(milliseconds.count()) + "ms"
                                  : "Duration{" + std::to_string(duration.count()) + "}";
}

}  // namespace holdfast::simulation
