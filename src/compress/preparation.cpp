// Opening in an order that refuses what cannot work before it takes time or touches the output.
#include "compress/preparation.h"

#include <algorithm>
#include <iterator>

#include "base/fail.h"
#include "base/sha256.h"
#include "calib/collect.h"
#include "calib/collect_hessians.h"
#include "compress/compress_choice.h"
#include "package/package.h"
#include "plan/check_plan.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

const CompressOptions& checked(const CompressOptions& options) {
  check_option_pairs(options);
  if (options.output.empty()) return options;
  check_output(options.output, options.input, options.existing);
  if (options.bound.is_set())
    check_output(rejected_path(options.output), options.input, OutputFolder::Existing::kReplace);
  return options;
}

constexpr const char* kHessianFolder = "hessians";

// The one that was named. Error(kUsage) where it needs what there will not be.
const Optimizer* optimizer_for(const CompressOptions& options) {
  if (options.optimizer.empty()) return nullptr;
  if (options.optimizer == kMeasuredOptimizer) {
    if (options.calibration_text.empty())
      fail(ErrorCode::kUsage,
           "optimizers are measured against each other on a text, and there is none: give `calibration_text`");
    return nullptr;
  }
  const Optimizer& named = find_optimizer(options.optimizer);
  if (named.needs > Optimizer::Needs::kNothing && options.calibration_text.empty() && options.statistics.empty())
    fail(ErrorCode::kUsage,
         "the optimizer {} goes by the inputs of matrices on a text, and there is none: give `calibration_text`",
         named.name);
  if (named.needs > Optimizer::Needs::kMoments && !options.statistics.empty())
    fail(ErrorCode::kUsage,
         "the optimizer {} needs products of inputs, and an importance matrix has their squares alone: give "
         "`calibration_text` in place of `statistics`",
         named.name);
  return &named;
}

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

}  // namespace

Preparation::Preparation(const CompressOptions& opt, Observer& obs, std::optional<OpenModel> opened)
    : options(checked(opt)),
      observer(obs),
      given(opt.plan.empty() ? std::nullopt : std::optional(read_plan(opt.plan))),
      precision_map(opt.precision_map.empty() ? std::nullopt : std::optional(read_precision_map(opt.precision_map))),
      pool(opt.machine.threads),
      source(opened ? std::move(*opened) : OpenModel(opt.input, Unrecognised::kList)),
      copied(source.checkpoint),
      choice(scheme_for(opt, given ? &*given : nullptr, source)),
      scheme(*choice.scheme),
      format(format_for(opt, given ? &*given : nullptr, scheme)),
      names(export_map(source, format)),
      couplings(quern::couplings(format, source.spec, names)),
      setup(evaluation_setup(opt.machine, source.spec, pool.threads(), text_window(source.spec))),
      optimizer(optimizer_for(opt)) {
  inputs.emplace();
}

void Preparation::read_texts(GateText gate) {
  if (texts_are_read_) return;
  texts = load_compress_texts(options, source.checkpoint, text_window(source.spec), gate);
  texts_are_read_ = true;
}

void Preparation::begin_hashing() {
  if (!hashing_) add_files(source.checkpoint, hashes);
  hashing_ = true;
}

const std::vector<HashedFile>& Preparation::hash_source() {
  if (!source_files.empty()) return source_files;
  begin_hashing();
  hashes.finish(pool);
  return source_files = hashed_files(source.checkpoint, hashes);
}

std::string Preparation::source_hash() const { return combined_hash(source_files, source.weights.identity()); }

Plan Preparation::plan(const Optimizer* by) {
  if (given) hash_source();
  const std::string hash = source_files.empty() ? "" : source_hash();
  const PlanInput input{scheme,
                        format,
                        source.spec,
                        names,
                        source.weights,
                        hash,
                        statistics_sha256,
                        precision_map ? &*precision_map : nullptr,
                        by};
  if (!given) return make_plan(input);
  if (!calibrates()) check_plan_statistics(*given, "", options.plan);
  if (given->statistics_sha256.empty() && calibrates())
    check_plan_statistics(*given, "not collected yet", options.plan);
  return checked_plan(*given, input, options.plan);
}

std::vector<std::string> Preparation::notes_of(const Plan& plan) const {
  std::vector<std::string> notes = plan.notes;
  if (!choice.note.empty()) notes.insert(notes.begin(), choice.note);
  std::ranges::copy(names.notes, std::back_inserter(notes));
  std::ranges::copy(assumed_values(source.spec), std::back_inserter(notes));
  return notes;
}

std::vector<std::string> Preparation::loading_notes(const Plan& plan) const {
  return source.can_run() ? quern::loading_notes(plan, format, couplings) : std::vector<std::string>();
}

bool Preparation::wants_hessians() const {
  const auto needs = [](const std::string& name) { return find_optimizer(name).needs == Optimizer::Needs::kHessian; };
  if (!texts.calibration) return false;
  if (given) return std::ranges::any_of(given->steps, needs, &PlanStep::optimizer);
  const bool by_rule = precision_map && std::ranges::any_of(precision_map->rules, [&](const PrecisionRule& rule) {
                         return !rule.optimizer.empty() && needs(rule.optimizer);
                       });
  return by_rule || options.optimizer == kMeasuredOptimizer ||
         (optimizer && optimizer->needs == Optimizer::Needs::kHessian);
}

HessianIdentity Preparation::hessians_of() {
  hash_source();
  return hessian_identity(source_hash(), *texts.calibration, setup.precision);
}

Statistics Preparation::collect_with_hessians(const fs::path& folder) {
  HessianWriter store(folder, hessians_of());
  // A comparison keeps twice the hidden states that a calibration does.
  collect_hessians(walk(), *texts.calibration,
                   {.hidden_limit = setup.memory_limit, .memory_limit = 2 * setup.memory_limit}, store, observer);
  return statistics_of(HessianStore(folder, hessians_of()));
}

std::string Preparation::collect(const fs::path& file) {
  const ExportMap gguf_names = statistics_names(source);
  if (!options.statistics.empty())
    return write_statistics(file, read_statistics(options.statistics, source.spec, gguf_names), source.spec,
                            gguf_names);
  Statistics collected = wants_hessians()
                             ? collect_with_hessians(file.parent_path() / kHessianFolder)
                             : collect_statistics(walk(), *texts.calibration, setup.memory_limit, observer);
  collected.text_name = options.calibration_text.filename().string();
  return write_statistics(file, collected, source.spec, gguf_names);
}

void Preparation::use_statistics(const fs::path& file) {
  statistics_sha256 = sha256_of_file(file);
  statistics = read_statistics(file, source.spec, statistics_names(source));
  if (wants_hessians()) {
    hessians.emplace(file.parent_path() / kHessianFolder, hessians_of());
    const std::string both = statistics_sha256 + hessians->hash();
    statistics_sha256 = sha256_of(std::as_bytes(std::span(both)));
  }
  inputs.emplace(statistics, hessians ? &*hessians : nullptr, setup.memory_limit);
  if (given) check_plan_statistics(*given, statistics_sha256, options.plan);
}

std::uint64_t Preparation::bytes_of(const Plan& plan) {
  return package_bytes(head_of(plan), format, source.checkpoint);
}

const CheckpointHead& Preparation::head_of(const Plan& plan) {
  if (!head_) head_ = package_head(plan, names, source, scheme);
  head_->tensors = tensor_table(plan, names, source.spec, copied);
  return *head_;
}

}  // namespace quern
