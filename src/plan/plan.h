// A plan as data: which codec and optimizer every tensor of the output gets, how many bytes that is, and why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "codec/codec.h"
#include "model/weights.h"
#include "plan/map_application.h"
#include "plan/scheme.h"

namespace quern {

// PlanStep::Calibration::kSequential as JSON has it; of the other nothing is said there.
inline constexpr const char* kSequentialCalibration = "sequential";

struct PlanStep {
  std::string tensor;  // in the source
  std::string output;  // in the package
  std::string codec;
  std::string optimizer;
  std::uint64_t bytes = 0;
  std::string reason;
  std::uint64_t parameters = 0;  // weights; 0 in plans of versions that did not count them
  // Of which inputs statistics are: those that the matrix has in the original; or those behind what the plan compresses
  // in front of it, the weights being moved to suit them (src/sequential).
  enum class Calibration { kOriginal, kSequential } calibration = Calibration::kOriginal;
  bool is_sequential() const noexcept { return calibration == Calibration::kSequential; }

  bool operator==(const PlanStep&) const = default;
};

struct Plan {
  std::string scheme, format;
  std::string tensors_sha256;                    // of what it is made from: source_table_hash
  std::string source_sha256;                     // of the source's files, in plans of version 0.1.0; else empty
  std::string statistics_sha256;                 // of second moments; empty: made without statistics
  std::string hessians_sha256;                   // empty: no step's codes are chosen by Hessians
  std::vector<PlanStep> steps;                   // in file order; one for every weight of the model
  std::vector<std::string> notes;                // what a person should know: a codec that did not fit a shape
  std::optional<PrecisionMapUse> precision_map;  // absent: made without one

  // Those of measured codecs are estimates until the files are there (estimate_note).
  std::uint64_t tensor_bytes() const;
  // In the memory of a program that runs it: floats that are kept in fewer bytes without loss take their own there.
  std::uint64_t loaded_bytes() const;
  // Of the canonical JSON: names the plan in manifests.
  std::string sha256() const;
  bool operator==(const Plan&) const = default;
};

// What its files hold. Names point into the plan.
std::vector<StoredTensor> stored_tensors(const Plan& plan);

// Whether two plans for one model store every tensor in the same number format.
bool have_same_codecs(const Plan& a, const Plan& b);
// The number format of most weights.
std::string most_used_codec(const Plan& plan);

// Which bytes are only estimated, for a person; empty: all are exact.
std::string estimate_note(const Plan& plan);

Json to_json(const Plan& plan);
// Error(kInput) that names the member when something is missing or of another kind.
Plan plan_from_json(const Json& json);

// Of the names, number formats and shapes of the tensors that the weights are stored as, and of what changes them
// (Weights::identity): a plan for one model suits every other with the same.
std::string source_table_hash(const ModelSpec& spec, const Weights& source);

// The plan with what else a person should know of it.
Plan with_notes(Plan plan, const std::vector<std::string>& notes);

// Whether codes of the plan are chosen by what only Hessians tell.
bool needs_hessians(const Plan& plan);

// Of what is known of a model's inputs. Empty: nothing.
struct StatisticsHashes {
  std::string moments, hessians;
  std::string sequence = {};  // of a plan's; not named in plans, whose text and steps it follows from
};

struct Optimizer;

// The plan with the steps of one optimizer given to another.
Plan with_optimizer(Plan plan, const Optimizer& of, const Optimizer& instead);

struct PlanInput {
  const Scheme& scheme;
  const Format& format;
  const ModelSpec& spec;
  const ExportMap& names;
  const Weights& source;
  StatisticsHashes statistics;
  const PrecisionMap* precision_map = nullptr;  // null: the scheme decides everything
  const Optimizer* optimizer = nullptr;         // of matrices whose inputs are known; null: by their second moments
  bool has_statistics() const { return !statistics.moments.empty(); }
};

// Pure. A weight gets the codec of the first rule of the map that matches it; without one, matrices get the scheme's
// codec, and weights that keeps_precision() the scheme's encoding for those, the one that the container's runtimes
// want, or their own. Where rows do not divide into blocks: fit_codec, with a note. Error(kInfeasible) when the
// container cannot hold a codec; Error(kUsage) where a rule is wrong.
Plan make_plan(const PlanInput& input);

// Bytes of one step of make_plan, where no precision map is given.
std::uint64_t step_bytes(const PlanInput& input, const ExportedWeight& exported);

}  // namespace quern
