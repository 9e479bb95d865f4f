// The head of a model card that the Hugging Face hub reads.
#pragma once

#include <string>

#include "base/json.h"
#include "report/report.h"

namespace quern {

// What is known of the original beside its weights.
struct CardFacts {
  Json original;       // front matter of its card (text/front_matter.h)
  std::string hub_id;  // "acme/tiny"; empty: it does not lie in the hub's cache
  std::string base;    // the id in its configuration: of what it was trained from, or its own; empty: none
  // What the package gives programs: a configuration that says which class of model it is, a tokenizer.
  enum class Part { kMissing, kThere };
  Part configuration = Part::kThere, tokenizer = Part::kThere;
  enum class Result { kFolder, kOneFile } result = Result::kFolder;  // kOneFile: the card lies in FILE.report
  std::string adapter;       // that was merged first: its id on the hub, or the name of its folder; empty: none
  std::string adapter_base;  // that its configuration names, where that is an id; empty: none

  bool adapter_is_on_hub() const { return adapter.find('/') != std::string::npos; }
};

// YAML between two lines "---": licence, language and pipeline tag as the original has them, library_name (quern where
// no other program loads it), tags. An original of the hub is the base_model, with the relation quantized; of another
// the base_model that its own card or configuration names, with the relation only where the card says that it was
// quantized; with an adapter merged both are named, and the hub takes it for a merge. Every text is quoted. Source:
// huggingface.co/docs/hub/model-cards.
std::string card_yaml(const CardFacts& facts, const Report& report);

}  // namespace quern
