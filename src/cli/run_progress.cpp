// Seconds that are left are those of the phases to come, as forecast, and of the one at hand: as forecast at its
// beginning, more and more as it goes.
#include "cli/run_progress.h"

#include <algorithm>
#include <array>

namespace quern::cli {
namespace {

// What a stage, by the beginning of its name, belongs to: the first of these phases that is not over.
struct StageRow {
  std::string_view stage;
  std::array<std::string_view, 2> phases;
};
constexpr StageRow kStages[] = {
    {"check weights", {"read"}},
    {"calibrate in sequence", {"survey", "encode"}},
    {"calibrate", {"calibrate"}},
    {"try number formats", {"survey"}},
    {"measure tensors", {"survey", "measure"}},
    {"measure bands", {"survey", "measure"}},
    {"original on the gate text", {"survey", "measure"}},
    {"candidate on the gate text", {"survey", "measure"}},
    {"encode a candidate", {"survey"}},
    {"encode", {"encode"}},
    {"original on the report text", {"measure"}},
    {"candidate on the report text", {"measure"}},
};
// Phases that are one stage, whose steps tell how far they are.
constexpr std::string_view kOfOneStage[] = {"read", "calibrate", "encode"};

constexpr std::string_view kEncode = "encode", kMeasure = "measure";
constexpr std::string_view kOriginal = "original on the gate text";  // once a trial, and again to choose the next
constexpr std::string_view kHarms[] = {"measure tensors one by one", "measure bands"};
constexpr double kLeastSeconds = 1e-9;  // of a phase that there is

constexpr int kMostPercent = 99;  // 100 is said by the end

bool belongs(std::string_view stage, std::string_view phase) {
  if (stage == phase) return true;
  const auto row = std::ranges::find_if(kStages, [&](const StageRow& r) { return stage.starts_with(r.stage); });
  return row != std::end(kStages) && std::ranges::find(row->phases, phase) != row->phases.end();
}

}  // namespace

void RunProgress::expect(std::vector<ExpectedPhase> phases, PhaseSeconds seconds, double now) {
  phases_ = std::move(phases);
  seconds_ = seconds;
  phase_ = 0;
  begun_ = phase_begun_ = now;
  percent_ = 0;
  trial_ = Trial::kNone;
}

// What the rest of the phases has in common with the trial that is over is forecast for the next one: as it was, and
// longer where it took longer. Of the phase at hand only what is measured for that is left.
void RunProgress::expect_trial(double now) {
  const std::size_t past = phases_.size();
  for (std::size_t p = 0; p < past; ++p) {
    ExpectedPhase phase = phases_[p];
    if (phase.name != kEncode && phase.name != kMeasure) continue;
    if (p == phase_) {
      phases_[p].seconds = std::max(kLeastSeconds, now - phase_begun_);
      phase.seconds = std::max(phase.seconds, phases_[p].seconds);
    }
    if (p <= phase_) phases_.push_back(std::move(phase));
  }
  percent_ = 0;
}

// Behind the first trial's files come those of its stages that are there to choose another.
void RunProgress::look_for_trial(std::string_view name, double now) {
  const bool is_original = name == kOriginal, is_encode = name == kEncode;
  is_surprise_ = trial_ != Trial::kNone &&
                 (std::ranges::any_of(kHarms, [&](std::string_view start) { return name.starts_with(start); }) ||
                  (is_original && knows_original_));
  if (trial_ == Trial::kRuns && (is_surprise_ || is_encode)) {
    expect_trial(now);
    trial_ = Trial::kForeseen;
  }
  if (is_encode) trial_ = Trial::kRuns;
  if (is_original && trial_ != Trial::kNone) knows_original_ = true;
}

void RunProgress::begin_stage(std::string_view name, std::uint64_t total, double now) {
  stage_ = name;
  total_ = total;
  done_ = 0;
  stage_begun_ = now;
  if (seconds_ == PhaseSeconds::kForecast && !phases_.empty()) look_for_trial(name, now);
  for (std::size_t p = phase_; p < phases_.size(); ++p)
    if (phases_[p].seconds > 0 && belongs(name, phases_[p].name)) {
      if (p != phase_) phase_begun_ = now;
      phase_ = p;
      return;
    }
}

double RunProgress::share() const {
  return total_ ? std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)) : 0;
}

double RunProgress::left(double now) const {
  const ExpectedPhase& phase = phases_[phase_];
  const double forecast = std::max(0.0, phase.seconds - (now - phase_begun_)), done = share();
  const double seen = done > 0 ? (now - stage_begun_) * (1 / done - 1) : 0;
  const bool is_one_stage = std::ranges::find(kOfOneStage, phase.name) != std::end(kOfOneStage);
  double seconds = is_one_stage ? (1 - done) * forecast + done * seen : std::max(forecast, seen);
  for (std::size_t p = phase_ + 1; p < phases_.size(); ++p) seconds += phases_[p].seconds;
  return seconds;
}

// As long as it has taken so far, for what is still to do.
double RunProgress::left_by_shares(double now) const {
  double all = 0, done = share() * phases_[phase_].seconds;
  for (std::size_t p = 0; p < phases_.size(); ++p) {
    all += phases_[p].seconds;
    if (p < phase_) done += phases_[p].seconds;
  }
  return done > 0 ? (now - begun_) * (all / done - 1) : 0;
}

std::optional<RunProgress::Done> RunProgress::of_run(double now) {
  if (phases_.empty() || (seconds_ == PhaseSeconds::kShares && phase_ == 0 && done_ == 0)) return std::nullopt;
  if (is_surprise_ && done_ == 0) return std::nullopt;
  const double seconds = seconds_ == PhaseSeconds::kForecast ? left(now) : left_by_shares(now), elapsed = now - begun_;
  const double percent = elapsed > 0 ? 100 * elapsed / (elapsed + seconds) : 0;
  percent_ = std::max(percent_, std::min(kMostPercent, static_cast<int>(percent)));
  return Done{percent_, seconds};
}

}  // namespace quern::cli
