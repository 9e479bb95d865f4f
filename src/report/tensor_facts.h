// What the report says of each tensor beside its step: place in the model, and what was measured of it alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "plan/fallback.h"
#include "plan/size_search.h"

namespace quern {

struct TensorFacts {
  enum class Kind { kMatrix, kKept };

  std::string role;                     // as in ModelSpec
  std::int32_t layer = -1;              // 0-based; -1 outside the layers
  Kind kind = Kind::kMatrix;            // kKept: a vector, or what else plans keep in precision
  std::optional<double> kld;            // measured with this tensor alone in `measured_codec`, nats
  std::string measured_codec;           // empty: not measured
  std::optional<double> predicted_kld;  // share of the number format that was chosen, nats
};

// Nothing measured.
TensorFacts tensor_facts(const Weight& weight);

// What a survey measured of a step adds, and the share of the number format that it has in `plan`.
void add_survey_facts(const StepOptions& of_step, const Plan& plan, TensorFacts& facts);

// What a harm, measured with the number format that the step has in `plan`, adds.
void add_harm_facts(const StepHarm& harm, const Plan& plan, TensorFacts& facts);

}  // namespace quern
