// general.* of a GGUF file, beyond its architecture: what model it is, who made it, and what it may be used for.
#pragma once

#include <string>

#include "checkpoint/metadata.h"
#include "package/model_id.h"
#include "report/card_yaml.h"
#include "runtime/open_model.h"

namespace quern {

struct GeneralFacts {
  std::string card;    // README.md
  Json config;         // config.json; null: none
  Json generation;     // generation_config.json; null: none
  std::string hub_id;  // of the repository in the hub's cache, "acme/tiny"; empty: it does not lie there
  ParameterCounts parameters;
};

// As llama.cpp's converter writes them, but for one: the name of a folder elsewhere than in the hub's cache says
// nothing, so that equal input in another place gives equal bytes. Source: gguf-py 0.19, gguf/metadata.py.
Metadata general_keys(const GeneralFacts& facts);

// Of the files that lie beside the weights.
GeneralFacts general_facts(const OpenModel& source, const ExportMap& names);

// Of what of them lies in no file that a manifest has the hash of: the card, and a place in the hub's cache.
std::string hash_of_surroundings(const OpenModel& source);

// The same for the card of the package.
CardFacts card_facts(const OpenModel& source);

}  // namespace quern
