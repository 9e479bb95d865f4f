// The first phase: a model opened, its scheme and container settled. No weight was read, and no text.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compress/scheme_choice.h"
#include "encode/encode.h"
#include "measure/evaluation_setup.h"
#include "model/ternary_weights.h"
#include "package/package.h"
#include "plan/coupling.h"
#include "quern/compress_options.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {

class Opened {
  const std::unique_ptr<ThreadPool> pool_;

 public:
  // Opens the model that the options name, unless it is opened already, with weights of its own perhaps. Refuses
  // options that cannot work, and an output that cannot be written. REQUIRES: the observer outlives this.
  Opened(const CompressOptions& options, Observer& observer, std::optional<OpenModel> model = std::nullopt);
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  const std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  const CompressOptions options;
  Observer& observer;
  const std::optional<Plan> given;                  // options.plan, as it was read
  const std::optional<PrecisionMap> precision_map;  // options.precision_map
  const OpenModel source;
  const SourceTokenizer tokenizer;
  const TensorFiles copied;     // names.copied are tensors of these
  const std::string name;       // of the model: the one that was asked for, or the input's
  const std::string quantized;  // describe_quantization of the source
  const SchemeChoice choice;
  const Scheme& scheme;
  const Format& format;
  const ExportMap names;
  const ExportMap statistics_names;  // llama.cpp's, or for a model that GGUF cannot hold its own in that style
  // Of the model in the format. None where formats are chosen that other programs do not load anyway.
  const std::vector<Coupling> couplings;
  const EvaluationSetup setup;
  const Optimizer* const optimizer;  // the one that was named; null: the scheme's, or whichever measures better

  // Matrices that were trained to have three values. Looked for at the first call; must not be called by pool tasks.
  const TernaryForms& ternary() const;

  ThreadPool& pool() const noexcept { return *pool_; }
  WalkContext walk() const { return source.walk(pool(), setup.precision); }
  // Whether number formats are chosen by what they lose: for a size, or in the advanced mode for a bound.
  bool searches() const { return options.size || options.mode == CompressOptions::Mode::kAdvanced; }
  // Whether it is measured by which optimizer codes are chosen.
  bool measures_optimizers() const { return options.optimizer == kMeasuredOptimizer && !given; }
  // Whether there is something to collect statistics from.
  bool calibrates() const { return !options.statistics.empty() || !options.calibration_text.empty(); }

  // By the scheme, or the one that was given, which may have been edited. Refuses what cannot be planned.
  // `by`: of matrices whose inputs are known; null: the scheme's.
  Plan plan(const StatisticsHashes& statistics, const Optimizer* by) const;
  // The plan's steps calibrated in sequence, as far as the memory that is allowed suffices; the same where none can be.
  Plan sequenced(Plan plan) const;
  // Bytes for Hessians while they are collected: a comparison keeps twice the hidden states that a calibration does.
  std::uint64_t hessian_memory() const { return 2 * setup.memory_limit; }
  // What a person should know of a plan before it is carried out.
  std::vector<std::string> notes_of(const Plan& plan) const;
  // Whether its number formats are those that the scheme gives every tensor, and no others for a size, a bound, rules
  // or an edited plan.
  bool follows_scheme(const Plan& plan) const;
  // What is in its files, for people: "q4_k_m", "mostly q5_k", also where the rows fit nothing that the scheme is named
  // for, or "bf16, nothing lost" of one that a size left room for.
  std::string contents_of(const Plan& plan) const;
  // That nothing is in what the scheme is named for; empty: something is, or the plan is not the scheme's.
  std::string unfitted_note(const Plan& plan) const;
  // Whether every weight is kept in floats that hold its numbers exactly, or copied.
  bool loses_nothing(const Plan& plan) const;
  // What keeps programs from loading its files.
  std::vector<std::string> loading_notes(const Plan& plan) const;

  // Header of the files of a plan, and bytes of all of them that a runtime needs.
  CheckpointHead head_of(const Plan& plan) const;
  std::uint64_t bytes_of(const Plan& plan) const;
  // config.json of any plan's package, but for what says how weights are packed; null: it has none.
  const Json& config() const noexcept { return head_.config; }

 private:
  // The plan that the scheme makes; nullopt: its container holds none. Made once.
  const std::optional<Plan>& scheme_plan(std::string_view statistics) const;
  // Whether a matrix has a number format that the scheme is named for.
  bool holds_what_scheme_names(const Plan& plan) const;
  CheckpointHead unnamed_head_of(const Plan& plan) const;

  struct SchemePlan {
    std::once_flag made;
    std::optional<Plan> plan;
  };
  mutable std::once_flag ternary_found_;
  mutable TernaryForms ternary_;
  mutable SchemePlan without_statistics_, with_statistics_;
  const CheckpointHead head_;  // of any plan: only the tensors and the names of the mix differ
};

// What is known of them before calibration.
ImportanceKeys importance_keys(const CompressOptions& options);

}  // namespace quern
