// What each scheme would make of a model, by its shapes: how large, and in which container.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "runtime/open_model.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {

struct Technique {
  std::string scheme, summary, format;
  // Of the files that a runtime needs, tokenizer and configuration included; of a number format whose size hangs on the
  // numbers an estimate.
  std::uint64_t bytes = 0;
  std::string why_not;  // empty: it applies
};

// One for each scheme, those that apply first, the smallest last. Reads no weights.
std::vector<Technique> techniques(const OpenModel& model, const SourceTokenizer& tokenizer);

// The same for a checkpoint that no architecture recognises. Of one with more tensors than a piece of its list has
// (listed_pieces.h) a few bytes of each name's entry are an estimate. `outline`: outline_unknown_model.
std::vector<Technique> techniques_of_list(const Checkpoint& files, const ModelSpec& outline,
                                          const SourceTokenizer& tokenizer);

// A table, and why what does not apply does not; `source_bytes`: of the same files of the model.
std::string techniques_table(const std::vector<Technique>& techniques, std::uint64_t source_bytes);
Json to_json(const Technique& technique);

}  // namespace quern
