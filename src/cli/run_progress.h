// How far a whole run is: phases weigh as much as the forecast says they take.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quern::cli {

struct ExpectedPhase {
  std::string name;  // one of run_progress.cpp's table, or of a stage
  double seconds = 0;
};

// What the seconds of the phases are: a forecast, or only shares of a time that nobody knows.
enum class PhaseSeconds { kForecast, kShares };

// Times are seconds of one steady clock.
class RunProgress {
 public:
  struct Done {
    int percent = 0;          // of the whole run, 0 to 99; less than before only where a further trial began
    double seconds_left = 0;  // of the whole run
  };

  // The phases in the order in which they run, from now on.
  void expect(std::vector<ExpectedPhase> phases, PhaseSeconds seconds, double now);

  void begin_stage(std::string_view name, std::uint64_t total, double now);
  void advance() { ++done_; }

  const std::string& stage() const { return stage_; }
  std::uint64_t done() const { return done_; }
  std::uint64_t total() const { return total_; }
  // Of the stage, 0 to 1.
  double share() const;
  // Absent: nobody knows how long the other phases take, or a stage that nobody foresaw has only begun.
  std::optional<Done> of_run(double now);

 private:
  void look_for_trial(std::string_view name, double now);
  // A trial that missed the bound is followed by another, which takes as long.
  void expect_trial(double now);
  double left(double now) const;
  double left_by_shares(double now) const;

  std::vector<ExpectedPhase> phases_;
  PhaseSeconds seconds_ = PhaseSeconds::kForecast;
  std::size_t phase_ = 0;
  double begun_ = 0, phase_begun_ = 0, stage_begun_ = 0;
  std::string stage_;
  std::uint64_t total_ = 0, done_ = 0;
  int percent_ = 0;
  // kForeseen: one that has not begun is among the phases.
  enum class Trial { kNone, kRuns, kForeseen } trial_ = Trial::kNone;
  bool knows_original_ = false;  // it was measured on the gate text
  bool is_surprise_ = false;     // the stage itself was not foreseen
};

}  // namespace quern::cli
