// What the report says of each tensor beside its step: place in the model, and what was measured of it alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/fallback.h"
#include "plan/size_search.h"

namespace quern {

struct TensorFacts {
  enum class Kind { kMatrix, kKept };

  std::string role;                     // as in ModelSpec
  std::int32_t layer = -1;              // 0-based; -1 outside the layers
  Kind kind = Kind::kMatrix;            // kKept: a vector or a small sensitive matrix, which plans keep in precision
  std::optional<double> kld;            // measured with this tensor alone in `measured_codec`, nats
  std::string measured_codec;           // empty: not measured
  std::optional<double> predicted_kld;  // share of the number format that was chosen, nats
};

// One for each of `names.weights`, nothing measured.
std::vector<TensorFacts> tensor_facts(const ModelSpec& spec, const ExportMap& names);

// What a survey adds, and the shares of a plan that was made from it or predicted by it, one for each step.
void add_survey_facts(std::span<const StepOptions> options, std::span<const double> shares,
                      std::vector<TensorFacts>& facts);

// What harms, measured with the number formats of `plan`, add.
void add_harm_facts(std::span<const StepHarm> harms, const Plan& plan, std::vector<TensorFacts>& facts);

}  // namespace quern
