// Whether a model's weights can be what they claim to be: asked once, before hours are spent on them.
#pragma once

#include "base/thread_pool.h"
#include "model/weights.h"
#include "quern/observer.h"

namespace quern {

// All of the below. Reads every weight of the model once. One step of the observer a weight.
void check_weights(const Weights& source, const ModelSpec& spec, ThreadPool& pool, Observer& observer);

// The same but for what encode_rows checks of the weights that `names` exports. Reads few of them.
void check_weights_before_encoding(const Weights& source, const ModelSpec& spec, const ExportMap& names,
                                   ThreadPool& pool, Observer& observer);

// Error(kInput) that names the tensor and counts its NaN and infinite values.
void check_finite(const Weights& source, const Weight& weight);
void check_finite_weights(const Weights& source, const ModelSpec& spec, ThreadPool& pool, Observer& observer);
// Error(kInput) that names the tensor and the value under which a state would grow.
void check_decays(const Weights& source, const ModelSpec& spec);

}  // namespace quern
