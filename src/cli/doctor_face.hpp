#pragma once

#include <iosfwd>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "doctor/capture.hpp"
#include "holdfast/diagnosis.hpp"
#include "status/diagnosis_text.hpp"

namespace holdfast::cli {

/// Where the examinations of one command are shown, one after the other.
class DoctorRound {
 public:
  enum class Show { text, json };
  DoctorRound(std::ostream& out, Show show);

  /// This one is not looked at; `why` goes on from its name.
  void leave_out(const std::string& tunnel, const std::string& why);
  /// How many were looked at or left out.
  std::size_t tunnels() const { return tunnels_; }
  /// Remarks on the configuration: worth a look, whatever the tunnels are like. Each is shown once.
  void remark(const std::string& what);
  /// Shows a line for each of several tunnels, and the remarks. Returns the exit status.
  int end();

 private:
  friend class DoctorFace;
  std::ostream& out_;
  const Show show_;
  const status::Page page_;
  std::string not_captured_;  ///< why, until it is said
  std::string overview_;
  std::string remarks_;
  std::size_t tunnels_ = 0;
  bool looked_ = false;  ///< something is shown
};

/// Shows an examination of one tunnel: a line a layer, from the device up, each as soon as all below it are known, and
/// the answer last. As JSON it shows all of it at the end.
class DoctorFace {
 public:
  /// `how`: by whom it is examined. `expected`: of these something will come.
  DoctorFace(DoctorRound& round, std::string tunnel, std::string how, std::set<Layer> expected);

  /// From now on who answers the relay's port is seen as well, if that is permitted.
  void capture();
  void take(Layer layer, Finding finding);
  /// Nothing more comes. The exit status.
  int end();

 private:
  void begin();
  void show_what_is_next();
  void show_line(const Judgement& judgement);
  void show_skipped();
  void show_waiting() const;
  void clear_waiting() const;

  DoctorRound& round_;
  std::ostream& out_;
  const DoctorRound::Show show_;
  const status::Page page_;
  const bool live_;  ///< on a terminal, which can take a line back
  const std::string tunnel_;
  std::string how_;  ///< until it is said
  bool watches_ = false;
  std::unique_ptr<doctor::Capture> capture_;
  Findings findings_;
  std::set<Layer> expected_;        ///< those that are not shown yet
  std::vector<Judgement> skipped_;  ///< since the last line, for one reason
};

/// Standard output: in colour unless nobody wants it (https://no-color.org) or the terminal can't, and as wide as that
/// is.
status::Page page_of_output();

}  // namespace holdfast::cli
