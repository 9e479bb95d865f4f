// What lies beside the weights in a folder that is made from a file with everything in it.
#pragma once

#include <string>
#include <vector>

#include "runtime/open_model.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {

// Makes `config`, of the model alone, the head's, with the special tokens; adds the files of the tokenizer and of
// generation, where the source has a tokenizer.
void add_companions(CheckpointHead& head, const Json& config, const OpenModel& source,
                    const SourceTokenizer& tokenizer);

// The precision that transformers computes in: the floats that most bytes of the head's matrices are in; without any
// bfloat16.
void set_torch_type(CheckpointHead& head);

// A sentence for each JSON file of the tokenizer that is copied, was not read and is no JSON.
std::vector<std::string> broken_tokenizer_notes(const Checkpoint& source);

}  // namespace quern
