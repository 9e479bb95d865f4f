// `quern eval`: a model or package on a text, alone or against the original.
#pragma once

#include "base/json.h"
#include "quern/evaluate.h"
#include "runtime/open_model.h"

namespace quern {

// Of models that are open. `original`: null for perplexity alone. Error(kInput) when the two vocabularies are not the
// same pieces. Leaves `json` empty.
EvaluateResult eval_models(const EvaluateOptions& options, const OpenModel& model, const OpenModel* original,
                           Observer& observer);

Json to_json(const EvaluateResult& result);

}  // namespace quern
