// One rung of the ladder after the other.
#include "compress/encoded.h"

#include <algorithm>

#include "base/fail.h"
#include "encode/tensor_encoding.h"
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

// The ladder as far as it has been climbed.
class Ascent {
 public:
  Ascent(const EncodeFrom& from, const WorkFiles& work) : from_(from), work_(work) {
    const Opened& opened = from.opened;
    facts_ = tensor_facts(opened.source.spec, opened.names);
    add_survey_facts(from.planned.options, from.planned.chosen.shares, facts_);
    if (opened.options.bound.is_set()) gate_.emplace(opened, from.texts.gate->windows, "gate text");
  }

  Encoded run() {
    Plan plan = from_.planned.plan();
    for (unsigned trial = 1;; ++trial) {
      add_rung(plan);
      std::optional<Quality> quality = work_.journal->gate(plan);
      if (std::optional<NextTrial> next = work_.journal->next(plan); quality && next) {
        encoded_.ladder.back().gate = quality;
        take_harms(next->harms, plan);
        plan = next->plan;
        continue;
      }
      encode(plan);
      const double over = gate_ ? measured_excess(plan, quality, trial) : 0;
      encoded_.accepted = over == 0;
      if (encoded_.accepted) return finished();
      const CompressOptions& options = from_.opened.options;
      if (trial >= options.max_trials || options.size)  // what would mend it would not fit the size
        return finished();
      const std::optional<Plan> raised = raise(plan, over);
      if (!raised) return finished();
      work_.journal->add_next(plan, {*raised, harms_});
      plan = *raised;
    }
  }

 private:
  Encoded finished() {
    const Plan& plan = encoded_.ladder.back().plan;
    for (std::size_t i = 0; i < plan.steps.size(); ++i)
      encoded_.tensors.push_back({plan.steps[i], errors_[i], std::move(facts_[i])});
    return std::move(encoded_);
  }

  void add_rung(const Plan& plan) {
    const Plan* before = encoded_.ladder.empty() ? nullptr : &encoded_.ladder.back().plan;
    encoded_.ladder.push_back({plan, std::nullopt, changed_steps(plan, before)});
    encoded_.folder = folder_of(encoded_.ladder.size());
  }

  // Beside the files of the trial before and of candidates, which are removed then.
  void encode(const Plan& plan) {
    std::vector<fs::path> earlier = candidate_folders(work_);
    earlier.push_back(work_.folder / folder_of(encoded_.ladder.size() - 1));
    // With a bound these files may not be the last.
    FileHashes* running = gate_ ? nullptr : &work_.hashes.running();
    const fs::path files = work_.folder / encoded_.folder;
    errors_ = encode_files(from_.opened, from_.calibrated, work_, plan, files, earlier, running);
    encoded_.ladder.back().plan = with_stored_bytes(plan, files);
    std::error_code ec;
    for (const fs::path& folder : earlier) fs::remove_all(folder, ec);
  }

  // By how much the files of the last rung break the bound.
  double measured_excess(const Plan& plan, std::optional<Quality> quality, unsigned trial) {
    if (!quality) {
      quality = gate_->quality_of(OpenModel(work_.folder / encoded_.folder));
      work_.journal->add_gate(plan, *quality);
    }
    encoded_.ladder.back().gate = quality;
    const double increase = quality->perplexity_increase.value, kld = quality->mean_kld.value;
    const double over = excess(from_.opened.options.bound, increase, kld);
    if (over > 0)
      from_.opened.observer.note(
          fmt::format("trial {} misses the bound: perplexity {:+.2f}%, mean KLD {:.5f} on the gate text", trial,
                      100 * increase, kld));
    return over;
  }

  // The next plan; null: nothing can be raised.
  std::optional<Plan> raise(const Plan& plan, double over) {
    const Opened& opened = from_.opened;
    if (harms_.empty()) take_harms(measured_harms(plan), plan);
    const std::vector<StepSource> sources = step_sources(opened.source.spec, opened.names, opened.source.weights);
    return next_plan(plan, {opened.format, sources, opened.couplings}, over, harms_);
  }

  std::vector<StepHarm> measured_harms(const Plan& plan) const {
    const SurveyDesign& design = from_.texts.survey->design;
    const Windows windows = spread(from_.texts.gate->windows, std::min(kHarmWindows, design.windows));
    const EncodeInput input = encode_input(from_.opened, from_.calibrated);
    SurveyOriginal original(input, windows, from_.opened.setup);
    return measure_harms(original, plan, design.groups);
  }

  // The first that are measured, with the number formats of `plan`, are what the report shows.
  void take_harms(std::vector<StepHarm> harms, const Plan& plan) {
    if (harms_.empty()) add_harm_facts(harms, plan, facts_);
    harms_ = std::move(harms);
  }

  const EncodeFrom& from_;
  const WorkFiles& work_;
  std::optional<Reference> gate_;  // where a bound is asked for
  std::vector<TensorFacts> facts_;
  std::vector<EncodeError> errors_;  // of the last rung
  std::vector<StepHarm> harms_;
  Encoded encoded_;
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
