// Whether a model's weights can be what they claim to be: asked once, before hours are spent on them.
#pragma once

#include "base/thread_pool.h"
#include "quern/observer.h"
#include "runtime/weight_source.h"

namespace quern {

// All of the below. Reads every weight of the model once. One step of the observer a weight.
void check_weights(const WeightSource& source, const ModelSpec& spec, ThreadPool& pool, Observer& observer);

// The same but for what encode_rows checks of the weights that `names` exports. Reads few of them.
void check_weights_before_encoding(const WeightSource& source, const ModelSpec& spec, const ExportMap& names,
                                   ThreadPool& pool, Observer& observer);

// Error(kInput) that names the tensor and counts its NaN and infinite values.
void check_finite(const WeightSource& source, const Weight& weight);
void check_finite_weights(const WeightSource& source, const ModelSpec& spec, ThreadPool& pool, Observer& observer);
// Error(kInput) that names the tensor and the value under which a state would grow.
void check_decays(const WeightSource& source, const ModelSpec& spec);
// Error(kInput) that names both tensors and the first row in which the stored head of a tied model is not the
// embedding.
void check_tied_copy(const WeightSource& source, const ModelSpec& spec);

}  // namespace quern
