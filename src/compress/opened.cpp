// Opening in an order that refuses what cannot work before it takes time or touches the output.
#include "compress/opened.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "base/fail.h"
#include "calib/statistics.h"
#include "compress/compress_choice.h"
#include "encode/tensor_encoding.h"
#include "format/formats.h"
#include "package/one_file.h"
#include "package/package.h"
#include "package/requantization.h"
#include "package/statistics_names.h"
#include "plan/check_plan.h"
#include "plan/choice.h"
#include "plan/output_tensor.h"
#include "sequential/sequential_calibration.h"

namespace quern {
namespace {

const CompressOptions& checked(const CompressOptions& options) {
  check_option_pairs(options);
  check_name(options.name);
  if (!options.statistics.empty()) File{given_moments(options)};
  if (options.output.empty()) return options;
  if (is_one_file(options.output)) {
    OutputFolder::check_target(options.output, OutputFolder::Existing::kReplace);
    check_one_file(options);
  } else {
    check_output(options.output, options.input, options.existing);
    OutputFolder::check_target(options.output, options.existing);
  }
  if (options.bound.is_set())
    check_output(rejected_path(options.output), options.input, OutputFolder::Existing::kReplace);
  return options;
}

// Error(kUsage): a size cannot be kept to.
void check_sizes_are_exact(const Plan& plan) {
  for (const PlanStep& step : plan.steps)
    if (wants_measuring(*find_codec(step.codec)))
      fail(ErrorCode::kUsage,
           "`size` cannot be kept to in {}: how many bytes a tensor takes in it depends on its numbers; take another "
           "`scheme`",
           step.codec);
}

// Error(kInput) where steps of a plan that was given are in sequence and cannot be.
void check_sequence(const Opened& opened, const Plan& plan) {
  if (!has_sequence(plan)) return;
  const std::filesystem::path& path = opened.options.plan;
  if (opened.options.output.empty())
    fail(ErrorCode::kUsage,
         "the plan {} calibrates matrices in sequence, which only compressing does: what it loses cannot be foretold",
         path.string());
  if (opened.options.calibration_text.empty())
    fail(ErrorCode::kInput,
         "the plan {} calibrates matrices in sequence, for which no statistics are enough: give the same "
         "`calibration_text`",
         path.string());
  const Plan possible = opened.sequenced(plan);
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    if (plan.steps[i].is_sequential() && !possible.steps[i].is_sequential())
      fail(ErrorCode::kInput,
           "in step {} of the plan {}, tensor {} cannot be calibrated in sequence: take \"calibration\" out of it, or "
           "give it an optimizer that goes by Hessians, and more `machine.max_memory` where its columns are many",
           i, path.string(), plan.steps[i].tensor);
}

ExportMap names_and_notes(const OpenModel& source, const Format& format, const SourceTokenizer& tokenizer) {
  ExportMap names = export_map(source, format);
  std::ranges::copy(package_notes(format, source, tokenizer), std::back_inserter(names.notes));
  return names;
}

// As it stands, not packed without loss.
bool is_float(const std::string& name) {
  const Codec* codec = find_codec(name);
  return is_plain(codec) && plain_codec(*codec).name == name;
}

// Whether it is what a scheme is named for: its own, or one of as many kinds that its rules give matrices wherever they
// stand, and none that they give to one place.
bool is_named_for(const Scheme& scheme, std::string_view codec) {
  if (codec == scheme.codec) return true;
  const auto gives = [&](bool (*is_part)(Part)) {
    return std::ranges::any_of(scheme.rules,
                               [&](const SchemeRule& rule) { return rule.codec == codec && is_part(rule.part); });
  };
  return is_float(std::string(codec)) == is_float(scheme.codec) &&
         gives([](Part part) { return part == Part::kAny; }) && !gives([](Part part) { return part != Part::kAny; });
}

// What it was made with, but for the counts: they are known behind calibration.
CheckpointHead head_before_plans(const Opened& opened) {
  CheckpointHead head = package_head(opened.names, opened.format, opened.source, opened.tokenizer);
  if (opened.calibrates()) set_importance(head, opened.format, importance_keys(opened.options));
  if (!opened.options.name.empty()) set_model_name(head, opened.format, opened.options.name);
  return head;
}

}  // namespace

ImportanceKeys importance_keys(const CompressOptions& options) {
  ImportanceKeys keys{.file = kStatisticsName, .dataset = options.calibration_text.filename().string()};
  if (options.statistics.empty()) return keys;
  if (const std::string text = text_of_statistics(given_moments(options)); !text.empty())
    keys.dataset = std::filesystem::path(text).filename().string();
  return keys;
}

Opened::Opened(const CompressOptions& opt, Observer& obs, std::optional<OpenModel> model)
    : pool_(std::make_unique<ThreadPool>(opt.machine.threads)),
      options(checked(opt)),
      observer(obs),
      given(opt.plan.empty() ? std::nullopt : std::optional(read_plan(opt.plan))),
      precision_map(opt.precision_map.empty() ? std::nullopt : std::optional(read_precision_map(opt.precision_map))),
      source(model ? std::move(*model) : open_model({opt.input, opt.adapter, opt.drop}, Unrecognised::kList)),
      tokenizer(source.checkpoint),
      copied(source.checkpoint),
      name(opt.name.empty() ? source.name() : opt.name),
      quantized(describe_quantization(source.spec, source.checkpoint)),
      choice(scheme_for(opt, given ? &*given : nullptr, source)),
      scheme(*choice.scheme),
      format(format_for(opt, given ? &*given : nullptr, scheme)),
      names(names_and_notes(source, format, tokenizer)),
      statistics_names(quern::statistics_names(source)),
      couplings(opt.mode == CompressOptions::Mode::kAdvanced ? std::vector<Coupling>()
                                                             : quern::couplings(format, source.spec, names)),
      setup(evaluation_setup(opt.machine, source.spec, pool().threads(), text_window(source.spec))),
      optimizer(optimizer_for(opt)),
      head_(head_before_plans(*this)) {}

const TernaryForms& Opened::ternary() const {
  std::call_once(ternary_found_, [&] { ternary_ = find_ternary(source.weights, source.spec, pool()); });
  return ternary_;
}

Plan Opened::plan(const StatisticsHashes& statistics, const Optimizer* by) const {
  const PlanInput input{
      scheme, format, source.spec, names, source.weights, statistics, precision_map ? &*precision_map : nullptr, by};
  if (!given) {
    Plan plan = make_plan(input);
    if (searches()) check_sizes_are_exact(plan);
    return plan;
  }
  Plan plan = checked_plan(*given, input, options.plan);
  if (given->statistics_sha256.empty() == calibrates())
    check_plan_statistics(*given, {calibrates() ? "not collected yet" : "", ""}, options.plan);
  check_sequence(*this, plan);
  if (needs_hessians(plan) && options.calibration_text.empty() && given_hessians(options).empty())
    fail(ErrorCode::kInput,
         "the plan {} chooses codes by error feedback, for which an importance matrix is not enough: give the folder "
         "that planning kept (`statistics_folder`) as `statistics`, or the same `calibration_text`",
         options.plan.string());
  return plan;
}

Plan Opened::sequenced(Plan plan) const {
  return in_sequence(std::move(plan), {.spec = source.spec,
                                       .source = source.weights,
                                       .names = names,
                                       .window_length = text_window(source.spec),
                                       .memory = setup.memory_limit});
}

std::vector<std::string> Opened::notes_of(const Plan& plan) const {
  std::vector<std::string> notes = plan.notes;
  for (std::string& note : std::vector{estimate_note(plan), unfitted_note(plan)})
    if (!note.empty()) notes.push_back(std::move(note));
  if (!choice.note.empty()) notes.insert(notes.begin(), choice.note);
  std::ranges::copy(source.checkpoint.notes(), std::back_inserter(notes));
  std::ranges::copy(names.notes, std::back_inserter(notes));
  std::ranges::copy(description_notes(source.spec), std::back_inserter(notes));
  return notes;
}

std::vector<std::string> Opened::loading_notes(const Plan& plan) const {
  return source.can_run() ? quern::loading_notes(plan, format, couplings) : std::vector<std::string>();
}

const std::optional<Plan>& Opened::scheme_plan(std::string_view statistics) const {
  // Which statistics there are decides nothing.
  SchemePlan& made = statistics.empty() ? without_statistics_ : with_statistics_;
  std::call_once(made.made, [&] {
    try {
      made.plan = make_plan({scheme, format, source.spec, names, source.weights, {std::string(statistics), ""}});
    } catch (const Error& error) {  // rules may make of it what the container holds
      if (error.code() != ErrorCode::kInfeasible) throw;
    }
  });
  return made.plan;
}

bool Opened::follows_scheme(const Plan& plan) const {
  const std::optional<Plan>& by_scheme = scheme_plan(plan.statistics_sha256);
  return by_scheme && have_same_codecs(plan, *by_scheme);
}

bool Opened::loses_nothing(const Plan& plan) const {
  return std::ranges::all_of(output_tensors(plan, source.spec, names), [&](const OutputTensor& tensor) {
    const Codec* codec = find_codec(tensor.step.codec);
    return holds_exactly(codec, source.weights.stored(tensor.weight).encoding) ||
           (codec && is_stored_in(*codec, source.weights, tensor.weight, tensor.exported));
  });
}

bool Opened::holds_what_scheme_names(const Plan& plan) const {
  return std::ranges::any_of(output_tensors(plan, source.spec, names), [&](const OutputTensor& tensor) {
    return !keeps_precision(tensor.weight) && is_named_for(scheme, tensor.step.codec);
  });
}

std::string Opened::unfitted_note(const Plan& plan) const {
  if (!follows_scheme(plan) || holds_what_scheme_names(plan)) return {};
  return fmt::format(
      "nothing is in a number format of {}: no matrix has the size or the length of rows that it takes; most weights "
      "are {}",
      scheme.name, most_used_codec(plan));
}

std::string Opened::contents_of(const Plan& plan) const {
  if (follows_scheme(plan) && holds_what_scheme_names(plan)) return scheme.name;
  return loses_nothing(plan) ? most_used_codec(plan) + ", nothing lost" : "mostly " + most_used_codec(plan);
}

CheckpointHead Opened::unnamed_head_of(const Plan& plan) const {
  CheckpointHead head = head_;
  set_tensors(head, tensor_table(plan, names, source.spec, copied), names);
  return head;
}

CheckpointHead Opened::head_of(const Plan& plan) const {
  CheckpointHead head = unnamed_head_of(plan);
  set_mix_name(head, format, name,
               follows_scheme(plan) ? name_of_scheme(scheme) : name_of_size(plan, format.file_bytes(head)));
  return head;
}

std::uint64_t Opened::bytes_of(const Plan& plan) const {
  return package_bytes(unnamed_head_of(plan), format, source.checkpoint);
}

}  // namespace quern
