// Rotary positions as configurations describe them.
#pragma once

#include "model/hyper_parameters.h"
#include "model/rope_frequencies.h"

namespace quern {

struct RopeConfig {
  double base = 10000;
  RopeScaling scaling;
  std::vector<float> factors;  // [head_dim / 2] further divisors of the frequencies; empty: all 1
};

// Error(kInfeasible) for kinds of scaling that are not computed, Error(kInput) for values that cannot be. REQUIRES: the
// extents "head_dim" and "context".
RopeConfig read_rope(HyperParameters& parameters, double usual_base);

RopeOp rope_op(const RopeConfig& rope, std::uint64_t head_dim, RopeOp::Pairing pairing);

// What llama.cpp wants beside the weights: the divisors of Llama 3.1's scaling as a tensor.
std::vector<ExtraTensor> rope_extras(const RopeConfig& rope, std::uint64_t head_dim);

// "llama.rope.freq_base" and its like.
void set_rope_metadata(Metadata& metadata, const std::string& prefix, const RopeConfig& rope, std::uint64_t head_dim);
// "rope_theta" and "rope_scaling" of config.json. Error(kInfeasible) for divisors that no scaling of transformers
// gives.
void set_rope_config(Json& config, const RopeConfig& rope, std::uint64_t head_dim);

}  // namespace quern
