// Open, calibrate, plan, then encode and measure until the bound holds; publish with report and manifest.
#include "compress/compress.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/cpu.h"
#include "base/fail.h"
#include "compress/compression.h"
#include "compress/interaction.h"
#include "compress/optimizer_choice.h"
#include "compress/sizing.h"
#include "compress/trials.h"
#include "encode/check_weights.h"
#include "format/load_tokenizer.h"
#include "model/tied_copy.h"
#include "package/package.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

Sizing sizing_of(Compression& c) { return {c.prep, c.out.path() / "candidate", &c.journal}; }

// `plan` with number formats for the size that was asked for, if one was.
Plan fitted(Compression& c, const Plan& plan) {
  if (!c.options.size) return plan;
  const Sizing sizing = sizing_of(c);
  std::vector<StepOptions> options = surveyed(sizing, plan);
  SizeSearch search = size_search(c.prep, plan, options, most_bytes(c.prep));
  const SizedPlan sized = search_in_company(sizing, search, options);
  search.options = options;
  c.size = size_choice(search, sized);
  add_survey_facts(options, sized.shares, c.facts);
  return sized.plan;
}

bool same_text(const fs::path& a, const fs::path& b) {
  std::error_code ec;
  return !a.empty() && !b.empty() && fs::equivalent(a, b, ec);
}

std::string unknown_notes(const Compression& c) {
  const auto packed = std::ranges::count(c.prep.source.spec.weights, "matrix", &Weight::role);
  return fmt::format(
      "no architecture recognises the model ({}): {} matrices were packed by the look of their names and shapes, {} "
      "other tensors are as they were; not checked: whether the roles are right, whether a runtime loads the packed "
      "tensors, and any quality of the model as a whole. Checked: every value is finite, and the error of each tensor",
      c.prep.source.spec.evidence.front().source, packed,
      c.prep.source.checkpoint.tensors().size() - static_cast<std::size_t>(packed));
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
  if (c.prep.texts.calibration || c.prep.texts.gate || c.prep.texts.report) return {};
  try {
    load_tokenizer(c.prep.source.checkpoint);
    return {};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput) throw;
    return fmt::format("the tokenizer goes along as it is, and cannot be used: {}", error.what());
  }
}

Report describe(Compression& c, const Trials& trials) {
  Report r;
  r.model_name = c.prep.source.name();
  r.architecture = c.prep.source.spec.architecture;
  r.command = c.options.command;
  r.parameters = c.prep.source.parameters();
  r.source_bytes = c.prep.source.file_bytes();
  r.instruction_set = instruction_set();
  r.precision = to_string(c.prep.setup.precision);
  r.calibration = c.prep.texts.calibration_use;
  r.gate_text = c.prep.texts.gate_use;
  r.report_text = c.prep.texts.report_use;
  r.bound = c.options.bound;
  r.accepted = trials.accepted;
  r.ladder = trials.ladder;
  r.errors = trials.errors;
  r.tensors = c.facts;
  r.size = c.size;
  r.can_run = c.prep.source.can_run();
  const Plan& plan = trials.ladder.back().plan;
  r.notes = plan.notes;
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    if (std::string note = loss_note(plan.steps[i], trials.errors[i]); !note.empty())
      r.notes.push_back(std::move(note));
  if (!r.can_run) r.notes.insert(r.notes.begin(), unknown_notes(c));
  if (const std::string overlay = c.prep.source.weights.identity(); !overlay.empty())
    r.notes.push_back("the weights are not as the checkpoint has them: " + overlay);
  r.notes.insert(r.notes.end(), c.prep.names.notes.begin(), c.prep.names.notes.end());
  std::ranges::copy(assumed_values(c.prep.source.spec), std::back_inserter(r.notes));
  std::ranges::copy(c.prep.loading_notes(plan), std::back_inserter(r.notes));
  if (!c.options.statistics.empty()) r.notes.push_back("statistics were read from " + c.options.statistics.string());
  if (c.journal.continues())
    r.notes.push_back("an interrupted run was continued; the time is that of the last part alone");
  if (!c.prep.choice.note.empty()) r.notes.push_back(c.prep.choice.note);
  r.report_text_was_seen = same_text(c.options.report_text, c.options.calibration_text) ||
                           same_text(c.options.report_text, c.options.gate_text);
  if (r.report_text_was_seen)
    r.notes.push_back("the report text is also the calibration or gate text: its figures flatter the result");
  if (const std::string note = tokenizer_note(c); !note.empty()) r.notes.push_back(note);
  if (c.prep.statistics_sha256.empty()) r.notes.push_back("no calibration text: every weight counts alike");
  for (const std::string& note : thin_notes(c.prep.statistics)) r.notes.push_back(note);
  std::ranges::copy(c.prep.inputs->notes(), std::back_inserter(r.notes));
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
        fmt::format("what an interrupted run had left in {} was removed; `start=kResume` goes on from it", folder));
  }
}

// A NaN or an infinity is found at the latest when it is to be encoded.
void check(Compression& c) {
  const OpenModel& source = c.prep.source;
  if (c.prep.runs_first() && c.journal.weights_are_checked()) return;
  check_tied_copy(source.checkpoint, source.spec);
  if (!c.prep.runs_first())
    return check_weights_before_encoding(source.weights, source.spec, c.prep.names, c.prep.pool, c.observer);
  check_weights(source.weights, source.spec, c.prep.pool, c.observer);
  c.journal.add_weights_checked();
}

void calibrate(Compression& c) {
  if (!c.prep.calibrates()) return;
  const fs::path file = c.out.path() / kStatisticsName;
  if (!c.journal.has_statistics(file)) c.journal.add_statistics(c.prep.collect(file));
  c.prep.use_statistics(file);
}

void note_plan(const Compression& c, const Plan& plan) {
  for (const std::string& note : plan.notes) c.observer.note(note);
  for (const std::string& note : c.prep.loading_notes(plan)) c.observer.note(note);
  for (const std::string& note : c.prep.names.notes) c.observer.note(note);
  for (const std::string& note : thin_notes(c.prep.statistics)) c.observer.note(note);
  for (const std::string& note : assumed_values(c.prep.source.spec)) c.observer.note(note);
}

Report run(Compression& c) {
  Preparation& prep = c.prep;
  if (!prep.choice.note.empty()) c.observer.note(prep.choice.note);
  prep.plan();  // refuses what cannot be planned before a weight is read
  if (prep.options.size || prep.options.bound.is_set()) survey_design(prep);
  check(c);
  calibrate(c);
  const OptimizerChoice optimizer = choose_optimizer(sizing_of(c));
  prep.optimizer = optimizer.optimizer;
  Plan base = prep.plan();
  if (!optimizer.note.empty()) base.notes.push_back(optimizer.note);
  const Plan plan = fitted(c, base);
  note_plan(c, plan);
  Trials trials = climb(c, plan);
  prep.hashes.finish(prep.pool);
  c.know_source();
  trials.ladder.back().plan.source_sha256 = prep.source_hash();
  Report report = describe(c, trials);
  if (prep.texts.report)
    report.quality =
        Reference(c, *prep.texts.report, "report text").quality_of(OpenModel(c.out.path() / trials.folder));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - prep.started).count();
  assemble_package(c.out.path(), c.out.path() / trials.folder, prep.source, prep.source_files, prep.hashes, report);
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
      fail(ErrorCode::kInterrupted, "interrupted; {}: repeat the run with `start=kResume` to go on from there", kept);
    if (error.code() == ErrorCode::kResource)
      throw error.add_context(kept + ": make room and repeat the run with `start=kResume` to go on from there");
    out.when_unpublished(OutputFolder::Unfinished::kRemove);
    throw;
  }
}

}  // namespace

Report compress(Preparation& preparation) {
  Compression c(preparation);
  note_start(c);
  return resumable(c.out, [&] { return run(c); });
}

Report compress(const CompressOptions& options, Observer& observer) {
  Preparation preparation(options, observer);
  return compress(preparation);
}

}  // namespace quern
