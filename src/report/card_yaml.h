// The head of a model card that the Hugging Face hub reads.
#pragma once

#include <string>

#include "base/json.h"
#include "report/report.h"

namespace quern {

// What is known of the original beside its weights.
struct CardFacts {
  Json original;       // front matter of its card (text/front_matter.h)
  std::string hub_id;  // "acme/tiny"; empty: it was not on the hub, as far as its files say
};

// YAML between two lines "---": licence, language and pipeline tag as the original has them, base_model (its id, or
// where that is not known what its own card names) with base_model_relation, library_name, tags. Every text is quoted.
// Source: huggingface.co/docs/hub/model-cards.
std::string card_yaml(const CardFacts& facts, const Report& report);

}  // namespace quern
