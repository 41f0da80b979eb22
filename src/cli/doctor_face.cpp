#include "cli/doctor_face.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>

#include "status/diagnosis_text.hpp"
#include "status/findings_json.hpp"
#include "status/printable.hpp"

namespace holdfast::cli {
status::Page page_of_output() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool unwanted = no_color != nullptr && *no_color != '\0';
  const bool unable = terminal == nullptr || std::string_view{terminal} == "dumb";
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  const char* columns = std::getenv("COLUMNS");
  winsize size{};
  const bool told = is_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return {is_terminal && !unwanted && !unable ? status::Colour::ansi : status::Colour::no,
          status::width_of(is_terminal, columns == nullptr ? "" : columns, told ? size.ws_col : 0)};
}

DoctorRound::DoctorRound(std::ostream& out, Show show)
    : out_(out), show_(show), page_(&out == &std::cout ? page_of_output() : status::Page{status::Colour::no}) {}

void DoctorRound::leave_out(const std::string& tunnel, const std::string& why) {
  ++tunnels_;
  overview_ += status::remark(CheckResult::skip, status::printable_name(tunnel), why, {}, page_);
}

void DoctorRound::remark(const std::string& what) {
  const std::string line = status::remark(CheckResult::warn, "configuration", what, {}, page_);
  if (remarks_.find(line) == std::string::npos) remarks_ += line;
}

int DoctorRound::end() {
  if (!not_captured_.empty()) std::cerr << "Nothing is captured: " << not_captured_ << ".\n";
  if (show_ == Show::text && tunnels_ > 1) out_ << "\nAll tunnels:\n" << overview_;
  if (!remarks_.empty()) (show_ == Show::text ? out_ : std::cerr) << '\n' << remarks_;
  out_ << std::flush;
  return remarks_.empty() ? 0 : 1;
}

DoctorFace::DoctorFace(DoctorRound& round, std::string tunnel, std::string how, std::set<Layer> expected)
    : round_(round),
      out_(round.out_),
      show_(round.show_),
      page_(round.page_),
      live_(&out_ == &std::cout && show_ == DoctorRound::Show::text && ::isatty(STDOUT_FILENO) == 1),
      tunnel_(std::move(tunnel)),
      how_(std::move(how)),
      expected_(std::move(expected)) {}

/// Once something is known: where the tunnel is not, there is nothing to begin.
void DoctorFace::begin() {
  if (how_.empty()) return;
  if (round_.looked_) out_ << '\n';
  round_.looked_ = true;
  out_ << (tunnel_.empty() ? "" : "Tunnel " + status::printable_name(tunnel_) + ", ") << std::exchange(how_, {})
       << "\n\n";
}

void DoctorFace::capture() {
  watches_ = true;
  auto capture = doctor::Capture::begin();
  if (capture) capture_ = std::move(*capture);
  if (!capture) round_.not_captured_ = capture.error();
}

void DoctorFace::take(Layer layer, Finding finding) {
  if (auto* tcp = std::get_if<TcpFindings>(&finding); tcp != nullptr && capture_) capture_->read_into(*tcp);
  findings_.insert_or_assign(layer, std::move(finding));
  expected_.insert(layer);
  if (show_ != DoctorRound::Show::json) show_what_is_next();
}

int DoctorFace::end() {
  const Diagnosis diagnosis = diagnose(findings_);
  if (show_ != DoctorRound::Show::json) {
    std::erase_if(expected_, [&](Layer layer) { return !findings_.contains(layer); });
    show_what_is_next();
    show_skipped();
    out_ << '\n' << status::conclusion(diagnosis, page_);
    if (watches_) out_ << "To watch it: " << doctor::capture_command(findings_) << '\n';
  }
  if (show_ != DoctorRound::Show::text) out_ << status::to_json(tunnel_, findings_, diagnosis);
  out_ << std::flush;
  const CheckResult result = result_of(diagnosis);
  ++round_.tunnels_;
  const std::string name = tunnel_.empty() ? "number " + std::to_string(round_.tunnels_) : tunnel_;
  round_.overview_ += status::remark(result, status::printable_name(name), status::in_a_line(diagnosis), {}, page_);
  return result == CheckResult::fail ? 2 : result == CheckResult::warn ? 1 : 0;
}

void DoctorFace::show_what_is_next() {
  begin();
  clear_waiting();
  const Diagnosis so_far = diagnose(findings_);
  // Where a session stands it is asked for a sign of life, which decides how bad is what lies below.
  const auto missing = [&](Layer layer) { return expected_.contains(layer) && !findings_.contains(layer); };
  const auto session = findings_.find(Layer::session);
  const auto* known = session == findings_.end() ? nullptr : std::get_if<StepFindings>(&session->second);
  const bool leads_there = known != nullptr && !known->failure;
  if (missing(Layer::session) || (leads_there && missing(Layer::path))) return show_waiting();
  while (!expected_.empty() && findings_.contains(*expected_.begin())) {
    const Layer next = *expected_.begin();
    expected_.erase(expected_.begin());
    for (const Judgement& judgement : so_far.judgements) {
      if (judgement.layer == next) show_line(judgement);
    }
  }
  out_ << std::flush;
  show_waiting();
}

/// Those that wait for the same share a line.
void DoctorFace::show_line(const Judgement& judgement) {
  if (judgement.result == CheckResult::skip) {
    if (!skipped_.empty() && skipped_.back().measured != judgement.measured) show_skipped();
    skipped_.push_back(judgement);
    return;
  }
  show_skipped();
  out_ << status::text_of(judgement, page_);
}

void DoctorFace::show_skipped() {
  out_ << status::not_reached(std::exchange(skipped_, {}), page_);
}

void DoctorFace::show_waiting() const {
  if (live_ && !expected_.empty()) out_ << " ...   " << status::label_of(*expected_.begin()) << std::flush;
}

void DoctorFace::clear_waiting() const {
  if (live_) out_ << "\r\x1b[K";
}

}  // namespace holdfast::cli
