// One rung of the ladder after the other.
#include "compress/encoded.h"

#include <algorithm>

#include "base/fail.h"
#include "survey/sensitivity.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHarmWindows = 6;  // windows of gate text on which single tensors are measured

std::string folder_of(std::size_t trial) { return fmt::format("trial-{}", trial); }

std::uint64_t changed_steps(const Plan& plan, const Plan* before) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) count += !before || plan.steps[i].codec != before->steps[i].codec;
  return count;
}

// What was measured of the steps of a plan, each alone.
struct PlanHarms {
  Plan plan;
  std::vector<StepHarm> harms;
};

// The ladder as far as it has been climbed.
class Ascent {
 public:
  Ascent(const EncodeFrom& from, const WorkFiles& work) : from_(from), work_(work) {
    if (from.opened.options.bound.is_set()) gate_.emplace(from.opened, from.texts.gate->windows, "gate text");
  }

  Encoded run() {
    Plan plan = from_.planned.plan();
    for (;;) {
      const std::optional<Quality> known = work_.journal->gate(plan);
      if (std::optional<NextTrial> next = work_.journal->next(plan); known && next) {
        add_rung(plan, known);
        take_harms(std::move(next->harms), plan);
        plan = std::move(next->plan);
        continue;
      }
      const std::vector<EncodedTensor> tensors = encode(plan);
      const std::optional<Quality> quality = gate_ && !known ? measured(plan) : known;
      add_rung(carried_out(plan, tensors), quality);
      const double over = quality ? excess_of(*quality) : 0;
      const std::optional<Plan> raised = over > 0 && may_be_raised() ? raise(plan, over) : std::nullopt;
      if (!raised) return {ladder_, reported(tensors), folder_of(ladder_.size()), over == 0, notes()};
      work_.journal->add_next(plan, {*raised, harms_});
      plan = *raised;
    }
  }

 private:
  void add_rung(const Plan& plan, const std::optional<Quality>& gate) {
    ladder_.push_back({plan, gate, changed_steps(plan, ladder_.empty() ? nullptr : &ladder_.back().plan)});
  }

  fs::path next_files() const { return work_.folder / folder_of(ladder_.size() + 1); }

  // Beside the files of the trial before and of candidates, which are removed then.
  std::vector<EncodedTensor> encode(const Plan& plan) {
    std::vector<fs::path> earlier = candidate_folders(work_);
    earlier.push_back(work_.folder / folder_of(ladder_.size()));
    // With a bound these files may not be the last.
    FileHashes* running = gate_ ? nullptr : &work_.hashes.running();
    calibrate(plan);
    const EncodeFiles with{from_.opened, from_.calibrated, work_, sequence_.get(), running};
    std::vector<EncodedTensor> tensors = encode_files(with, plan, next_files(), earlier);
    std::error_code ec;
    for (const fs::path& folder : earlier) fs::remove_all(folder, ec);
    return tensors;
  }

  // A plan that was raised has other matrices in front of those in sequence.
  void calibrate(const Plan& plan) {
    if (!has_sequence(plan) || sequence_hash(plan) == of_sequence_) return;
    sequence_ = calibrate_sequence(from_.opened, from_.texts, from_.calibrated, work_, plan);
    of_sequence_ = sequence_hash(plan);
  }

  Quality measured(const Plan& plan) {
    const Quality quality = gate_->quality_of(OpenModel(next_files()));
    work_.journal->add_gate(plan, quality);
    return quality;
  }

  std::vector<std::string> notes() const { return sequence_ ? sequence_->notes() : std::vector<std::string>(); }

  // By how much the files of the last rung break the bound.
  double excess_of(const Quality& quality) const {
    const double increase = quality.perplexity_increase.value, kld = quality.mean_kld.value;
    const double over = excess(from_.opened.options.bound, increase, kld);
    if (over > 0)
      from_.opened.observer.note(
          fmt::format("trial {} misses the bound: perplexity {:+.2f}%, mean KLD {:.5f} on the gate text",
                      ladder_.size(), 100 * increase, kld));
    return over;
  }

  // What would mend a plan for a size would not fit the size.
  bool may_be_raised() const {
    const CompressOptions& options = from_.opened.options;
    return ladder_.size() < options.max_trials && !options.size;
  }

  // The next plan; null: nothing can be raised.
  std::optional<Plan> raise(const Plan& plan, double over) {
    const Opened& opened = from_.opened;
    if (harms_.empty()) take_harms(measured_harms(plan), plan);
    return next_plan(plan, {opened.format, opened.source.spec, opened.names, opened.source.weights, opened.couplings},
                     over, harms_);
  }

  std::vector<StepHarm> measured_harms(const Plan& plan) const {
    const SurveyDesign& design = from_.texts.survey->design;
    const Windows windows = spread(from_.texts.gate->windows, std::min(kHarmWindows, design.windows));
    const EncodeInput input = encode_input(from_.opened, from_.calibrated);
    SurveyOriginal original(input, windows, from_.opened.setup);
    return measure_harms(original, plan, design.groups);
  }

  // The first that are measured are what the report shows.
  void take_harms(std::vector<StepHarm> harms, const Plan& plan) {
    if (harms_.empty()) shown_ = {plan, harms};
    harms_ = std::move(harms);
  }

  std::vector<ReportedTensor> reported(const std::vector<EncodedTensor>& tensors) const {
    std::vector<ReportedTensor> all;
    for (const EncodedTensor& tensor : tensors) all.push_back({tensor.step, tensor.error, tensor_facts(tensor.weight)});
    for (const StepOptions& of_step : from_.planned.options)
      add_survey_facts(of_step, from_.planned.plan(), all[of_step.step].facts);
    for (const StepHarm& harm : shown_.harms) add_harm_facts(harm, shown_.plan, all[harm.step].facts);
    return all;
  }

  const EncodeFrom& from_;
  const WorkFiles& work_;
  std::optional<Reference> gate_;                          // where a bound is asked for
  std::shared_ptr<const SequentialCalibration> sequence_;  // of the plan with the hash of_sequence_; null: none yet
  std::string of_sequence_;
  std::vector<Trial> ladder_;
  std::vector<StepHarm> harms_;  // as they are predicted of the next plan
  PlanHarms shown_;
};

}  // namespace

Reference::Reference(const Opened& opened, const Windows& windows, std::string stage)
    : opened_(opened), windows_(windows), stage_(std::move(stage)) {}

Quality Reference::quality_of(const OpenModel& candidate) {
  Observer& observer = opened_.observer;
  const std::uint64_t limit = opened_.setup.memory_limit;
  if (!rows_) {
    observer.stage("original on the " + stage_, opened_.source.spec.blocks.size() - 1);
    rows_ = final_hidden(opened_.walk(), windows_, limit, observer);
  }
  observer.stage("candidate on the " + stage_, candidate.spec.blocks.size() - 1);
  const WalkContext walk = candidate.walk(opened_.pool(), opened_.setup.precision);
  const ActivationStore rows = final_hidden(walk, windows_, limit, observer);
  return summarise(compare(opened_.walk(), *rows_, walk, rows, windows_));
}

Encoded encode_within_bound(const EncodeFrom& from, const WorkFiles& work) { return Ascent(from, work).run(); }

}  // namespace quern
