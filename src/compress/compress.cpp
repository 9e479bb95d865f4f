// Open, calibrate, plan, then encode and measure until the bound holds; publish with report and manifest.
#include "compress/compress.h"

#include <algorithm>
#include <chrono>

#include "base/cpu.h"
#include "base/elapsed.h"
#include "base/fail.h"
#include "base/output_path.h"
#include "compress/encoded.h"
#include "compress/permissions.h"
#include "encode/check_weights.h"
#include "model/tied_copy.h"
#include "package/one_file.h"
#include "package/package.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

bool same_text(const fs::path& a, const fs::path& b) {
  std::error_code ec;
  return !a.empty() && !b.empty() && fs::equivalent(a, b, ec);
}

std::string unknown_note(const OpenModel& source) {
  const auto packed = std::ranges::count(source.spec.weights, "matrix", &Weight::role),
             kernels = std::ranges::count(source.spec.weights, "kernel", &Weight::role);
  return fmt::format(
      "no architecture recognises the model ({}): {} matrices were packed by the look of their names and shapes, {} "
      "convolutions and narrow matrices have the scheme's 16 bits, {} other tensors are as they were; not checked: "
      "whether the roles are right, whether a runtime loads the packed "
      "tensors, and any quality of the model as a whole. Checked: every value is finite, and the error of each tensor",
      source.spec.evidence.front().source, packed, kernels,
      source.checkpoint.tensors().size() - static_cast<std::size_t>(packed + kernels));
}

// All that a report is drawn from.
struct Outcome {
  const Opened& opened;
  const CompressTexts& texts;
  const Calibrated& calibrated;
  const Planned& planned;
  Encoded& encoded;  // whose trials and tensors the report takes
  const CompressJournal& journal;

  bool report_text_was_seen() const {
    const CompressOptions& o = opened.options;
    return same_text(o.report_text, o.calibration_text) || same_text(o.report_text, o.gate_text);
  }
};

void add(std::vector<std::string>& notes, const std::vector<std::string>& more) {
  notes.insert(notes.end(), more.begin(), more.end());
}

std::vector<std::string> notes_of(const Outcome& of) {
  const Opened& opened = of.opened;
  const Plan& plan = of.encoded.ladder.back().plan;
  std::vector<std::string> notes;
  if (!opened.source.can_run()) notes.push_back(unknown_note(opened.source));
  add(notes, permission_notes(opened, plan));
  if (std::string note = opened.unfitted_note(plan); !note.empty()) notes.push_back(std::move(note));
  add(notes, plan.notes);
  for (const ReportedTensor& tensor : of.encoded.tensors)
    if (std::string note = loss_note(tensor.step, tensor.error); !note.empty()) notes.push_back(std::move(note));
  if (const std::string overlay = opened.source.weights.identity(); !overlay.empty())
    notes.push_back("the weights are not as the checkpoint has them: " + overlay);
  add(notes, opened.source.checkpoint.notes());
  add(notes, opened.names.notes);
  add(notes, description_notes(opened.source.spec));
  add(notes, opened.loading_notes(plan));
  if (!opened.options.statistics.empty())
    notes.push_back("statistics were read from " + opened.options.statistics.filename().string());
  if (of.journal.continues())
    notes.push_back("an interrupted run was continued; the time is that of the last part alone");
  if (!opened.choice.note.empty()) notes.push_back(opened.choice.note);
  if (of.report_text_was_seen())
    notes.push_back("the report text is also the calibration or gate text: its figures flatter the result");
  add(notes, opened.tokenizer.notes());
  // Where a text was read there is nothing to say.
  if (const std::string& problem = opened.tokenizer.problem(); !problem.empty()) {
    if (has_tokenizer(opened.source.checkpoint))
      notes.push_back("the tokenizer goes along as it is, and cannot be used: " + problem);
    else if (opened.source.can_run())
      notes.push_back("the tokenizer is missing: programs that run text need one beside the weights");
  }
  if (of.calibrated.is_empty())
    notes.push_back("no calibration text: every weight counts alike; with one the result is better");
  add(notes, calibration_notes(of.opened, of.texts, of.calibrated));
  add(notes, of.calibrated.inputs().notes());
  add(notes, of.encoded.notes);
  return notes;
}

// Where a person keeps their files is nobody else's concern: of what was given by absolute paths only names are left.
std::vector<std::string> without_places(std::vector<std::string> notes, const CompressOptions& o) {
  for (const fs::path& given : {o.input, o.adapter, o.output, o.plan, o.precision_map, o.statistics, o.calibration_text,
                                o.gate_text, o.report_text}) {
    std::error_code ec;
    const std::string folder = fs::absolute(given, ec).lexically_normal().parent_path().string() + "/";
    if (given.empty() || ec || folder.size() < 3) continue;
    for (std::string& note : notes)
      for (std::size_t at = 0; (at = note.find(folder, at)) != std::string::npos;) note.erase(at, folder.size());
  }
  return notes;
}

Report describe(Outcome of) {
  const OpenModel& source = of.opened.source;
  const auto use = [](const std::optional<CutText>& text) { return text ? std::optional(text->use) : std::nullopt; };
  Report r;
  r.model_name = of.opened.name;
  r.source_name = source.name();
  r.quantized = of.opened.quantized;
  r.architecture = source.spec.architecture;
  r.command = of.opened.options.command;
  r.contents = of.opened.contents_of(of.encoded.ladder.back().plan);
  r.copied_tensors = of.opened.names.copied.size();
  for (const std::string& name : of.opened.names.copied) r.copied_bytes += source.checkpoint.at(name).bytes();
  r.parameters = source.parameters();
  r.source_bytes = source.file_bytes();
  r.instruction_set = instruction_set();
  r.precision = to_string(of.opened.setup.precision);
  r.calibration = use(of.texts.calibration);
  r.gate_text = use(of.texts.gate);
  r.report_text = use(of.texts.report);
  r.bound = of.opened.options.bound;
  r.accepted = of.encoded.accepted;
  r.size = of.planned.size;
  r.can_run = source.can_run();
  r.report_text_was_seen = of.report_text_was_seen();
  r.notes = without_places(notes_of(of), of.opened.options);
  r.ladder = std::move(of.encoded.ladder);
  r.tensors = std::move(of.encoded.tensors);
  return r;
}

void note_start(const Opened& opened, const Workspace& work) {
  const std::string folder = work.out.path().string();
  if (work.journal.continues()) {
    opened.observer.note(fmt::format("going on where the run in {} ended; {} encoded tensors are on record", folder,
                                     work.journal.tensors()));
  } else if (opened.options.start == CompressOptions::Start::kResume) {
    opened.observer.note(fmt::format("there is nothing to resume in {}; starting from the beginning", folder));
  } else if (work.out.had_unfinished()) {
    opened.observer.note(
        fmt::format("what an interrupted run had left in {} was removed; `start=kResume` goes on from it", folder));
  }
}

// A NaN or an infinity is found at the latest when it is to be encoded.
void check(const Opened& opened, const CompressTexts& texts, CompressJournal& journal) {
  const OpenModel& source = opened.source;
  const bool first = computes_before_encoding(opened, texts);
  if (first && journal.weights_are_checked()) return;
  check_tied_copy(source.checkpoint, source.spec);
  if (!first)
    return check_weights_before_encoding(source.weights, source.spec, opened.names, opened.pool(), opened.observer);
  check_weights(source.weights, source.spec, opened.pool(), opened.observer);
  journal.add_weights_checked();
}

void note_plan(const Opened& opened, const CompressTexts& texts, const Calibrated& calibrated, const Plan& plan) {
  std::vector<std::string> notes = plan.notes;
  add(notes, permission_notes(opened, plan));
  add(notes, opened.loading_notes(plan));
  add(notes, opened.names.notes);
  add(notes, calibration_notes(opened, texts, calibrated));
  add(notes, description_notes(opened.source.spec));
  for (const std::string& note : notes) opened.observer.note(note);
}

// Candidates are written where a text says what they lose.
Planned planned_by(const Opened& opened, const CompressTexts& texts, const Calibrated& calibrated,
                   const WorkFiles& work) {
  std::optional<Candidates> candidates;
  if (texts.survey)
    candidates.emplace(opened, texts, calibrated, work,
                       opened.searches() ? SurveyOriginal::Keep::kFronts : SurveyOriginal::Keep::kRows);
  Plan base = base_plan(opened, calibrated, candidates ? &*candidates : nullptr);
  Planned planned =
      opened.searches()
          ? choose_for_size(opened, texts, survey_steps(opened, texts, std::move(base), work, *candidates), *candidates)
          : plan_as_surveyed({std::move(base), {}});
  if (opened.options.sequence == CompressOptions::Sequence::kMeasure)
    return by_better_sequence({opened, calibrated, work}, texts, std::move(planned), *candidates);
  return planned;
}

// What a person put in the place meanwhile stays, and so does the work.
void check_place_again(const CompressOptions& options, Workspace& work) {
  work.out.when_unpublished(OutputFolder::Unfinished::kKeep);
  if (is_one_file(options.output)) return check_one_file(options);
  OutputFolder::check_target(options.output, options.existing);
  check_output(options.output, options.input, options.existing);
}

// Puts the package in `folder` together, and gives it its name: the output's, or another where it misses its bound.
void publish(const Opened& opened, Workspace& work, const std::string& folder, Report& report) {
  const fs::path& output = opened.options.output;
  PackagePlace place{work.out.path(), work.out.path() / folder, output, opened.options.name, {}};
  const bool is_file = report.accepted && is_one_file(output);
  if (is_file) {
    place.output = evidence_path(output);
    place.file = output_folder_path(output).filename().string();
  }
  assemble_package(place, opened.source, opened.config(), work.hashes.finish(), work.hashes.running(), report);
  work.check_unchanged();
  if (report.accepted) check_place_again(opened.options, work);
  if (is_file) return publish_one_file(work.out, folder, opened.head_of(report.ladder.back().plan), output);
  work.out.publish(folder, report.accepted ? fs::path() : rejected_path(output));
}

Report run(const Opened& opened, const CompressTexts& texts, Workspace& work) {
  if (!opened.choice.note.empty()) opened.observer.note(opened.choice.note);
  check_permissions_early(opened, opened.plan({}, opened.optimizer));  // refused before a weight is read
  check(opened, texts, work.journal);
  const WorkFiles files = work.files();
  const Calibrated calibrated(opened, texts, files);
  const Planned planned = planned_by(opened, texts, calibrated, files);
  check_permissions(opened, planned.plan());
  note_plan(opened, texts, calibrated, planned.plan());
  Encoded encoded = encode_within_bound({opened, texts, calibrated, planned}, files);
  work.know_source();
  Report report = describe({opened, texts, calibrated, planned, encoded, work.journal});
  report.source_sha256 = work.hashes.combined();
  const fs::path folder = work.out.path() / encoded.folder;
  if (texts.report)
    report.quality = Reference(opened, texts.report->windows, "report text").quality_of(OpenModel(folder));
  report.seconds = seconds_since(opened.started);
  publish(opened, work, encoded.folder, report);
  return report;
}

// Runs `body`. What was finished stays in the folder for a run that resumes, unless the error would come again. What an
// earlier run left stays whatever happens: it may be that which cannot be read.
template <typename Body>
Report resumable(const Opened& opened, Workspace& work, Body body) {
  OutputFolder& out = work.out;
  const bool goes_on = out.had_unfinished() && opened.options.start == CompressOptions::Start::kResume;
  out.when_unpublished(OutputFolder::Unfinished::kKeep);
  const std::string kept = fmt::format("what was finished is kept in {}", out.path().string());
  try {
    return body();
  } catch (Error& error) {
    if (error.code() == ErrorCode::kInterrupted)
      fail(ErrorCode::kInterrupted, "interrupted; {}: repeat the run with `start=kResume` to go on from there", kept);
    if (error.code() == ErrorCode::kResource)
      throw error.add_context(kept + ": make room and repeat the run with `start=kResume` to go on from there");
    if (goes_on) throw error.add_context(kept + "; leave out `start=kResume` to start from the beginning");
    out.when_unpublished(OutputFolder::Unfinished::kRemove);
    throw;
  }
}

}  // namespace

Report compress(const Opened& opened, const CompressTexts& texts) {
  Workspace work(opened, texts);
  note_start(opened, work);
  return resumable(opened, work, [&] { return run(opened, texts, work); });
}

Report compress(const CompressOptions& options, Observer& observer) {
  const Opened opened(options, observer);
  return compress(opened, read_texts(opened));
}

}  // namespace quern
