// Open, calibrate, plan, then encode and measure until the bound holds; publish with report and manifest.
#include "pipeline/compress.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/cpu.h"
#include "base/sha256.h"
#include "calib/collect.h"
#include "format/load_tokenizer.h"
#include "format/vocabulary_gguf.h"
#include "pipeline/check_weights.h"
#include "pipeline/compression.h"
#include "pipeline/interaction.h"
#include "pipeline/package.h"
#include "pipeline/size_search.h"
#include "pipeline/survey.h"
#include "pipeline/trials.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

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
  if (!c.journal.has_statistics(file)) {
    if (!c.options.statistics.empty()) {
      c.statistics = read_statistics(c.options.statistics, c.source.spec, gguf_names);
    } else {
      c.statistics = collect_statistics(c.walk(), *c.texts.calibration, c.setup.memory_limit, c.observer);
      c.statistics.text_name = c.options.calibration_text.filename().string();
    }
    c.journal.add_statistics(write_statistics(file, c.statistics, c.source.spec, gguf_names));
  }
  c.statistics_sha256 = sha256_of_file(file);
  c.statistics = read_statistics(file, c.source.spec, gguf_names);
}

std::vector<StepOptions> surveyed(Compression& c, const Plan& plan) {
  if (auto known = c.journal.survey(plan)) return std::move(*known);
  const Windows windows = spread(*c.texts.gate, kSurveyWindows);
  const EncodeInput input = c.encode_input();
  std::vector<StepOptions> options = survey({input, plan, c.format, windows, c.setup});
  c.journal.add_survey(plan, options);
  return options;
}

// `plan` with number formats for the size that was asked for, if one was.
Plan fitted(Compression& c, const Plan& plan) {
  if (!c.options.size) return plan;
  const std::uint64_t most = most_bytes(*c.options.size, c.source.parameters(), c.source.file_bytes());
  std::vector<StepOptions> options = surveyed(c, plan);
  SizeSearch search{plan, options, most, [&](const Plan& candidate) {
                      return c.format.file_bytes(package_head(candidate, c.names, c.source, c.scheme));
                    }};
  const SizedPlan sized = search_in_company(c, search, options);
  search.options = options;
  c.size = size_choice(search, sized);
  add_size_facts(options, *c.size, c.facts);
  return sized.plan;
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
  if (c.journal.continues())
    r.notes.push_back("an interrupted run was continued; the time is that of the last part alone");
  if (!c.choice.note.empty()) r.notes.push_back(c.choice.note);
  if (same_text(c.options.report_text, c.options.calibration_text) ||
      same_text(c.options.report_text, c.options.gate_text))
    r.notes.push_back("the report text is also the calibration or gate text: its figures flatter the result");
  if (const std::string note = tokenizer_note(c); !note.empty()) r.notes.push_back(note);
  if (c.statistics_sha256.empty()) r.notes.push_back("no calibration text: every weight counts alike");
  for (const std::string& note : thin_notes(c.statistics)) r.notes.push_back(note);
  return r;
}

void note_start(const Compression& c) {
  const std::string folder = c.out.path().string();
  if (c.journal.continues()) {
    c.observer.note(fmt::format("going on where the run in {} ended; {} encoded tensors are on record", folder,
                                c.journal.tensors()));
  } else if (c.options.start == CompressOptions::Start::kResume) {
    c.observer.note(fmt::format("there is nothing to resume in {}; starting from the beginning", folder));
  } else if (c.out.had_unfinished()) {
    c.observer.note(
        fmt::format("what an interrupted run had left in {} was removed; --resume goes on from it", folder));
  }
}

Report run(Compression& c, const PrecisionMap* precision_map, std::chrono::steady_clock::time_point start) {
  Observer& observer = c.observer;
  if (!c.choice.note.empty()) observer.note(c.choice.note);
  if (!c.journal.weights_are_checked()) {
    check_weights(c.source.weights, c.source.spec, c.pool, observer);
    c.journal.add_weights_checked();
  }
  const auto planned = [&] {
    return make_plan({c.scheme, c.format, c.source.spec, c.names, c.source.checkpoint, combined_hash(c.source_files),
                      c.statistics_sha256, precision_map});
  };
  planned();  // refuses what cannot be planned before the statistics are collected
  calibrate(c);
  const Plan plan = fitted(c, planned());
  for (const std::string& note : plan.notes) observer.note(note);
  for (const std::string& note : c.names.notes) observer.note(note);
  for (const std::string& note : thin_notes(c.statistics)) observer.note(note);
  for (const std::string& note : assumed_values(c.source.spec)) observer.note(note);
  const Trials trials = climb(c, plan);
  Report report = describe(c, trials);
  if (c.texts.report)
    report.quality = Reference(c, *c.texts.report, "report text").quality_of(OpenModel(c.out.path() / trials.folder));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  assemble_package(c.out.path(), c.out.path() / trials.folder, c.source.checkpoint, c.source_files, report);
  c.out.publish(trials.folder, trials.accepted ? fs::path() : rejected_path(c.options.output));
  return report;
}

// Runs `body`. What was finished stays in `out` for a run that resumes, unless the error would come again.
template <typename Body>
Report resumable(OutputFolder& out, Body body) {
  out.when_unpublished(OutputFolder::Unfinished::kKeep);
  const std::string kept = fmt::format("what was finished is kept in {}", out.path().string());
  try {
    return body();
  } catch (Error& error) {
    if (error.code() == ErrorCode::kInterrupted)
      fail(ErrorCode::kInterrupted, "interrupted; {}: repeat the command with --resume to go on from there", kept);
    if (error.code() == ErrorCode::kResource)
      throw error.add_context(kept + ": make room and repeat the command with --resume to go on from there");
    out.when_unpublished(OutputFolder::Unfinished::kRemove);
    throw;
  }
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
  note_start(c);
  return resumable(c.out, [&] { return run(c, mapped ? &precision_map : nullptr, start); });
}

}  // namespace quern
