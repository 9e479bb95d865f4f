// One rung of the ladder after the other.
#include "compress/trials.h"

#include "base/fail.h"
#include "compress/sizing.h"
#include "encode/tensor_encoding.h"
#include "package/package.h"
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

void add_rung(const Plan& plan, Trials& trials) {
  const Plan* before = trials.ladder.empty() ? nullptr : &trials.ladder.back().plan;
  trials.ladder.push_back({plan, std::nullopt, changed_steps(plan, before)});
  trials.folder = folder_of(trials.ladder.size());
}

// Files of a trial, as far as they are there and can be opened.
std::optional<TensorFiles> files_of(const fs::path& folder) {
  std::error_code ec;
  if (!fs::is_directory(folder, ec)) return std::nullopt;
  try {
    return TensorFiles(folder);
  } catch (const Error&) {  // of a run that ended while it made or removed them
    return std::nullopt;
  }
}

// Encodes the last rung beside the files of the one before, and removes those.
void encode_trial(Compression& c, Trials& trials) {
  const Plan& plan = trials.ladder.back().plan;
  const fs::path folder = c.out.path() / trials.folder, before = c.out.path() / folder_of(trials.ladder.size() - 1);
  std::error_code ec;
  fs::create_directory(folder, ec);
  if (ec) fail(ErrorCode::kResource, "cannot create {}: {}", folder.string(), ec.message());
  const CheckpointHead& head = c.prep.head_of(plan);
  StepRecords records(c.journal.records(), c.prep.statistics_sha256);
  const std::optional<TensorFiles> earlier = files_of(before);
  EncodeInput input = c.prep.encode_input();
  if (!c.options.bound.is_set()) input.hashes = &c.prep.hashes;  // with a bound these files may not be the last
  trials.errors = encode(input, plan, head, folder, &records, earlier ? &*earlier : nullptr);
  trials.ladder.back().plan = with_stored_bytes(plan, folder);
  fs::remove_all(before, ec);
}

}  // namespace

Reference::Reference(Compression& c, const Windows& windows, std::string stage)
    : c_(c), windows_(windows), stage_(std::move(stage)) {}

Quality Reference::quality_of(const OpenModel& candidate) {
  if (!rows_) {
    c_.observer.stage("original on the " + stage_, c_.prep.source.spec.blocks.size() - 1);
    rows_ = final_hidden(c_.prep.walk(), windows_, c_.prep.setup.memory_limit, c_.observer);
  }
  c_.observer.stage("candidate on the " + stage_, candidate.spec.blocks.size() - 1);
  const WalkContext walk = candidate.walk(c_.prep.pool, c_.prep.setup.precision);
  const ActivationStore rows = final_hidden(walk, windows_, c_.prep.setup.memory_limit, c_.observer);
  return summarise(compare(c_.prep.walk(), *rows_, walk, rows, windows_));
}

Trials climb(Compression& c, Plan plan) {
  Trials trials;
  std::optional<Reference> gate;
  if (c.options.bound.is_set()) gate.emplace(c, *c.prep.texts.gate, "gate text");
  std::vector<StepHarm> harms;
  const std::vector<StepSource> sources = step_sources(c.prep.source.spec, c.prep.names, c.prep.source.weights);
  for (unsigned trial = 1;; ++trial) {
    add_rung(plan, trials);
    std::optional<Quality> quality = c.journal.gate(plan);
    std::optional<NextTrial> next = c.journal.next(plan);
    if (quality && next) {
      trials.ladder.back().gate = quality;
      if (harms.empty()) add_harm_facts(next->harms, plan, c.facts);
      plan = next->plan;
      harms = next->harms;
      continue;
    }
    encode_trial(c, trials);
    if (!gate) return trials.accepted = true, trials;
    if (!quality) {
      quality = gate->quality_of(OpenModel(c.out.path() / trials.folder));
      c.journal.add_gate(plan, *quality);
    }
    trials.ladder.back().gate = quality;
    const double over = excess(c.options.bound, quality->perplexity_increase.value, quality->mean_kld.value);
    if (over == 0) return trials.accepted = true, trials;
    c.observer.note(fmt::format("trial {} misses the bound: perplexity {:+.2f}%, mean KLD {:.5f} on the gate text",
                                trial, 100 * quality->perplexity_increase.value, quality->mean_kld.value));
    if (trial >= c.options.max_trials || c.options.size) return trials;  // what would mend it would not fit the size
    if (harms.empty()) {
      const SurveyDesign design = survey_design(c.prep);
      harms = measure_harms(c.prep.encode_input(), plan, design.groups,
                            spread(*c.prep.texts.gate, std::min(kHarmWindows, design.windows)), c.prep.setup);
      add_harm_facts(harms, plan, c.facts);
    }
    const std::optional<Plan> raised = next_plan(plan, {c.prep.format, sources, c.prep.couplings}, over, harms);
    if (!raised) return trials;
    c.journal.add_next(plan, {*raised, harms});
    plan = *raised;
  }
}

}  // namespace quern
