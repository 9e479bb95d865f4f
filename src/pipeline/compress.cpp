// Open, calibrate, plan, then encode and measure until the bound holds; publish with report and manifest.
#include "pipeline/compress.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/cpu.h"
#include "calib/collect.h"
#include "format/load_tokenizer.h"
#include "format/vocabulary_gguf.h"
#include "pipeline/check_weights.h"
#include "pipeline/compress_choice.h"
#include "pipeline/compress_texts.h"
#include "pipeline/encode.h"
#include "pipeline/package.h"
#include "pipeline/sensitivity.h"
#include "pipeline/size_search.h"
#include "pipeline/survey.h"
#include "pipeline/tensor_facts.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSurveyWindows = 12;  // windows of gate text on which the options of a size are measured
constexpr std::size_t kHarmWindows = 6;     // windows of gate text on which single tensors are measured

// Everything that does not change between trials.
struct Compression {
  const CompressOptions& options;
  Observer& observer;
  ThreadPool pool;
  OpenModel source;
  const SchemeChoice choice;
  const Scheme& scheme;
  const Format& format;
  ExportMap names;
  EvaluationSetup setup;
  OutputFolder out;
  CompressTexts texts;
  std::vector<HashedFile> source_files;
  Statistics statistics;
  std::string statistics_sha256;
  std::vector<TensorFacts> facts;  // of each step
  std::optional<SizeChoice> size;

  Compression(const CompressOptions& opt, Observer& obs)
      : options(opt),
        observer(obs),
        pool(opt.machine.threads),
        source(opt.input, Unrecognised::kList),
        choice(scheme_for(opt, source)),
        scheme(*choice.scheme),
        format(format_for(opt, scheme)),
        names(export_map(source, format)),
        setup(evaluation_setup(opt.machine, source.spec, pool.threads(), text_window(source.spec))),
        out(opt.output, opt.existing),
        texts(load_compress_texts(opt, source.checkpoint, text_window(source.spec))),
        source_files(hash_files(source.checkpoint, pool)),
        facts(tensor_facts(source.spec, names)) {}

  WalkContext walk() { return source.walk(pool, setup.precision); }
  EncodeInput encode_input() { return {source.checkpoint, source.spec, names, statistics, pool, observer}; }
};

// llama.cpp's names, or, for a model that GGUF cannot hold, the weights' own in that style.
ExportMap statistics_names(const OpenModel& source) {
  try {
    return map_to_gguf(source.spec, source.checkpoint);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInfeasible) throw;
  }
  ExportMap names;
  for (std::size_t i = 0; i < source.spec.weights.size(); ++i)
    names.weights.push_back({.weight = i, .name = source.spec.weights[i].gguf});
  return names;
}

// Statistics go through their file, so that a package made from the file has the same bytes.
void calibrate(Compression& c) {
  if (c.options.statistics.empty() && !c.texts.calibration) return;
  const ExportMap gguf_names = statistics_names(c.source);
  const fs::path file = c.out.path() / kStatisticsName;
  if (!c.options.statistics.empty()) {
    c.statistics = read_statistics(c.options.statistics, c.source.spec, gguf_names);
  } else {
    c.statistics = collect_statistics(c.walk(), *c.texts.calibration, c.setup.memory_limit, c.observer);
    c.statistics.text_name = c.options.calibration_text.filename().string();
  }
  c.statistics_sha256 = write_statistics(file, c.statistics, c.source.spec, gguf_names);
  c.statistics = read_statistics(file, c.source.spec, gguf_names);
}

// The original's scored rows on one text, computed when first needed.
class Reference {
 public:
  Reference(Compression& c, const Windows& windows, std::string stage)
      : c_(c), windows_(windows), stage_(std::move(stage)) {}

  Quality quality_of(const OpenModel& candidate) {
    if (!rows_) {
      c_.observer.stage("original on the " + stage_, c_.source.spec.blocks.size() - 1);
      rows_ = final_hidden(c_.walk(), windows_, c_.setup.memory_limit, c_.observer);
    }
    c_.observer.stage("candidate on the " + stage_, candidate.spec.blocks.size() - 1);
    const WalkContext walk = candidate.walk(c_.pool, c_.setup.precision);
    const ActivationStore rows = final_hidden(walk, windows_, c_.setup.memory_limit, c_.observer);
    return summarise(compare(c_.walk(), *rows_, walk, rows, windows_));
  }

 private:
  Compression& c_;
  const Windows& windows_;
  std::string stage_;
  std::optional<ActivationStore> rows_;
};

// `count` windows spread evenly.
Windows spread(const Windows& from, std::size_t count) {
  if (from.count() <= count) return from;
  Windows some{.length = from.length, .ids = {}};
  for (std::size_t i = 0; i < count; ++i) {
    const auto window = from.window(i * from.count() / count);
    some.ids.insert(some.ids.end(), window.begin(), window.end());
  }
  return some;
}

// `plan` with number formats for the size that was asked for.
Plan plan_for_size(Compression& c, const Plan& plan) {
  const std::uint64_t most = most_bytes(*c.options.size, c.source.parameters(), c.source.file_bytes());
  const Windows windows = spread(*c.texts.gate, kSurveyWindows);
  const EncodeInput input = c.encode_input();
  const std::vector<StepOptions> options = survey({input, plan, c.format, windows, c.setup});
  const SizeSearch search{plan, options, most, [&](const Plan& candidate) {
                            return c.format.file_bytes(package_head(candidate, c.names, c.source, c.scheme));
                          }};
  const SizedPlan sized = search_size(search);
  c.size = size_choice(search, sized);
  add_size_facts(options, *c.size, c.facts);
  return sized.plan;
}

struct Trials {
  std::vector<Trial> ladder;
  std::vector<EncodeError> errors;
  fs::path folder;  // files of the last trial
  bool accepted = false;
};

std::uint64_t changed_steps(const Plan& plan, const Plan* before) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) count += !before || plan.steps[i].codec != before->steps[i].codec;
  return count;
}

// One rung: encodes `plan` beside the files of the trial before, and removes those.
void encode_trial(Compression& c, const Plan& plan, Trials& trials) {
  const fs::path folder = c.out.path() / fmt::format("trial-{}", trials.ladder.size() + 1);
  std::error_code ec;
  if (!fs::create_directory(folder, ec))
    fail(ErrorCode::kResource, "cannot create {}: {}", folder.string(), ec.message());
  const CheckpointHead head = package_head(plan, c.names, c.source, c.scheme);
  if (trials.ladder.empty()) {
    trials.errors = encode(c.encode_input(), plan, head, folder);
  } else {
    const Checkpoint before = open_checkpoint(trials.folder);
    const EarlierTrial earlier{trials.ladder.back().plan, before, trials.errors};
    trials.errors = encode(c.encode_input(), plan, head, folder, &earlier);
    fs::remove_all(trials.folder, ec);
  }
  const Plan* before = trials.ladder.empty() ? nullptr : &trials.ladder.back().plan;
  trials.ladder.push_back({plan, std::nullopt, changed_steps(plan, before)});
  trials.folder = folder;
}

Trials climb(Compression& c, Plan plan) {
  Trials trials;
  std::optional<Reference> gate;
  if (c.options.bound.is_set()) gate.emplace(c, *c.texts.gate, "gate text");
  std::vector<StepHarm> harms;
  const std::vector<StepSource> sources = step_sources(c.source.spec, c.names, c.source.checkpoint);
  for (unsigned trial = 1;; ++trial) {
    encode_trial(c, plan, trials);
    if (!gate) return trials.accepted = true, trials;
    const Quality quality = gate->quality_of(OpenModel(trials.folder));
    trials.ladder.back().gate = quality;
    const double over = excess(c.options.bound, quality.perplexity_increase.value, quality.mean_kld.value);
    if (over == 0) return trials.accepted = true, trials;
    c.observer.note(fmt::format("trial {} misses the bound: perplexity {:+.2f}%, mean KLD {:.5f} on the gate text",
                                trial, 100 * quality.perplexity_increase.value, quality.mean_kld.value));
    if (trial >= c.options.max_trials || c.options.size) return trials;  // what would mend it would not fit the size
    if (harms.empty()) {
      harms = measure_harms(c.encode_input(), plan, spread(*c.texts.gate, kHarmWindows), c.setup);
      add_harm_facts(harms, plan, c.facts);
    }
    const std::optional<Plan> next = next_plan(plan, c.format, sources, over, harms);
    if (!next) return trials;
    plan = *next;
  }
}

bool same_text(const fs::path& a, const fs::path& b) {
  std::error_code ec;
  return !a.empty() && !b.empty() && fs::equivalent(a, b, ec);
}

std::string unknown_notes(const Compression& c) {
  const auto packed = std::ranges::count(c.source.spec.weights, "matrix", &Weight::role);
  return fmt::format(
      "no architecture recognises the model ({}): {} matrices were packed by the look of their names and shapes, {} "
      "other tensors are as they were; not checked: whether the roles are right, whether a runtime loads the packed "
      "tensors, and any quality of the model as a whole. Checked: every value is finite, and the error of each tensor",
      c.source.spec.evidence.front().source, packed,
      c.source.checkpoint.tensors().size() - static_cast<std::size_t>(packed));
}

std::vector<std::string> thin_notes(const Statistics& statistics) {
  std::vector<std::string> notes;
  for (const ThinExpert& thin : thin_experts(statistics))
    notes.push_back(
        fmt::format("expert {} of {} saw {} tokens of the calibration text, fewer than {}: it takes the "
                    "statistics of all experts of its layer",
                    thin.expert, thin.group, thin.tokens, kFewestTokens));
  return notes;
}

// What keeps a runtime from reading texts with the package; empty: nothing, as where a text was read already.
std::string tokenizer_note(const Compression& c) {
  if (c.texts.calibration || c.texts.gate || c.texts.report) return {};
  try {
    load_tokenizer(c.source.checkpoint);
    return {};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput) throw;
    return fmt::format("the tokenizer goes along as it is, and cannot be used: {}", error.what());
  }
}

Report describe(Compression& c, const Trials& trials) {
  Report r;
  r.model_name = c.source.name();
  r.architecture = c.source.spec.architecture;
  r.command = c.options.command;
  r.parameters = c.source.parameters();
  r.source_bytes = c.source.file_bytes();
  r.instruction_set = instruction_set();
  r.precision = to_string(c.setup.precision);
  r.calibration = c.texts.calibration_use;
  r.gate_text = c.texts.gate_use;
  r.report_text = c.texts.report_use;
  r.bound = c.options.bound;
  r.accepted = trials.accepted;
  r.ladder = trials.ladder;
  r.errors = trials.errors;
  r.tensors = c.facts;
  r.size = c.size;
  r.can_run = c.source.can_run();
  r.notes = trials.ladder.back().plan.notes;
  if (!r.can_run) r.notes.insert(r.notes.begin(), unknown_notes(c));
  r.notes.insert(r.notes.end(), c.names.notes.begin(), c.names.notes.end());
  std::ranges::copy(assumed_values(c.source.spec), std::back_inserter(r.notes));
  if (!c.options.statistics.empty()) r.notes.push_back("statistics were read from " + c.options.statistics.string());
  if (!c.choice.note.empty()) r.notes.push_back(c.choice.note);
  if (same_text(c.options.report_text, c.options.calibration_text) ||
      same_text(c.options.report_text, c.options.gate_text))
    r.notes.push_back("the report text is also the calibration or gate text: its figures flatter the result");
  if (const std::string note = tokenizer_note(c); !note.empty()) r.notes.push_back(note);
  if (c.statistics_sha256.empty()) r.notes.push_back("no calibration text: every weight counts alike");
  for (const std::string& note : thin_notes(c.statistics)) r.notes.push_back(note);
  return r;
}

}  // namespace

Report compress(const CompressOptions& options, Observer& observer) {
  const auto start = std::chrono::steady_clock::now();
  check_output(options.output, options.input, options.existing);
  if (options.bound.is_set())
    check_output(rejected_path(options.output), options.input, OutputFolder::Existing::kReplace);
  const bool mapped = !options.precision_map.empty();
  const PrecisionMap precision_map = mapped ? read_precision_map(options.precision_map) : PrecisionMap();
  Compression c(options, observer);
  if (!c.choice.note.empty()) observer.note(c.choice.note);
  check_weights(c.source.weights, c.source.spec, c.pool, observer);
  const auto planned = [&] {
    return make_plan({c.scheme, c.format, c.source.spec, c.names, c.source.checkpoint, combined_hash(c.source_files),
                      c.statistics_sha256, mapped ? &precision_map : nullptr});
  };
  planned();  // refuses what cannot be planned before the statistics are collected
  calibrate(c);
  const Plan plan = options.size ? plan_for_size(c, planned()) : planned();
  for (const std::string& note : plan.notes) observer.note(note);
  for (const std::string& note : c.names.notes) observer.note(note);
  for (const std::string& note : thin_notes(c.statistics)) observer.note(note);
  for (const std::string& note : assumed_values(c.source.spec)) observer.note(note);
  const Trials trials = climb(c, plan);
  Report report = describe(c, trials);
  if (c.texts.report)
    report.quality = Reference(c, *c.texts.report, "report text").quality_of(OpenModel(trials.folder));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  assemble_package(c.out.path(), trials.folder, c.source.checkpoint, c.source_files, report);
  c.out.publish(trials.accepted ? fs::path() : rejected_path(options.output));
  return report;
}

}  // namespace quern
