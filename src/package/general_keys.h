// general.* of a GGUF file, beyond its architecture: what model it is, who made it, and what it may be used for.
#pragma once

#include <string>

#include "checkpoint/metadata.h"
#include "package/model_id.h"
#include "report/card_yaml.h"
#include "runtime/open_model.h"

namespace quern {

struct GeneralFacts {
  Json card = Json::object();  // original_card
  Json config;                 // config.json; null: none
  Json generation;             // generation_config.json; null: none
  std::string hub_id;          // of the repository in the hub's cache, "acme/tiny"; empty: it does not lie there
  std::string folder;          // name of the model's folder or file, for what neither card nor ids say; empty: unknown
  ParameterCounts parameters;
};

// As llama.cpp's converter writes them. Source: gguf-py 0.19, gguf/metadata.py.
Metadata general_keys(const GeneralFacts& facts);

// Of the files that lie beside the weights.
GeneralFacts general_facts(const OpenModel& source, const ExportMap& names);

// Of what of them lies in no file that a manifest has the hash of: the card, a place in the hub's cache, the name of
// the folder.
std::string hash_of_surroundings(const OpenModel& source);

// The same for the card of a package, in a container of this `place`.
CardFacts card_facts(const OpenModel& source, Format::Companions place);

}  // namespace quern
